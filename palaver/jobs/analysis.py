"""Analyses: jobs in which an algorithm sees or hears a stream of a room, and may show another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from palaver.analytics.catalogue import CatalogueError
from palaver.jobs.kinds import JobFailed, RestartRefused
from palaver.jobs.outgoing import WantedPicture, WantedSound  # noqa: TC001 - msgspec reads the annotations
from palaver.jobs.session import RoomSession
from palaver.room.endpoints import AnalysisSink, AnalysisSource
from palaver.room.errors import RoomError
from palaver.room.messages import Publish, Subscribe
from palaver.room.values import StreamId, SubscribedTrack, SubscriptionId, VideoFormat

if TYPE_CHECKING:
    from palaver.analytics.catalogue import Catalogue
    from palaver.analytics.results import Results
    from palaver.host import RoomHost


@dataclass(frozen=True, slots=True)
class Analysis:
    """What to analyse with which algorithm; ``video`` also says how what it shows is to be encoded."""

    algorithm: str
    parameters: dict[str, Any] = field(default_factory=dict)
    audio: WantedSound | None = None
    video: WantedPicture | None = None

    def tracks(self) -> tuple[SubscribedTrack, ...]:
        """What to ask the room for: as it comes, whatever is made of it."""
        heard = (SubscribedTrack("audio", StreamId(self.audio.stream)),) if self.audio else ()
        seen = (SubscribedTrack("video", StreamId(self.video.stream)),) if self.video else ()
        return heard + seen


def analysed_stream(analysis: str) -> StreamId:
    """The id of the stream that an analysis shows."""
    return StreamId(f"{analysis}-analysed")


class Analyses:
    """The kind of job."""

    name = "analysis"
    request: type[Any] = Analysis

    def __init__(self, catalogue: Catalogue, results: Results) -> None:
        self._catalogue, self._results = catalogue, results
        self._log = structlog.get_logger("palaver.analytics")

    async def check(self, request: Analysis) -> None:
        """See JobKind."""
        try:
            algorithm, refusal = await self._catalogue.checked(request.algorithm, request.parameters)
        except CatalogueError as error:
            raise JobFailed(str(error)) from None
        if algorithm is None:
            raise JobFailed(f"there is no algorithm {request.algorithm!r}")
        if refusal:
            raise JobFailed(f"parameters: {refusal}")

    def command(self, job: str, request: Analysis) -> Subscribe:
        """See JobKind. Raises RestartRefused for one whose algorithm failed too often."""
        if reason := self._results.given_up(job):
            raise RestartRefused(reason)
        sink = AnalysisSink(
            self._catalogue.resolved(request.algorithm),
            request.parameters,
            request.video.parameters if request.video is not None else None,
        )
        return Subscribe(None, SubscriptionId(job), sink, request.tracks())

    def shown(self, request: Analysis) -> Analysis:
        """See JobKind."""
        return request

    async def clean_up(self, request: Analysis) -> None:
        """See JobKind: what was seen stays for a while."""

    def brings(self, job: str) -> tuple[StreamId, ...]:
        """See StreamBringingKind."""
        return (analysed_stream(job),)

    async def bring(self, job: str, request: Analysis, host: RoomHost) -> None:
        """See StreamBringingKind: publishes what the algorithm shows, once it does."""
        log = self._results.of(host.room.config.id, job)
        if log is None:
            return
        await log.shows.wait()
        wanted = request.video
        form = VideoFormat(wanted.codec, wanted.profile) if wanted is not None and wanted.codec else None
        source = AnalysisSource(SubscriptionId(job), form)
        described: dict[str, object] = {"analysis": job, "algorithm": request.algorithm, "from": log.source}
        command = Publish(None, analysed_stream(job), source, described)
        try:
            async with RoomSession(host, command) as session:
                await session.ready()
                await session.ended()
        except (JobFailed, RoomError) as problem:
            self._log.warning("analysed stream not published", analysis=job, reason=str(problem))
            self._results.seen(log, "stream-refused", {"reason": str(problem)})
