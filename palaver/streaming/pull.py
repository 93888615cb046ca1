"""A streaming-in as its node sees it: a source whose pipeline receives a stream of another server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from palaver.media.endpoints import EndpointKind, EndpointLost, NewTrack
from palaver.media.pipelines.confinement import Confinement
from palaver.media.pipelines.control import PipelineKind
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.room.endpoints import PullSource
from palaver.room.messages import OpenSource
from palaver.room.values import AudioFormat, Resolution, Track, VideoFormat, VideoParameters
from palaver.streaming.control import (
    AUDIO_TRACK,
    PULLER_REPORTS,
    VIDEO_TRACK,
    Interrupted,
    Pull,
    TracksFound,
)

if TYPE_CHECKING:
    from msgspec import Struct

    from palaver.media.endpoints import RoomMedia
    from palaver.room.messages import Action, OpenSink

PULLER: Final = PipelineKind(
    "palaver.streaming.puller_process:run", PULLER_REPORTS, confinement=Confinement(network=True)
)
FIRST_S: Final = 15.0
"""Until media flows for the first time."""
SOURCE: Final = "streaming"
"""OWT's word for where such tracks come from."""


class PulledSource:
    """Owns the puller while its source lives; see Endpoint."""

    def __init__(
        self,
        source: PullSource,
        media: RoomMedia,
        *,
        allow_loopback: bool,
        tls_verify: bool,
        give_up_s: float,
    ) -> None:
        """``give_up_s``: so long it may be interrupted; 0: for ever."""
        self._source, self._media = source, media
        self._allow_loopback, self._tls_verify, self._give_up_s = allow_loopback, tls_verify, give_up_s
        self._pipeline: int | None = None
        self._flows = False
        self._ready = False
        self._reason = "nothing came in time"
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._supervisor = PipelineSupervisor(
            media.pipelines, PULLER, media.thread, self, media.log, wanted=True
        )

    async def run(self) -> None:
        """See Endpoint."""
        self._wait(FIRST_S)
        try:
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(self._supervisor.run())
                await self._over.wait()
                working.cancel()
        finally:
            self._wait(0)
        raise EndpointLost(self._reason)

    def change(self, action: Action) -> None:
        """See Endpoint: the core mutes."""

    def _wait(self, seconds: float) -> None:
        """Give up after so long, unless something comes; 0: never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._over.set)

    # ── its pipeline: see PipelineUser ──────────────────────────────────────────────────────────────

    def begun(self, pipeline: int) -> None:
        """A puller takes commands."""
        self._pipeline = pipeline
        source = self._source
        self._supervisor.say(
            Pull(
                url=source.url,
                transport=source.protocol,
                buffer_size=source.buffer_size,
                audio=source.audio,
                video=source.video,
                loop=source.loop,
                allow_loopback=self._allow_loopback,
                tls_verify=self._tls_verify,
            )
        )

    def heard(self, report: Struct) -> None:
        """The puller said something."""
        match report:
            case TracksFound():
                self._flow(report)
            case Interrupted(reason=reason, final=final):
                self._interrupt(reason)
                if final or not self._ready:
                    self._over.set()
            case _:
                pass

    def over(self) -> None:
        """The puller is gone; another one is started."""
        self._pipeline = None
        self._interrupt("the process that receives it has ended")

    def _flow(self, found: TracksFound) -> None:
        if self._pipeline is None:
            return
        tracks: list[Track] = []
        if (audio := found.audio) is not None:
            channels = audio.channels if audio.codec == "opus" else None
            form = AudioFormat(
                audio.codec, audio.sample_rate if audio.codec in ("opus", "g722") else None, channels
            )
            self._media.publish(NewTrack(form), self._pipeline, AUDIO_TRACK)
            tracks.append(Track("audio", form, SOURCE))
        if (video := found.video) is not None:
            size = Resolution(video.width, video.height) if video.width and video.height else None
            picture = VideoFormat(video.codec, video.profile)
            self._media.publish(NewTrack(picture, size=size), self._pipeline, VIDEO_TRACK)
            parameters = VideoParameters(size, round(video.framerate, 2) or None)
            tracks.append(Track("video", picture, SOURCE, parameters))
        self._wait(0)
        if not self._ready:
            self._ready = True
            self._media.ready(tuple(tracks))
        else:
            self._media.resumed(tuple(tracks))
        self._flows = True

    def _interrupt(self, reason: str) -> None:
        if self._over.is_set():
            return
        self._reason = reason
        if self._flows:
            self._flows = False
            self._media.log.warning("streaming-in interrupted", reason=reason)
            self._media.interrupted(reason)
            self._wait(self._give_up_s)


def pull(*, allow_loopback: bool, tls_verify: bool, give_up_s: float) -> EndpointKind:
    """The kind of source, for the composition."""

    def open_source(action: OpenSource | OpenSink, media: RoomMedia) -> PulledSource:
        assert isinstance(action, OpenSource)
        assert isinstance(action.source, PullSource)
        return PulledSource(
            action.source, media, allow_loopback=allow_loopback, tls_verify=tls_verify, give_up_s=give_up_s
        )

    return EndpointKind(open_source, (PULLER.module,))
