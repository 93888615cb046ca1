"""Codecs as SDP writes them and as OWT names them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from palaver.room.formats import accepts
from palaver.room.values import AudioFormat, VideoFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from palaver.room.values import Format, Kind


@dataclass(slots=True)
class Payload:
    """One payload type of a section: number, codec and its parameters (RFC 8866 §6.6, §6.15)."""

    number: int
    codec: str = ""
    clock_rate: int = 0
    channels: int | None = None
    fmtp: dict[str, str] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)
    """The section's ``ptime`` and ``maxptime``, which it says for all of them."""


AUDIO: Final = frozenset({"opus", "pcmu", "pcma", "g722"})
VIDEO: Final = frozenset({"vp8", "vp9", "h264", "h265", "av1"})

# Where a codec's profile stands, and what its absence means: RFC 9628 §6; RFC 7798 §7.1; AV1 RTP payload §7.2.1.
_PROFILE: Final = {"vp9": ("profile-id", "0"), "h265": ("profile-id", "1"), "av1": ("profile", "0")}
_DEFAULT_LEVEL: Final = "42000a"  # RFC 6184, section 8.1: what an absent profile-level-id means
_PROFILES: Final = ("CB", "B", "M", "H")
"""Whoever decodes a profile decodes those before it: what Baseline has beyond Main, no encoder in use makes."""
_LEVELS: Final = {"CB": "42e01f", "B": "42001f", "M": "4d001f", "H": "64001f"}
_DECODES: Final = {0x58: "B", 0x6E: "H", 0x7A: "H", 0xF4: "H"}
"""What decoders of other profiles decode: Extended, High 10, High 4:2:2 and High 4:4:4 Predictive."""
_SET0: Final = 0x80  # constraint_set0_flag: obeys the Baseline profile
_SET1: Final = 0x40  # constraint_set1_flag: obeys the Main profile


def h264_profile(payload: Payload) -> str | None:
    """OWT's word for an H264 payload's profile: CB, B, M, H; None for one that OWT has no word for.

    RFC 6184, section 8.1, table 5: what obeys both Baseline and Main is Constrained Baseline, whatever it calls itself.
    """
    idc, constraints = _h264(payload) or (0, 0)
    match idc:
        case 0x42:
            return "CB" if constraints & _SET1 else "B"
        case 0x4D:
            return "CB" if constraints & _SET0 else "M"
        case 0x58 if constraints & _SET0:
            return "CB" if constraints & _SET1 else "B"
        case 0x64:
            return "H"
    return None


def h264_decodes(payload: Payload) -> str | None:
    """The highest profile by OWT's words that a receiver decodes who offers ``payload``; None if it decodes none."""
    idc, _ = _h264(payload) or (0, 0)
    return h264_profile(payload) or _DECODES.get(idc)


def _h264(payload: Payload) -> tuple[int, int] | None:
    """profile_idc and the constraint flags, None if they cannot be read."""
    try:
        idc, constraints = bytes.fromhex(payload.fmtp.get("profile-level-id", _DEFAULT_LEVEL)[:4])
    except ValueError:
        return None
    return idc, constraints


def format_of(payload: Payload) -> Format | None:
    """The payload's codec in OWT's terms, or None if it is none that can be forwarded.

    A profile of H264 that OWT has no word for cannot: nobody could be told what to decode.
    """
    codec = "h265" if payload.codec == "hevc" else payload.codec
    if codec == "h264":
        profile = h264_profile(payload)
        return VideoFormat(codec, profile) if profile is not None else None
    if codec in VIDEO:
        return VideoFormat(codec)
    if codec not in AUDIO:
        return None
    if codec == "opus":
        return AudioFormat("opus", 48000, 2)
    if codec == "g722":
        return AudioFormat("g722", 16000, 1)  # RFC 3551, section 4.5.2: 8000 in SDP, 16000 in truth
    return AudioFormat(codec)


def made_as(payload: Payload, formats: Iterable[Format]) -> Format | None:
    """The first of ``formats`` that can be sent as ``payload``.

    RFC 7587, section 7: Opus says two channels in SDP whatever it carries, so mono can be sent as well.
    """
    offered = _received(payload)
    if offered is None:
        return None
    for allowed in formats:
        form = _made(allowed, offered)
        if accepts(allowed, form):
            return form
    return None


def _received(payload: Payload) -> Format | None:
    """The most that whoever offers ``payload`` can receive."""
    if payload.codec == "h264":
        profile = h264_decodes(payload)
        return VideoFormat("h264", profile) if profile is not None else None
    return format_of(payload)


def _made(allowed: Format, received: Format) -> Format:
    """What is made of ``allowed`` for a receiver: mono where that is wanted, H264 in a profile that both take."""
    if isinstance(allowed, AudioFormat) and isinstance(received, AudioFormat):
        mono = allowed.codec == "opus" and allowed.channels == 1
        return replace(received, channels=1) if mono else received
    if isinstance(allowed, VideoFormat) and isinstance(received, VideoFormat):
        lower = allowed.profile in _PROFILES and _decodes(received.profile, allowed.profile)
        return replace(received, profile=allowed.profile) if lower else received
    return received


def _decodes(able: str | None, profile: str | None) -> bool:
    """Whether who decodes profile ``able`` decodes ``profile``."""
    known = able in _PROFILES and profile in _PROFILES
    return known and _PROFILES.index(str(profile)) <= _PROFILES.index(str(able))


def carries(payload: Payload, published: Payload) -> bool:
    """Whether what is ``published`` can be sent to a receiver as ``payload``, without transcoding."""
    if payload.codec != "h264" or published.codec != "h264":
        return same_stream(payload, published)
    return payload.clock_rate == published.clock_rate and _decodes(
        h264_decodes(payload), h264_profile(published)
    )


def fragments_fit(payload: Payload, published: Payload) -> bool:
    """Whether a receiver of ``payload`` that is taken at its word puts together what is ``published``.

    Unlike browsers (see ``closeness``), meeting-room systems with packetization mode 0 do not.
    """
    return payload.codec != "h264" or _mode(payload) == "1" or _mode(published) != "1"


def closeness(payload: Payload, published: Payload) -> int:
    """How well ``payload``, which carries what is ``published``, suits it: of several the greatest is taken.

    A receiver without packetization mode 1 has not said that it puts fragments together (RFC 6184, section 6.2). All in
    use do, so that it comes last, but not to nothing.
    """
    if payload.codec != "h264":
        return 0
    fragments = _mode(payload) == "1" or _mode(published) != "1"
    return 4 * fragments + 2 * (_mode(payload) == _mode(published)) + _same_h264_profile(payload, published)


def _mode(payload: Payload) -> str:
    return payload.fmtp.get("packetization-mode", "0")


def same_stream(payload: Payload, published: Payload) -> bool:
    """Whether a subscriber's payload type can carry what was negotiated as ``published`` without transcoding."""
    if payload.codec != published.codec or payload.clock_rate != published.clock_rate:
        return False
    if payload.codec == "h264":  # RFC 6184, section 8.2.2: profile and packetization mode are not negotiable
        mode = payload.fmtp.get("packetization-mode", "0")
        same_mode = mode == published.fmtp.get("packetization-mode", "0")
        return same_mode and _same_h264_profile(payload, published)
    name, default = _PROFILE.get(payload.codec, ("", ""))
    return payload.fmtp.get(name, default) == published.fmtp.get(name, default)


def _same_h264_profile(one: Payload, other: Payload) -> bool:
    """Profiles without a word of OWT's are the same only if they are literally."""
    word = h264_profile(one)
    return word == h264_profile(other) and (word is not None or _h264(one) == _h264(other))


def payload_of(format: Format, fmtp: Mapping[str, str]) -> Payload:  # noqa: A002  # the glossary's word
    """How ``format`` is written in SDP, with these parameters; under no number, as nothing is negotiated."""
    if isinstance(format, VideoFormat):
        parameters = dict(fmtp)
        if format.codec == "h264":
            parameters.setdefault("packetization-mode", "1")
            parameters.setdefault("profile-level-id", _LEVELS[format.profile or "CB"])
        return Payload(0, format.codec, 90_000, None, parameters)
    rate = 48_000 if format.codec == "opus" else 8_000
    return Payload(0, format.codec, rate, 2 if format.codec == "opus" else 1, dict(fmtp))


def kind_of(section_kind: str) -> Kind | None:
    """The media kind of an SDP section, or None for a data section."""
    if section_kind == "audio":
        return "audio"
    return "video" if section_kind == "video" else None
