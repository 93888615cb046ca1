"""Streams as REST shows them, for its description: version 1 with one form of video, 1.1 with all of its layers."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from palaver.api.wire.formats import Shape
from palaver.api.wire.stream_info import (
    FormatInfo,
    OptionalInfo,
    ParametersInfo,
    PlacementInfo,
    Status,
)


class AudioOptions(Shape):
    """What the server can make of audio beside its own form."""

    format: list[FormatInfo] | UnsetType = UNSET


class AudioDetail(Shape):
    """Audio of a stream."""

    status: Status
    format: FormatInfo
    optional: AudioOptions
    source: str | UnsetType = UNSET


class VideoDetail(Shape):
    """Video of a stream, by version 1: of a simulcast stream the first layer, without ``optional``."""

    status: Status
    format: FormatInfo
    parameters: ParametersInfo
    optional: OptionalInfo | UnsetType = UNSET
    source: str | UnsetType = UNSET


class VideoLayer(Shape):
    """One form in which video arrives; ``simulcastRid`` names it if there are several."""

    format: FormatInfo
    parameters: ParametersInfo
    simulcast_rid: str | UnsetType = UNSET


class LayeredVideoDetail(Shape):
    """Video of a stream, by version 1.1; a simulcast stream has no ``optional``."""

    status: Status
    original: list[VideoLayer]
    optional: OptionalInfo | UnsetType = UNSET
    source: str | UnsetType = UNSET


class Media(Shape):
    """A kind that is absent is ``false``."""

    audio: AudioDetail | bool
    video: VideoDetail | bool


class LayeredMedia(Shape):
    """A kind that is absent is ``false``."""

    audio: AudioDetail | bool
    video: LayeredVideoDetail | bool


class Origin(Shape):
    """Where the server is."""

    isp: str
    region: str


class StreamDetail(Shape):
    """A forward stream has an ``owner``, a ``type`` and ``inViews``; a mixed one a ``label`` and a ``layout``."""

    owner: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    in_views: list[str] | UnsetType = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET
    label: str | UnsetType = UNSET
    active_input: str | UnsetType = UNSET
    layout: list[PlacementInfo] | UnsetType = UNSET
    origin: Origin | UnsetType = UNSET


class Stream(Shape):
    """A stream, by version 1."""

    id: str
    type: Literal["forward", "mixed"]
    media: Media
    info: StreamDetail


class LayeredStream(Shape):
    """A stream, by version 1.1."""

    id: str
    type: Literal["forward", "mixed"]
    media: LayeredMedia
    info: StreamDetail
    data: bool | None = None
