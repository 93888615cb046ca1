"""What a call agrees on: which sections, codecs, directions and keys; as the one who answers, or the one who offers."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from palaver.media.formats import Payload, h264_profile
from palaver.media.rtp import RtpSection, Srtp
from palaver.sip.description import KEY_BYTES, NotAcceptable, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from palaver.media.rtp import Direction
    from palaver.room.values import Kind
    from palaver.sip.description import Crypto, Medium

SILENCE_S: Final = 60.0
"""After so long without a packet a peer that should send counts as silent."""
_EVENTS: Final = "telephone-event"
_SUITE: Final = "AES_CM_128_HMAC_SHA1_80"
_REVERSED: Final[dict[Direction, Direction]] = {"sendonly": "recvonly", "recvonly": "sendonly"}
_DEAF: Final[dict[Direction, Direction]] = {"sendrecv": "recvonly", "sendonly": "inactive"}
"""Our direction where the peer takes nothing."""

_CLOCKS: Final = {"opus": 48_000, "g722": 8_000, "pcmu": 8_000, "pcma": 8_000}
_OFFERED: Final[dict[Kind, tuple[Payload, ...]]] = {
    "audio": (
        Payload(96, "opus", 48_000, 2, {"useinbandfec": "1"}),
        Payload(9, "g722", 8_000),
        Payload(0, "pcmu", 8_000),
        Payload(8, "pcma", 8_000),
        Payload(101, _EVENTS, 8_000, None, {"0-15": ""}),
        Payload(102, _EVENTS, 48_000, None, {"0-15": ""}),
    ),
    "video": (
        Payload(97, "h264", 90_000, None, {"profile-level-id": "42e01f", "packetization-mode": "1"}),
        Payload(98, "h264", 90_000, None, {"profile-level-id": "42e01f", "packetization-mode": "0"}),
        Payload(99, "vp8", 90_000),
    ),
}
_NAMES: Final = {"opus": "opus", "g722": "G722", "pcmu": "PCMU", "pcma": "PCMA", "h264": "H264", "vp8": "VP8"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where we take the packets of a section."""

    address: str
    port: int
    rtcp_port: int


@dataclass(slots=True)
class _Line:
    """A section of our descriptions, in the order of the first one; without ``kind`` it is refused."""

    refused: str
    kind: Kind | None = None
    protocol: str = "RTP/AVP"
    payloads: tuple[Payload, ...] = ()
    direction: Direction = "sendrecv"
    tag: str = "1"
    mux: bool = False


@dataclass(slots=True)
class Negotiation:
    """Descriptions of one call. ``codecs`` are those that the room takes and makes, of either kind.

    ``sections`` is what was agreed on. ``places`` are known before anything is described.
    """

    codecs: frozenset[str]
    places: Mapping[Kind, Place]
    secure: bool = False
    sections: dict[Kind, RtpSection] = field(default_factory=dict)
    described: str = ""
    """Our last description."""
    _lines: list[_Line] = field(default_factory=list)
    _keys: dict[Kind, bytes] = field(default_factory=dict, repr=False)
    _session: int = field(default_factory=lambda: secrets.randbelow(1 << 62))
    _version: int = 0

    # ── as the one who answers ──────────────────────────────────────────────────────────────────────

    def answer(self, offer: str) -> str:
        """Our answer to ``offer``. Raises NotAcceptable, after which all is as before, if it has no sound for us."""
        media = read(offer)
        sections: dict[Kind, RtpSection] = {}
        lines = [_refusal(medium) for medium in media]
        for medium in sorted((one for one in media if one.usable), key=lambda one: not one.secure):
            kind = medium.media_kind
            if kind in sections or kind not in self.places:
                continue
            if agreed := self._taken(medium):
                sections[kind], lines[medium.index] = agreed
        if "audio" not in sections:
            raise NotAcceptable("the description has no sound in a codec that the room takes")
        self.sections, self._lines = sections, lines
        return self._described()

    def _taken(self, medium: Medium) -> tuple[RtpSection, _Line] | None:
        payloads = medium.section.payloads()
        chosen = self._chosen(payloads, self.sections.get(medium.media_kind))
        if chosen is None:
            return None
        crypto = medium.crypto[0] if medium.secure else None
        events = [one for one in payloads if one.codec == _EVENTS]
        section = self._section(medium, chosen, events, crypto)
        # Comfort noise is for the narrow codecs only, and in their clock.
        noise = [one for one in payloads if one.codec == "cn" and one.clock_rate == chosen.clock_rate]
        if noise:
            section = replace(section, comfort_noise=noise[0].number)
        line = _Line(
            "",
            medium.media_kind,
            medium.protocol,
            (chosen, *events, *noise[:1]),
            section.direction,
            crypto.tag if crypto else "1",
            medium.mux,
        )
        return section, line

    def _chosen(self, payloads: Iterable[Payload], before: RtpSection | None) -> Payload | None:
        """The peer's first that we take; the codec that is in use, if it is offered again."""
        possible = [one for one in payloads if self._takes(one)]
        if before is not None:
            same = [one for one in possible if one.codec == before.payload.codec]
            possible = same or possible
        whole = [one for one in possible if one.codec != "h264" or one.fmtp.get("packetization-mode") == "1"]
        first = possible[0] if possible else None
        return whole[0] if first is not None and first.codec == "h264" and whole else first

    def _takes(self, payload: Payload) -> bool:
        if payload.codec not in self.codecs:
            return False
        if payload.codec == "h264":
            return h264_profile(payload) is not None
        return payload.clock_rate == _CLOCKS.get(payload.codec, payload.clock_rate)

    def _section(
        self, medium: Medium, chosen: Payload, events: Sequence[Payload], crypto: Crypto | None
    ) -> RtpSection:
        direction = _REVERSED.get(medium.direction, medium.direction)
        if medium.silent:
            direction = _DEAF.get(direction, direction)
        pairs = tuple((one.number, one.clock_rate) for one in events)
        fitting = [pair for pair in pairs if pair[1] == chosen.clock_rate]
        return RtpSection(
            chosen,
            (medium.address, medium.port),
            direction,
            rtcp_port=medium.rtcp_port,
            mux=medium.mux,
            events=pairs,
            sends_events=next(iter([*fitting, *pairs]), None),
            feedback=medium.feedback(),
            srtp=Srtp(crypto.suite, self._key(medium.media_kind), crypto.key) if crypto else None,
            timeout_s=SILENCE_S if direction in ("sendrecv", "recvonly") else 0.0,
        )

    # ── as the one who offers ───────────────────────────────────────────────────────────────────────

    def offer(self) -> str:
        """Our offer of everything that we take."""
        protocol = "RTP/SAVP" if self.secure else "RTP/AVP"
        self._lines = [
            _Line("", kind, protocol, tuple(one for one in _OFFERED[kind] if self._offers(one)))
            for kind in self.places
        ]
        return self._described()

    def _offers(self, payload: Payload) -> bool:
        return payload.codec == _EVENTS or payload.codec in self.codecs

    def answered(self, answer: str) -> None:
        """The peer's answer to ``offer``. Raises NotAcceptable if no sound was agreed on."""
        sections: dict[Kind, RtpSection] = {}
        for medium, line in zip(read(answer), self._lines, strict=False):
            if line.kind is None or not medium.usable or medium.kind != line.kind:
                continue
            if (medium.protocol.rstrip("F")) != line.protocol:
                continue
            payloads = medium.section.payloads()
            chosen = self._chosen(payloads, None)
            if chosen is None:
                continue
            crypto = next((one for one in medium.crypto if one.suite == _SUITE), None)
            if medium.secure and crypto is None:
                continue
            offered = [one for one in line.payloads if one.codec == chosen.codec]
            same = [one for one in offered if _mode(one) == _mode(chosen)] or offered
            events = [one for one in line.payloads if one.codec == _EVENTS]
            section = self._section(medium, chosen, events, crypto if medium.secure else None)
            theirs = [(one.number, one.clock_rate) for one in payloads if one.codec == _EVENTS]
            fitting = [pair for pair in theirs if pair[1] == chosen.clock_rate]
            sends = next(iter([*fitting, *theirs]), None)
            received = same[0].number if same else None
            sections[line.kind] = replace(section, receives=received, sends_events=sends)
        if "audio" not in sections:
            raise NotAcceptable("the other side takes no sound in a codec that the room has")
        self.sections = sections

    # ── our own words ───────────────────────────────────────────────────────────────────────────────

    def _key(self, kind: Kind) -> bytes:
        return self._keys.setdefault(kind, secrets.token_bytes(KEY_BYTES))

    def _described(self) -> str:
        self._version += 1
        address = self.places["audio"].address
        family = "IP6" if ":" in address else "IP4"
        lines = [
            "v=0",
            f"o=- {self._session} {self._version} IN {family} {address}",
            "s=-",
            f"c=IN {family} {address}",
            "t=0 0",
        ]
        for line in self._lines:
            lines += self._written(line) if line.kind else [line.refused]
        self.described = "\r\n".join(lines) + "\r\n"
        return self.described

    def _written(self, line: _Line) -> list[str]:
        assert line.kind is not None
        place = self.places[line.kind]
        numbers = " ".join(str(one.number) for one in line.payloads)
        lines = [f"m={line.kind} {place.port} {line.protocol} {numbers}"]
        for one in line.payloads:
            name = _NAMES.get(one.codec, "CN" if one.codec == "cn" else one.codec)
            channels = "/2" if one.codec == "opus" else ""
            lines.append(f"a=rtpmap:{one.number} {name}/{one.clock_rate}{channels}")
            if one.fmtp and one.codec in ("h264", "opus", _EVENTS):
                said = ";".join(f"{key}={value}" if value else key for key, value in one.fmtp.items())
                lines.append(f"a=fmtp:{one.number} {said}")
        if line.kind == "video":
            lines += ["a=rtcp-fb:* nack", "a=rtcp-fb:* nack pli", "a=rtcp-fb:* ccm fir"]
        if line.mux:
            lines.append("a=rtcp-mux")
        else:
            lines.append(f"a=rtcp:{place.rtcp_port}")
        if "SAVP" in line.protocol:
            section = self.sections.get(line.kind)
            suite = section.srtp.suite if section is not None and section.srtp else _SUITE
            key = base64.b64encode(self._key(line.kind)).decode()
            lines.append(f"a=crypto:{line.tag} {suite} inline:{key}")
        return [*lines, f"a={line.direction}"]


def _refusal(medium: Medium) -> _Line:
    return _Line(f"m={medium.kind} 0 {medium.protocol} {medium.formats}".rstrip())


def _mode(payload: Payload) -> str:
    return payload.fmtp.get("packetization-mode", "0") if payload.codec == "h264" else ""
