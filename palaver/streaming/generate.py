"""The test source: a generated picture and sound, made by a child process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from palaver.media.endpoints import EndpointKind, EndpointLost
from palaver.media.pipelines import control
from palaver.media.pipelines.control import PipelineKind
from palaver.room.endpoints import TestSource
from palaver.room.formats import accepted_by
from palaver.room.messages import OpenSource
from palaver.room.values import AudioFormat, Resolution, VideoFormat
from palaver.streaming.control import Generate, TracksFound
from palaver.streaming.source import ChildSource

if TYPE_CHECKING:
    from palaver.media.endpoints import Endpoint, RoomMedia
    from palaver.room.messages import OpenSink
    from palaver.room.values import Format

SIZE: Final = Resolution(640, 360)
FRAMERATE: Final = 30
_VIDEO: Final = (VideoFormat("vp8"), VideoFormat("h264", "CB"), VideoFormat("h264", "B"))
_AUDIO: Final = AudioFormat("opus", 48_000, 2)


Report: TypeAlias = control.Report | TracksFound

GENERATOR: Final = PipelineKind("palaver.streaming.generator:run", msgspec.msgpack.Decoder(Report))


def open_source(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
    """Open a test source in the first formats that the room takes. Raises EndpointLost."""
    assert isinstance(action, OpenSource)
    assert isinstance(action.source, TestSource)
    kinds = action.source.kinds
    video = next((one for one in _VIDEO if accepted_by(action.video_in, one)), None)
    has_audio, has_video = accepted_by(action.audio_in, _AUDIO) and "audio" in kinds, "video" in kinds
    made: set[Format] = {_AUDIO} if has_audio else set()
    if has_video and video is not None:
        made.add(video)
    if ("video" in action.source.required and video is None) or not made:
        raise EndpointLost("the room takes neither VP8 nor H264")
    if "audio" in action.source.required and not has_audio:
        raise EndpointLost("the room takes no Opus")
    picture = video if has_video else None
    first = Generate(
        audio=has_audio,
        video=picture.codec if picture else None,
        profile=picture.profile if picture else None,
        width=SIZE.width,
        height=SIZE.height,
        framerate=FRAMERATE,
    )
    return ChildSource(action, media, GENERATOR, first)


KIND: Final = EndpointKind(open_source, preload=(GENERATOR.module,))
