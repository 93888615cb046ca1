"""Formats: which fit together, what may be offered beside a track's own, and what a picture costs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from palaver.room import bounds
from palaver.room.values import (
    AudioFormat,
    Format,
    Resolution,
    RoomConfig,
    Track,
    VideoFormat,
    VideoParameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_RESOLUTION: Final = Resolution(640, 480)
"""Assumed where a track's picture size is not known."""
DEFAULT_FRAMERATE: Final = 30.0
"""Frames per second, assumed where a track's rate is not known."""
DEFAULT_KEY_FRAME_INTERVAL: Final = 100.0
"""Seconds, where nothing else is said."""

RESOLUTIONS: Final = {
    "cif": Resolution(352, 288),
    "vga": Resolution(640, 480),
    "svga": Resolution(800, 600),
    "xga": Resolution(1024, 768),
    "hvga": Resolution(480, 320),
    "qvga": Resolution(320, 240),
    "qcif": Resolution(176, 144),
    "hd720p": Resolution(1280, 720),
    "hd1080p": Resolution(1920, 1080),
}

PRODUCIBLE: Final = frozenset({"opus", "pcmu", "pcma", "g722", "aac", "vp8", "vp9", "h264", "h265", "av1"})
"""Codecs that can be encoded. iSAC, iLBC and others have no encoder in any library."""

_LITERAL: Final = re.compile(r"r([0-9]{1,5})x([0-9]{1,5})")
_MULTIPLIER: Final = re.compile(r"x([0-9]{1,5})/([0-9]{1,5})")

# H264: whoever decodes a profile decodes those before it.
_PROFILES: Final = ("CB", "B", "M", "H")

_CODEC_FACTORS: Final = {"h264": 1.0, "vp8": 1.2, "vp9": 0.8, "h265": 0.9}

# Pixels per picture at 30 frames/s → kbit/s, linear in between.
_BITRATES: Final = (
    (0, 0),
    (76_800, 400),
    (307_200, 800),
    (921_600, 2_000),
    (2_073_600, 4_000),
    (8_294_400, 16_000),
    (33_177_600, 64_000),
)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a room may make of a track beside the track itself; empty where it may not.

    Bitrates are as configured: kbit/s or a multiplier such as "x0.8".
    """

    formats: tuple[Format, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    framerates: tuple[float, ...] = ()
    bitrates: tuple[float | str, ...] = ()
    key_frame_intervals: tuple[float, ...] = ()


def accepts(allowed: Format, given: Format) -> bool:
    """Whether media in ``given`` may be used where ``allowed`` is asked for. What either leaves open fits."""
    if isinstance(allowed, AudioFormat):
        return (
            isinstance(given, AudioFormat)
            and allowed.codec == given.codec
            and _open_or_equal(allowed.sample_rate, given.sample_rate)
            and _open_or_equal(allowed.channels, given.channels)
        )
    return (
        isinstance(given, VideoFormat)
        and allowed.codec == given.codec
        and _profile_fits(allowed.profile, given.profile)
    )


def accepted_by(allowed: Iterable[Format], given: Format) -> bool:
    """Whether at least one of ``allowed`` accepts ``given``."""
    return any(accepts(one, given) for one in allowed)


def resolution(name: str, base: Resolution) -> Resolution | None:
    """The size that ``name`` ("vga", "r640x480", "x3/4" of ``base``) stands for; None if it is no such name.

    Multiplied sizes are rounded down to even numbers, as 4:2:0 pictures need.
    """
    if name in RESOLUTIONS:
        return RESOLUTIONS[name]
    if literal := _LITERAL.fullmatch(name):
        return Resolution(int(literal[1]), int(literal[2]))
    multiplier = _MULTIPLIER.fullmatch(name)
    if multiplier is None or int(multiplier[2]) == 0:
        return None
    times, parts = int(multiplier[1]), int(multiplier[2])
    return Resolution(base.width * times // parts // 2 * 2, base.height * times // parts // 2 * 2)


def offered(track: Track, config: RoomConfig) -> Offered:
    """What ``config`` lets the room make of ``track``: the ``optional`` part of a stream's description."""
    if track.rid is not None:
        return Offered()  # a simulcast stream is had in its layers
    if track.kind == "audio":
        return Offered(formats=_others(track, config.out.audio) if config.transcoding.audio else ())
    out, may = config.out, config.transcoding
    return Offered(
        formats=_others(track, out.video) if may.video_format else (),
        resolutions=_smaller(track, out.resolutions) if may.resolution else (),
        framerates=_slower(track, out.framerates) if may.framerate else (),
        bitrates=out.bitrates if may.bitrate else (),
        key_frame_intervals=out.key_frame_intervals if may.key_frame_interval else (),
    )


def default_bitrate_kbps(
    video: VideoFormat, size: Resolution, framerate: float, motion_factor: float = 1.0
) -> float:
    """The bitrate of a produced picture whose configuration names none; ``motion_factor`` is the view's."""
    pixels = size.width * size.height * framerate / 30
    return _kbps(pixels) * _CODEC_FACTORS.get(video.codec, 1.0) * motion_factor


def encoding(
    own: VideoParameters, asked: VideoParameters | None, video: VideoFormat, motion_factor: float = 1.0
) -> VideoParameters:
    """What a picture in ``video`` is encoded with: as ``asked``, else as its source has it; the bitrate in kbit/s.

    The resolution stays open where neither says it.
    """
    asked = asked or VideoParameters()
    size = asked.resolution or own.resolution
    framerate = asked.framerate or own.framerate or DEFAULT_FRAMERATE
    changed = asked.resolution not in (None, own.resolution) or asked.framerate not in (None, own.framerate)
    usual = default_bitrate_kbps(video, size or DEFAULT_RESOLUTION, framerate, motion_factor)
    base = own.bitrate if isinstance(own.bitrate, float | int) and not changed else usual
    factor = multiplier(asked.bitrate) if asked.bitrate is not None else 1.0
    kbps = float(asked.bitrate) if isinstance(asked.bitrate, float | int) else base * (factor or 1.0)
    kbps = min(max(kbps, bounds.MIN_KBPS), bounds.MAX_KBPS)
    interval = asked.key_frame_interval or own.key_frame_interval or DEFAULT_KEY_FRAME_INTERVAL
    return VideoParameters(size, framerate, kbps, max(interval, bounds.MIN_KEY_FRAME_INTERVAL))


def multiplier(bitrate: float | str) -> float | None:
    """The factor that a bitrate such as "x0.8" stands for; None for a number of kbit/s or anything else."""
    if not isinstance(bitrate, str) or not bitrate.startswith("x"):
        return None
    try:
        return float(bitrate[1:])
    except ValueError:
        return None


def _open_or_equal(one: int | None, other: int | None) -> bool:
    return one is None or other is None or one == other


def _profile_fits(allowed: str | None, given: str | None) -> bool:
    if allowed is None or given is None or allowed == given:
        return True
    if allowed not in _PROFILES or given not in _PROFILES:
        return False
    return _PROFILES.index(given) < _PROFILES.index(allowed)


def _others(track: Track, formats: Iterable[Format]) -> tuple[Format, ...]:
    return tuple(one for one in formats if one != track.format)


def _smaller(track: Track, names: Iterable[str]) -> tuple[Resolution, ...]:
    known = track.parameters.resolution if track.parameters else None
    base = known or DEFAULT_RESOLUTION
    sizes = (resolution(name, base) for name in names)
    return tuple(
        dict.fromkeys(
            size
            for size in sizes
            if size and _encodable(size) and size.width < base.width and size.height < base.height
        )
    )


def _encodable(size: Resolution) -> bool:
    sides = (size.width, size.height)
    return min(sides) >= bounds.MIN_SIDE and max(sides) <= bounds.MAX_SIDE


def _slower(track: Track, framerates: Iterable[float]) -> tuple[float, ...]:
    known = track.parameters.framerate if track.parameters else None
    own = known or DEFAULT_FRAMERATE
    return tuple(framerate for framerate in framerates if bounds.MIN_FRAMERATE <= framerate < own)


def _kbps(pixels: float) -> float:
    for (fewer, less), (more, most) in pairwise(_BITRATES):
        if pixels <= more:
            return less + (most - less) * (pixels - fewer) / (more - fewer)
    return float(_BITRATES[-1][1])
