"""Recordings: what REST takes and answers."""

from __future__ import annotations

from typing import Final, Literal

from palaver.api.wire.formats import Shape
from palaver.api.wire.sinks import SinkMedia, WantedMedia, codec_of

_RECORDED_AUDIO: Final = frozenset({"pcmu", "pcma", "opus", "aac"})


class RecordingRequest(Shape):
    """Starts a recording."""

    media: WantedMedia
    container: Literal["auto", "mkv", "mp4", "ts"] = "auto"

    def __post_init__(self) -> None:
        audio, video = codec_of(self.media.audio), codec_of(self.media.video)
        if audio is not None and audio not in _RECORDED_AUDIO:
            raise ValueError("media.audio.format.codec: expected pcmu, pcma, opus or aac")
        if self.container != "mp4":
            return
        if audio not in {None, "aac"}:
            raise ValueError("media.audio.format.codec: mp4 holds aac only")
        if video not in {None, "h264", "h265"}:
            raise ValueError("media.video.format.codec: mp4 holds h264 and h265 only")


class Storage(Shape):
    """Where a recording is."""

    host: str
    file: str


class Recording(Shape):
    """A recording that goes on."""

    id: str
    media: SinkMedia
    storage: Storage
