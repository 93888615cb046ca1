"""A source whose media a child process makes or fetches: the node's side of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palaver.media.endpoints import EndpointLost, NewTrack
from palaver.media.pipelines.control import Failed
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.room.messages import OpenSource
from palaver.room.values import AudioFormat, Resolution, Track, VideoFormat, VideoParameters
from palaver.streaming.control import AUDIO_TRACK, VIDEO_TRACK, Interrupted, TracksFound

if TYPE_CHECKING:
    from msgspec import Struct

    from palaver.media.endpoints import RoomMedia
    from palaver.media.pipelines.control import PipelineKind
    from palaver.room.messages import Action, OpenSink
    from palaver.streaming.control import FoundAudio, FoundVideo

SOURCE: Final = "streaming"
"""OWT's word for where such tracks come from."""
LOST: Final = "the process that brings it has ended"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until media must flow for the first time, and that it may be interrupted; 0: for ever."""

    first_s: float = 0.0
    interrupted_s: float = 0.0


class ChildSource:
    """Keeps a child that writes a stream's tracks; ``first`` is the command that tells it which.

    The stream begins when the child has said what it found. While there is no child, or it finds nothing, the stream is
    interrupted; what it finds afterwards may have another format or size. The source ends when its patience does, when
    the child says that trying again cannot help, or if nothing comes at the first attempt.
    """

    def __init__(
        self,
        action: OpenSource | OpenSink,
        media: RoomMedia,
        kind: PipelineKind,
        first: Struct,
        patience: Patience = Patience(),
    ) -> None:
        assert isinstance(action, OpenSource)
        self._required = action.source.required
        self._media, self._first, self._patience = media, first, patience
        self._supervisor = PipelineSupervisor(
            media.pipelines, kind, media.thread, self, media.log, wanted=True
        )
        self._pipeline: int | None = None
        self._ready = self._flows = False
        self._reason = "nothing came in time"
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # ── as the engine sees it ───────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """See Endpoint."""
        self._wait(self._patience.first_s)
        try:
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(self._supervisor.run())
                await self._over.wait()
                working.cancel()
        finally:
            self._wait(0)
        raise EndpointLost(self._reason)

    def change(self, action: Action) -> None:
        """See Endpoint: muting is the engine's."""

    def _wait(self, seconds: float) -> None:
        """End after so long, unless media comes; 0: never."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._over.set)

    # ── as its pipeline sees it ─────────────────────────────────────────────────────────────────────

    def begun(self, pipeline: int) -> None:
        """See PipelineUser."""
        self._pipeline = pipeline
        self._supervisor.say(self._first)

    def over(self) -> None:
        """See PipelineUser."""
        self._pipeline = None
        if self._flows:
            self._interrupt(LOST)

    def heard(self, report: Struct) -> None:
        """See PipelineUser."""
        match report:
            case TracksFound():
                self._flow(report)
            case Interrupted(reason=reason, final=final):
                self._interrupt(reason)
                if final or not self._ready:
                    self._over.set()
            case Failed(reason=reason):
                self._interrupt(reason)
            case _:
                pass

    def _flow(self, found: TracksFound) -> None:
        if self._pipeline is None:
            return
        tracks = [one for one in (_audio(found.audio), _video(found.video)) if one is not None]
        missing = self._required - {track.kind for track in tracks}
        if missing and not self._ready:
            self._reason = f"the stream has no {' and no '.join(sorted(missing))}"
            return  # it may still come
        for track in tracks:
            number = AUDIO_TRACK if track.kind == "audio" else VIDEO_TRACK
            size = track.parameters.resolution if track.parameters else None
            self._media.publish(NewTrack(track.format, size=size), self._pipeline, number)
        self._wait(0)
        (self._media.resumed if self._ready else self._media.ready)(tuple(tracks))
        self._ready = self._flows = True

    def _interrupt(self, reason: str) -> None:
        if self._over.is_set():
            return
        self._reason = reason
        if self._flows:
            self._flows = False
            self._media.log.warning("streaming-in interrupted", reason=reason)
            self._media.interrupted(reason)
            self._wait(self._patience.interrupted_s)


def _audio(found: FoundAudio | None) -> Track | None:
    if found is None:
        return None
    # of G.711 there is one form, which formats leave unsaid
    rate = found.sample_rate if found.codec in ("opus", "g722") else None
    channels = found.channels if found.codec == "opus" else None
    return Track("audio", AudioFormat(found.codec, rate, channels), SOURCE)


def _video(found: FoundVideo | None) -> Track | None:
    if found is None:
        return None
    size = Resolution(found.width, found.height) if found.width and found.height else None
    parameters = VideoParameters(size, round(found.framerate, 2) or None)
    return Track("video", VideoFormat(found.codec, found.profile), SOURCE, parameters)
