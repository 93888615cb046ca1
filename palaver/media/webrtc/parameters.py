"""Parameters of codecs that one side obeys because the other has answered them (RFC 3264 §6, RFC 7587 §6.1).

Without an answer that repeats them, a browser sends mono, never rests in silence and knows no limit to its rate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palaver.room.values import AudioFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palaver.media.formats import Payload
    from palaver.media.webrtc.sdp import Section
    from palaver.room.values import Format

_VIDEO: Final = ("x-google-min-bitrate", "x-google-start-bitrate", "x-google-max-bitrate")
_H264: Final = ("level-asymmetry-allowed", "packetization-mode", "profile-level-id")
_OPUS: Final = (
    "minptime",
    "useinbandfec",
    "stereo",
    "sprop-stereo",
    "usedtx",
    "cbr",
    "maxaveragebitrate",
    "maxplaybackrate",
    "sprop-maxcapturerate",
)
_TIMES: Final = ("ptime", "maxptime")
_VALUE: Final = re.compile(r"[0-9A-Fa-f]{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of the sound that will be sent on a section: two channels or one, and how long its packets are."""

    stereo: bool
    times: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """What an answer says of one section's codec: ``fmtp`` of payload type ``number``, and ``times`` of the section."""

    number: int
    fmtp: Mapping[str, str]
    without: frozenset[str] = frozenset()
    times: Mapping[str, str] | None = None

    def write(self, section: Section) -> None:
        """Say it in a section of an answer; what the section says already and this does not, stays."""
        own = next((one.fmtp for one in section.payloads() if one.number == self.number), None)
        if own is None:
            return
        said = {name: value for name, value in own.items() if name not in self.without} | dict(self.fmtp)
        head = f"a=fmtp:{self.number} "
        section.lines = [line for line in section.lines if not line.startswith(head)]
        if said:
            section.lines.append(
                head + ";".join(f"{name}={value}" if value else name for name, value in said.items())
            )
        section.without(*_TIMES)
        section.lines += [f"a={name}:{value}" for name, value in (self.times or {}).items()]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A section that is answered with port 0: it names the formats that were offered (RFC 3264 §6)."""

    formats: tuple[str, ...]

    @staticmethod
    def of(section: Section) -> Refusal:
        """How to refuse a section of an offer."""
        first, *rest = section.lines
        return Refusal((first, *(line for line in rest if line.startswith("a=rtpmap:"))))

    def write(self, section: Section) -> None:
        """Say it in that section of the answer."""
        section.without("rtpmap", "fmtp", "rtcp-fb")
        section.lines[:1] = self.formats


def sound_of(payload: Payload) -> Sound:
    """The sound that a publisher sends who was answered what it offered."""
    stereo = "1" in (payload.fmtp.get("stereo"), payload.fmtp.get("sprop-stereo"))
    return Sound(stereo, tuple(_known(payload.times, _TIMES).items()))


def sound_made(form: Format | None) -> Sound | None:
    """The sound that is encoded in ``form``, if it is one."""
    return Sound(form.channels != 1) if isinstance(form, AudioFormat) else None


def answered(payload: Payload, sent: Sound | None) -> Parameters:
    """What to answer to ``payload``; on a section where we send Opus, ``sent`` is what comes."""
    if payload.codec == "opus":
        fmtp, times = _known(payload.fmtp, _OPUS), _known(payload.times, _TIMES)
        if sent is not None:
            fmtp["sprop-stereo"] = str(int(sent.stereo))
            times = dict(sent.times)
        return Parameters(payload.number, fmtp, times=times)
    if payload.codec == "h264":  # RFC 6184, section 8.2.2: the profile is answered as it was offered
        fmtp = _known(payload.fmtp, (*_H264, *_VIDEO))
        return Parameters(payload.number, fmtp, without=frozenset(_H264))
    return Parameters(payload.number, _known(payload.fmtp, _VIDEO))


def _known(offered: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: offered[name] for name in names if _VALUE.fullmatch(offered.get(name, ""))}
