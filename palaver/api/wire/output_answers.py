"""Recordings, streaming-outs, analytics and SIP calls as REST answers them. For the API's description."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType, field

from palaver.api.wire.formats import Shape
from palaver.api.wire.stream_info import (  # noqa: TC001 - msgspec reads the annotations
    FormatInfo,
    ParametersInfo,
    Status,
)


class OutputAudio(Shape):
    """Audio on its way out."""

    source: str = field(name="from")
    format: FormatInfo
    status: Status


class OutputVideo(Shape):
    """Video on its way out."""

    source: str = field(name="from")
    format: FormatInfo
    parameters: ParametersInfo
    status: Status


class OutputMedia(Shape):
    """A kind that is absent is ``false``."""

    audio: OutputAudio | bool
    video: OutputVideo | bool


class Storage(Shape):
    """Where a recording is."""

    host: str
    file: str


class Recording(Shape):
    """A recording that goes on."""

    id: str
    media: OutputMedia
    storage: Storage


class StreamingOut(Shape):
    """A streaming-out that goes on."""

    id: str
    media: OutputMedia
    protocol: Literal["rtmp", "rtsp", "hls", "dash"]
    url: str
    parameters: dict[str, Any] | UnsetType = UNSET


class Algorithm(Shape):
    """What analyses."""

    algorithm: str


class AnalysedMedia(Shape):
    """What is analysed."""

    format: FormatInfo
    source: str = field(name="from")
    video: OutputVideo


class Analysis(Shape):
    """An analysis that goes on."""

    id: str
    analytics: Algorithm
    media: AnalysedMedia


class CallOutput(Shape):
    """What the other end of a call receives."""

    id: str
    media: OutputMedia


class SipCall(Shape):
    """A call that goes on."""

    id: str
    type: Literal["dial-in", "dial-out"]
    peer: str
    input: dict[str, Any]
    output: CallOutput
