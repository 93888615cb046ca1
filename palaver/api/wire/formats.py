"""Media formats and parameters as REST and the portal write them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from palaver.api.wire.parse import MAX_INT
from palaver.room import bounds, values

Text = Annotated[str, Meta(min_length=1)]
Label = Annotated[str, Meta(min_length=1, max_length=bounds.MAX_LABEL)]
Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
Number = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)] | Annotated[float, Meta(ge=-MAX_INT, le=MAX_INT)]
WholeNumber = Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)]
Positive = Annotated[int, Meta(gt=0, le=MAX_INT)] | Annotated[float, Meta(gt=0, le=MAX_INT)]
Codec = Annotated[str, Meta(max_length=bounds.MAX_CODEC)]


class Shape(Struct, rename="camel", kw_only=True):
    """What all REST shapes share: camelCase on the wire; unknown members are dropped."""


class Resolution(Shape):
    """Picture size in pixels."""

    width: Annotated[int, Meta(ge=1, le=65535)]
    height: Annotated[int, Meta(ge=1, le=65535)]


class AudioFormat(Shape):
    """An audio codec; an absent rate or channel count matches any."""

    codec: Codec
    sample_rate: Count | UnsetType = UNSET
    channel_num: Count | UnsetType = UNSET


class VideoFormat(Shape):
    """A video codec; ``profile`` is H264's."""

    codec: Codec
    profile: Annotated[str, Meta(max_length=bounds.MAX_CODEC)] | UnsetType = UNSET


def number(value: float) -> int | float:
    """``value`` as JSON shows it best: whole numbers without a fraction."""
    return int(value) if value == int(value) else value


def resolution_info(resolution: values.Resolution) -> dict[str, int]:
    """``{width, height}``."""
    return {"width": resolution.width, "height": resolution.height}


def format_info(media_format: values.Format) -> dict[str, Any]:
    """``{codec, sampleRate?, channelNum?}`` or ``{codec, profile?}``."""
    if isinstance(media_format, values.VideoFormat):
        return (
            {"codec": media_format.codec}
            if media_format.profile is None
            else {"codec": media_format.codec, "profile": media_format.profile}
        )
    info: dict[str, Any] = {"codec": media_format.codec}
    if media_format.sample_rate is not None:
        info["sampleRate"] = media_format.sample_rate
    if media_format.channels is not None:
        info["channelNum"] = media_format.channels
    return info


def parameters_info(parameters: values.VideoParameters | None) -> dict[str, Any]:
    """``{resolution?, framerate?, bitrate?, keyFrameInterval?}``, empty if nothing is known."""
    info: dict[str, Any] = {}
    if parameters is None:
        return info
    if parameters.resolution is not None:
        info["resolution"] = resolution_info(parameters.resolution)
    if parameters.framerate is not None:
        info["framerate"] = number(parameters.framerate)
    if parameters.bitrate is not None:
        bitrate = parameters.bitrate
        info["bitrate"] = bitrate if isinstance(bitrate, str) else number(bitrate)
    if parameters.key_frame_interval is not None:
        info["keyFrameInterval"] = number(parameters.key_frame_interval)
    return info


def audio_format(wire: AudioFormat) -> values.AudioFormat:
    """The domain's value of a format on the wire."""
    return values.AudioFormat(wire.codec, _or_none(wire.sample_rate), _or_none(wire.channel_num))


def video_format(wire: VideoFormat) -> values.VideoFormat:
    """The domain's value of a format on the wire."""
    return values.VideoFormat(wire.codec, None if isinstance(wire.profile, UnsetType) else wire.profile)


def _or_none(value: int | UnsetType) -> int | None:
    return None if isinstance(value, UnsetType) else value
