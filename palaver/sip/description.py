"""Session descriptions of phones, read tolerantly: what does not read is left out, and the call goes on without it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from palaver.media.webrtc.sdp import Section

if TYPE_CHECKING:
    from palaver.media.rtp import Direction, Feedback, Suite
    from palaver.room.values import Kind

MAX_CHARACTERS: Final = 64 * 1024
MAX_SECTIONS: Final = 32
PROTOCOLS: Final = frozenset({"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"})
KEY_BYTES: Final = 30
NOWHERE: Final = frozenset({"0.0.0.0", "::"})  # how old phones say "on hold"

_MEDIA: Final = re.compile(r"m=(\S+) +(\d{1,5})(?:/\d+)? +(\S+) *(.*)", re.ASCII)
_DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
_SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")


class NotAcceptable(Exception):
    """A description that no call can come of; the text says why."""


@dataclass(frozen=True, slots=True)
class Crypto:
    """A key that the peer seals with (RFC 4568)."""

    tag: str
    suite: Suite
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Medium:
    """One media section as its author describes it."""

    index: int
    kind: str
    port: int
    protocol: str
    formats: str
    address: str
    direction: Direction
    section: Section
    crypto: tuple[Crypto, ...] = ()

    @property
    def secure(self) -> bool:
        """Whether its packets are sealed."""
        return "SAVP" in self.protocol

    @property
    def usable(self) -> bool:
        """Whether there is something in it that we could take."""
        known = self.kind in ("audio", "video") and self.protocol in PROTOCOLS
        return known and self.port > 0 and bool(self.address) and (bool(self.crypto) or not self.secure)

    @property
    def silent(self) -> bool:
        """Whether nothing is to be sent there: a hold of the old kind."""
        return self.address in NOWHERE

    @property
    def media_kind(self) -> Kind:
        """Of a usable one."""
        return cast("Kind", self.kind)

    @property
    def rtcp_port(self) -> int | None:
        """Where it takes RTCP, if it says so."""
        first = self.section.value("rtcp").split(" ", 1)[0]
        return int(first) if first.isdecimal() and 0 < int(first) < 65_536 else None

    @property
    def mux(self) -> bool:
        """Whether RTCP may come to the port of RTP."""
        return "a=rtcp-mux" in self.section.lines

    def feedback(self) -> tuple[Feedback, ...]:
        """How it asks for what it misses."""
        said = [line.split(" ", 1)[-1] for line in self.section.lines if line.startswith("a=rtcp-fb:")]
        found: list[Feedback] = []
        for words, name in (("nack", "nack"), ("nack pli", "pli"), ("ccm fir", "fir")):
            if words in said:
                found.append(cast("Feedback", name))
        return tuple(found)


def read(text: str) -> tuple[Medium, ...]:
    """The sections of a description. Raises NotAcceptable for what is none at all."""
    if len(text) > MAX_CHARACTERS:
        raise NotAcceptable(f"the session description is longer than {MAX_CHARACTERS} characters")
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    lines = [line for line in lines if len(line) > 2 and line[1] == "=" and line.isprintable()]
    starts = [at for at, line in enumerate(lines) if line.startswith("m=")]
    if not lines or not lines[0].startswith("v=") or not starts:
        raise NotAcceptable("this is no session description with media")
    if len(starts) > MAX_SECTIONS:
        raise NotAcceptable(f"the session description has more than {MAX_SECTIONS} sections")
    session, ends = lines[: starts[0]], [*starts[1:], len(lines)]
    return tuple(
        _medium(index, lines[start:end], session)
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def _medium(index: int, lines: list[str], session: list[str]) -> Medium:
    matched = _MEDIA.fullmatch(lines[0])
    kind, port, protocol, formats = matched.groups() if matched else ("unknown", "0", "RTP/AVP", "0")
    # Section reads m= lines with single spaces.
    section = Section([f"m={kind} {port} {protocol} {formats}", *lines[1:]])
    return Medium(
        index,
        kind,
        min(int(port), 65_535),
        protocol.upper(),
        formats,
        _address(lines) or _address(session),
        _direction(lines) or _direction(session) or "sendrecv",
        section,
        tuple(filter(None, (_crypto(line) for line in lines if line.startswith("a=crypto:")))),
    )


def _address(lines: list[str]) -> str:
    """The literal address of a ``c=`` line; names are not resolved."""
    for line in lines:
        words = line.split()
        if line.startswith("c=") and len(words) == 3:
            try:
                return str(ipaddress.ip_address(words[2].split("/")[0]))
            except ValueError:
                return ""
    return ""


def _direction(lines: list[str]) -> Direction | None:
    found = [line[2:] for line in lines if line.startswith("a=") and line[2:] in _DIRECTIONS]
    return cast("Direction", found[0]) if found else None


def _crypto(line: str) -> Crypto | None:
    words = line.removeprefix("a=crypto:").split()
    if len(words) < 3 or words[1] not in _SUITES or not words[2].startswith("inline:"):
        return None
    try:
        key = base64.b64decode(words[2].removeprefix("inline:").split("|")[0], validate=True)
    except binascii.Error:
        return None
    known = len(key) == KEY_BYTES and words[0].isdecimal()
    return Crypto(words[0], cast("Suite", words[1]), key) if known else None
