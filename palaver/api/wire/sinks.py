"""What recordings, streaming-outs, analyses and SIP calls have in common: the media they take, and its changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.formats import Label, Positive, Resolution, Shape, Text, format_info, parameters_info
from palaver.api.wire.parse import check_count, convert, form
from palaver.api.wire.stream_info import FormatInfo, ParametersInfo, Status
from palaver.room.values import VideoParameters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from palaver.room.values import Format, Kind, SubscribedTrack, Track

AudioCodec = Literal[
    "pcmu", "pcma", "opus", "g722", "isac", "ilbc", "iSAC", "iLBC", "aac", "ac3", "nellymoser"
]
VideoCodec = Literal["h264", "h265", "vp8", "vp9", "av1"]

PATHS: Final = (
    "/media/((audio|video)/(status|from)|video/parameters/(resolution|framerate|bitrate|keyFrameInterval))"
)
PATHS_SAID: Final = (
    "/media/ with audio/ or video/ and status or from, or /media/video/parameters/ with resolution, framerate, "
    "bitrate or keyFrameInterval"
)
SinkPath = Annotated[str, form(f"^{PATHS}$", PATHS_SAID)]
OutputPath = Annotated[str, form(f"^/output{PATHS}$", f"/output followed by {PATHS_SAID}")]


# ── requests ────────────────────────────────────────────────────────────────────────────────────────


class WantedAudioFormat(Shape):
    """An audio codec to produce."""

    codec: AudioCodec
    sample_rate: Annotated[int, Meta(ge=1, le=384_000)] | UnsetType = UNSET
    channel_num: Annotated[int, Meta(ge=1, le=255)] | UnsetType = UNSET


class WantedVideoFormat(Shape):
    """A video codec to produce; ``profile`` is H264's."""

    codec: VideoCodec
    profile: Literal["CB", "B", "M", "H", "E"] | UnsetType = UNSET


class WantedParameters(Shape):
    """Wishes for video. ``bitrate`` is kbit/s or a multiplier of the source's, such as "x0.8"."""

    resolution: Resolution | UnsetType = UNSET
    framerate: Positive | UnsetType = UNSET
    bitrate: Positive | Annotated[str, Meta(pattern=r"^x[0-9]{1,4}(\.[0-9]{1,6})?$")] | UnsetType = UNSET
    key_frame_interval: Positive | UnsetType = UNSET


class WantedAudio(Shape):
    """Audio of the stream ``from``."""

    source: Text = field(name="from")
    format: WantedAudioFormat | UnsetType = UNSET


class WantedVideo(Shape):
    """Video of the stream ``from``."""

    source: Text = field(name="from")
    format: WantedVideoFormat | UnsetType = UNSET
    parameters: WantedParameters | UnsetType = UNSET


class WantedMedia(Shape):
    """What to take from a room; ``false`` for none of a kind."""

    audio: WantedAudio | bool
    video: WantedVideo | bool

    def __post_init__(self) -> None:
        for kind in ("audio", "video"):
            if getattr(self, kind) is True:
                raise ValueError(f"{kind}: expected an object or false")
        if not self.audio and not self.video:
            raise ValueError("audio: expected an object where video is false")


def codec_of(wanted: WantedAudio | WantedVideo | bool) -> str | None:
    """The codec that is asked for by name, if one is."""
    if isinstance(wanted, bool) or isinstance(wanted.format, UnsetType):
        return None
    return wanted.format.codec


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────


class SinkAudio(Shape):
    """Audio on its way out."""

    source: str = field(name="from")
    format: FormatInfo
    status: Status


class SinkVideo(Shape):
    """Video on its way out."""

    source: str = field(name="from")
    format: FormatInfo
    parameters: ParametersInfo
    status: Status


class SinkMedia(Shape):
    """A kind that is absent is ``false``."""

    audio: SinkAudio | bool
    video: SinkVideo | bool


def media_info(
    tracks: Sequence[SubscribedTrack],
    forms: Mapping[Kind, Format | None],
    sources: Mapping[Kind, Track | None],
    inactive: Collection[Kind],
) -> dict[str, Any]:
    """The media of what goes on, ``forms`` being what comes out; a bitrate multiplier is shown as it was asked for."""
    media: dict[str, Any] = {"audio": False, "video": False}
    for track in tracks:
        form, source = forms.get(track.kind), sources.get(track.kind)
        media[track.kind] = {
            "from": track.stream,
            "format": format_info(form) if form is not None else {},
            "status": "inactive" if track.kind in inactive else "active",
        }
        if track.kind == "video":
            own = source.parameters if source is not None else None
            media["video"]["parameters"] = parameters_info(_merged(own, track.parameters))
    return media


def _merged(own: VideoParameters | None, asked: VideoParameters | None) -> VideoParameters:
    own, asked = own or VideoParameters(), asked or VideoParameters()
    return VideoParameters(
        asked.resolution or own.resolution,
        asked.framerate or own.framerate,
        asked.bitrate or own.bitrate,
        asked.key_frame_interval or own.key_frame_interval,
    )


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────


class SinkUpdate(Shape, forbid_unknown_fields=True):
    """Changes what a recording or a streaming-out receives."""

    op: Literal["replace"]
    path: SinkPath
    value: str | int | Resolution


class _Update(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def value(self) -> Any: ...


def check_sink_updates(updates: Sequence[_Update]) -> None:
    """Raise ProtocolError unless each value fits its path."""
    check_count(updates)
    for index, update in enumerate(updates):
        _sink_value(update.path, update.value, index)


_SINK_VALUES: Final[dict[str, Any]] = {
    "status": Status,
    "from": Label,
    "resolution": Resolution,
    "framerate": Literal[6, 12, 15, 24, 30, 48, 60],
    "bitrate": Literal["x0.8", "x0.6", "x0.4", "x0.2"],
    "keyFrameInterval": Literal[1, 2, 5, 30, 100],
}


def _sink_value(path: str, value: Any, index: int) -> None:
    shape = _SINK_VALUES.get(path.rpartition("/")[2])
    if shape is None:
        raise ProtocolError(f"[{index}].path: nothing that can be changed")
    convert(msgspec.to_builtins(value), shape, f"[{index}].value")
