"""Codecs as SDP writes them and as OWT names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.room.values import AudioFormat, VideoFormat

if TYPE_CHECKING:
    from palaver.media.sdp import Payload
    from palaver.room.values import Format, Kind

AUDIO: Final = frozenset({"opus", "pcmu", "pcma", "g722"})
VIDEO: Final = frozenset({"vp8", "vp9", "h264", "h265", "av1"})

# The profile_idc of RFC 6184, section 8.1, table 5; constraint_set1 makes a baseline stream a constrained one.
_IDC: Final = {0x42: "B", 0x4D: "M", 0x58: "B", 0x64: "H"}
_DEFAULT_LEVEL: Final = "42000a"  # RFC 6184, section 8.1: what an absent profile-level-id means


def h264_profile(payload: Payload) -> str | None:
    """OWT's word for an H264 payload's profile: CB, B, M, H; None for one that OWT has no word for."""
    text = payload.fmtp.get("profile-level-id", _DEFAULT_LEVEL)
    try:
        idc, constraints = int(text[0:2], 16), int(text[2:4], 16)
    except ValueError:
        return None
    profile = _IDC.get(idc)
    return "CB" if profile in ("B", "M") and constraints & 0x40 and idc != 0x4D else profile


def format_of(payload: Payload) -> Format | None:
    """The payload's codec in OWT's terms, or None if it is no codec that can be forwarded."""
    codec = "h265" if payload.codec == "hevc" else payload.codec
    if codec in VIDEO:
        return VideoFormat(codec, h264_profile(payload) if codec == "h264" else None)
    if codec not in AUDIO:
        return None
    if codec == "opus":
        return AudioFormat("opus", 48000, 2)
    if codec == "g722":
        return AudioFormat("g722", 16000, 1)  # RFC 3551, section 4.5.2: 8000 in SDP, 16000 in truth
    return AudioFormat(codec)


def same_stream(payload: Payload, published: Payload) -> bool:
    """Whether a subscriber's payload type can carry what was negotiated as ``published`` without transcoding."""
    if payload.codec != published.codec or payload.clock_rate != published.clock_rate:
        return False
    if payload.codec == "h264":  # RFC 6184, section 8.2.2: profile and packetization mode are not negotiable
        mode = payload.fmtp.get("packetization-mode", "0")
        return mode == published.fmtp.get("packetization-mode", "0") and h264_profile(
            payload
        ) == h264_profile(published)
    for name, default in (("profile-id", "0"), ("profile", "0")):  # VP9 and H265; AV1
        if payload.fmtp.get(name, default) != published.fmtp.get(name, default):
            return False
    return True


def kind_of(section_kind: str) -> Kind | None:
    """The media kind of an SDP section, or None for a data section."""
    if section_kind == "audio":
        return "audio"
    return "video" if section_kind == "video" else None
