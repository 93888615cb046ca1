"""A source whose media a child process makes or fetches: the node's side of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from palaver.media.endpoints import EndpointLost, NewTrack
from palaver.media.formats import h264_level
from palaver.media.pipelines.control import Failed
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.room.formats import accepted_by
from palaver.room.messages import OpenSource
from palaver.room.values import AudioFormat, Resolution, Track, VideoFormat, VideoParameters
from palaver.streaming.control import AUDIO_TRACK, VIDEO_TRACK, Interrupted, TracksFound

if TYPE_CHECKING:
    from msgspec import Struct

    from palaver.media.endpoints import RoomMedia
    from palaver.media.pipelines.control import PipelineKind
    from palaver.room.messages import Action, OpenSink
    from palaver.room.values import Format
    from palaver.streaming.control import FoundAudio, FoundVideo

LOST = "its process was lost"


class ChildSource:
    """Keeps a child that writes a stream's tracks; ``first`` is the command that tells it which.

    The stream begins when the child has said what it found. While there is no child, or it finds nothing, the stream is
    interrupted; what it finds afterwards may have another format or size.
    """

    def __init__(
        self, action: OpenSource | OpenSink, media: RoomMedia, kind: PipelineKind, first: Struct
    ) -> None:
        assert isinstance(action, OpenSource)
        self._action, self._media, self._first = action, media, first
        self._supervisor = PipelineSupervisor(
            media.pipelines, kind, media.thread, self, media.log, wanted=True
        )
        self._pipeline: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: str | None = None
        self._ready = self._interrupted = False

    # ── as the engine sees it ───────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """See Endpoint."""
        self._task = asyncio.current_task()
        try:
            await self._supervisor.run()
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            raise EndpointLost(self._failure) from None

    def change(self, action: Action) -> None:
        """See Endpoint: muting is the engine's."""

    # ── as its pipeline sees it ─────────────────────────────────────────────────────────────────────

    def begun(self, pipeline: int) -> None:
        """See PipelineUser."""
        self._pipeline = pipeline
        self._supervisor.say(self._first)

    def over(self) -> None:
        """See PipelineUser."""
        self._pipeline = None
        self._interrupt(LOST)

    def heard(self, report: Struct) -> None:
        """See PipelineUser."""
        match report:
            case TracksFound():
                self._found(report)
            case Interrupted(reason=reason, final=True):
                self._end(reason)
            case Interrupted(reason=reason):
                self._interrupt(reason)
            case Failed(reason=reason):
                self._interrupt(reason)

    def _found(self, found: TracksFound) -> None:
        if self._pipeline is None:
            return
        tracks = [one for one in (self._audio(found.audio), self._video(found.video)) if one is not None]
        missing = self._action.source.required - {track.kind for track in tracks}
        if missing or not tracks:
            wanted = " and ".join(sorted(missing)) or "media"
            self._end(f"the stream has no {wanted} that the room takes")
            return
        for track in tracks:
            self._publish(track, self._pipeline)
        if not self._ready:
            self._ready = True
            self._media.ready(tuple(tracks))
            return
        self._interrupted = False
        self._media.resumed(tuple(tracks))

    def _publish(self, track: Track, pipeline: int) -> None:
        level = h264_level(track.format)
        size = track.parameters.resolution if track.parameters else None
        new = NewTrack(track.format, {"profile-level-id": level} if level else {}, size)
        self._media.publish(new, pipeline, AUDIO_TRACK if track.kind == "audio" else VIDEO_TRACK)

    def _audio(self, found: FoundAudio | None) -> Track | None:
        if found is None:
            return None
        # of G.711 there is one form, which formats leave unsaid; Opus is always offered in stereo
        form = AudioFormat(found.codec)
        if found.codec == "opus":
            form = AudioFormat("opus", 48_000, 2)
        elif found.codec == "g722":
            form = AudioFormat("g722", 16_000, 1)
        return Track("audio", form) if self._taken(form, self._action.audio_in) else None

    def _video(self, found: FoundVideo | None) -> Track | None:
        if found is None:
            return None
        form = VideoFormat(found.codec, found.profile)
        if not self._taken(form, self._action.video_in):
            return None
        size = Resolution(found.width, found.height) if found.width and found.height else None
        return Track("video", form, parameters=VideoParameters(size, found.framerate or None))

    def _taken(self, form: Format, accepted: tuple[Format, ...]) -> bool:
        return accepted_by(accepted, form)

    def _interrupt(self, reason: str) -> None:
        if self._ready and not self._interrupted:
            self._interrupted = True
            self._media.interrupted(reason)

    def _end(self, reason: str) -> None:
        """The source cannot go on: let ``run`` say so."""
        self._failure = reason
        if self._task is not None:
            self._task.cancel()
