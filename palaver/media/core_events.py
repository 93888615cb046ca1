"""What the core tells: sorted by what it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from palaver.media import _core
from palaver.room.messages import ResolutionSeen
from palaver.room.values import Resolution

if TYPE_CHECKING:
    from palaver.media.context import EngineContext
    from palaver.media.rtp import RtpPorts
    from palaver.media.webrtc.engine import WebRtcEngine


class CoreEvents:
    """Takes the core's events. What concerns a track is the same for every origin."""

    def __init__(self, context: EngineContext, webrtc: WebRtcEngine, rtp: RtpPorts) -> None:
        self._context, self._webrtc, self._rtp = context, webrtc, rtp
        self._log = structlog.get_logger("palaver.media")

    def take(self) -> None:
        """Everything that happened since the last call."""
        for event in self._context.core.events():
            try:
                self._take(event)
            except Exception:  # a bug of ours costs one event, not those behind it
                self._context.tasks.failures += 1
                self._log.exception("event failed", what=type(event).__name__)

    def _take(self, event: object) -> None:
        if self._rtp.take(event):
            return
        match event:
            case _core.Negotiated(request, _, answer):
                self._webrtc.answers.answered(request, answer)
            case _core.Refused(request, subject, reason):
                self._refused(request, subject, reason)
            case _core.Connected(handle):
                self._webrtc.connected(handle)
            case _core.Lost(handle, reason):
                self._webrtc.lost(handle, reason)
            case _core.Layer(consumer, rid):
                self._webrtc.layer_sent(consumer, rid)
            case _:
                self._take_of_track(event)

    def _take_of_track(self, event: object) -> None:
        match event:
            case _core.Resolution(producer, rid, width, height):
                self._resolution(producer, rid, Resolution(width, height))
            case _core.AudioLevel(producer, level_dbov, voice):
                if found := self._context.tracks.by_producer(producer):
                    self._context.tracks.note_level(found[0], found[1].stream, level_dbov, voice)
            case _core.PipelineLost(pipeline, reason):
                self._log.info("pipeline's socket closed", pipeline=pipeline, reason=reason)
            case _core.Unroutable(handle, ssrc, payload_type):
                self._webrtc.unroutable(handle, ssrc, payload_type)
            case _core.Stalled(producer, stalled):
                if found := self._context.tracks.by_producer(producer):
                    what = "packets stalled" if stalled else "packets resumed"
                    self._log.info(what, stream=found[1].stream, kind=found[1].kind)
                    self._context.stall(*found, stalled)

    def _refused(self, request: int, subject: int, reason: str) -> None:
        if request:
            self._webrtc.answers.refused(request, reason)
        elif not self._webrtc.refused(subject, reason):
            self._log.info("core refused", subject=subject, reason=reason)

    def _resolution(self, producer: int, rid: str | None, resolution: Resolution) -> None:
        found = self._context.tracks.by_producer(producer)
        if found is None:
            return
        room, track = found
        track.size = resolution
        name = track.layer_id(rid)
        self._context.report(room, ResolutionSeen(track.stream, name, resolution))
