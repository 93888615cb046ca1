"""The shape of a stream as portal clients see it in dialect 1.2, and what all portal messages share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Id = Annotated[str, Meta(min_length=1, max_length=256)]
"""A participant, stream, subscription, transport or track id."""

Kind = Literal["audio", "video"]
Status = Literal["active", "inactive"]


class Message(Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What all shapes share: camelCase on the wire; unknown members are ignored."""


class StrictMessage(Message, forbid_unknown_fields=True):
    """A shape whose unknown members are refused."""


class ResolutionInfo(Message):
    """Picture size in pixels."""

    width: Annotated[int, Meta(ge=1, le=65535)]
    height: Annotated[int, Meta(ge=1, le=65535)]


class FormatInfo(Message):
    """A codec by its lower-case name; ``profile`` is H264's, the other two are audio's."""

    codec: str
    profile: str | UnsetType = UNSET
    sample_rate: int | UnsetType = UNSET
    channel_num: int | UnsetType = UNSET


class ParametersInfo(Message):
    """What is known of a video track. ``bitrate`` in kbit/s, ``keyFrameInterval`` in seconds."""

    resolution: ResolutionInfo | UnsetType = UNSET
    framerate: float | UnsetType = UNSET
    bitrate: float | str | UnsetType = UNSET
    key_frame_interval: float | UnsetType = UNSET


class OptionalParameters(Message):
    """What else can be asked for of a video track; ``bitrate`` holds multipliers such as "x0.8".

    OWT's JavaScript SDK throws unless all four are there.
    """

    resolution: list[ResolutionInfo]
    framerate: list[float]
    bitrate: list[str | float]
    key_frame_interval: list[float]


class OptionalInfo(Message):
    """What the server can make of a track beside its own form."""

    format: list[FormatInfo] | UnsetType = UNSET
    parameters: OptionalParameters | UnsetType = UNSET


class TrackInfo(Message):
    """One audio or video flow. ``id`` and ``mid``: WebRTC streams only.

    Each layer of a simulcast stream is a track, with a ``rid`` and without ``optional``.
    """

    type: Kind
    format: FormatInfo
    status: Status
    optional: OptionalInfo | UnsetType = UNSET
    id: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    parameters: ParametersInfo | UnsetType = UNSET
    mid: str | UnsetType = UNSET
    rid: str | UnsetType = UNSET


class MediaInfo(Message):
    """The tracks of a stream."""

    tracks: list[TrackInfo]


class AreaInfo(Message):
    """A part of the picture; each value is a fraction of it, written "num/den"."""

    left: str
    top: str
    width: str
    height: str


class RegionInfo(Message):
    """A place in a layout."""

    id: str
    shape: str
    area: AreaInfo


class PlacementInfo(Message):
    """A region and the stream shown there, if any."""

    region: RegionInfo
    stream: str | UnsetType = UNSET


class ForwardInfo(Message):
    """Where a forward stream comes from, and the views that it is mixed into."""

    owner: str
    type: str
    in_views: list[str]
    attributes: dict[str, Any] | UnsetType | None = UNSET
    active_input: str | UnsetType = UNSET


class MixedInfo(Message):
    """The view that a mixed stream shows. ``activeInput`` is the speaker's stream, or "unknown"."""

    label: str
    active_input: str
    layout: list[PlacementInfo]


class ForwardStreamInfo(Message, tag_field="type", tag="forward"):
    """A stream that somebody publishes."""

    id: str
    media: MediaInfo
    info: ForwardInfo
    data: bool | UnsetType | None = UNSET


class MixedStreamInfo(Message, tag_field="type", tag="mixed"):
    """A stream that the server mixes."""

    id: str
    media: MediaInfo
    info: MixedInfo
    data: bool | UnsetType | None = UNSET


StreamInfo = ForwardStreamInfo | MixedStreamInfo
