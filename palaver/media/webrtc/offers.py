"""Offers and ICE fragments as WHIP and WHEP need to read and write them: plain text in, plain text out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palaver.media.formats import kind_of
from palaver.media.ports import NegotiationError
from palaver.media.webrtc.negotiation import candidate_line
from palaver.media.webrtc.sdp import parse

if TYPE_CHECKING:
    from palaver.room.values import Kind

MAX_CANDIDATES: Final = 64
_UFRAG: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PWD: Final = re.compile(r"[A-Za-z0-9+/]{22,256}")
_SESSION_ICE: Final = ("a=ice-lite", "a=ice-options:", "a=group:BUNDLE")
_ICE: Final = ("ice-ufrag", "ice-pwd", "candidate", "end-of-candidates")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user name fragment and password of one side's ICE session (RFC 8839 §5.4)."""

    ufrag: str
    pwd: str


@dataclass(frozen=True, slots=True)
class OfferedSection:
    """A media section that a client has opened: what it carries, its name, and which way."""

    kind: Kind
    mid: str
    sends: bool
    receives: bool


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a client tells about its ICE session later on (RFC 8840 §9); without ``credentials`` it is the same one."""

    credentials: Credentials | None
    candidates: tuple[str, ...]


def sections_of(offer: str) -> tuple[OfferedSection, ...]:
    """The open audio and video sections of an offer, in order. Raises NegotiationError."""
    found = []
    for section in parse(offer).sections:
        kind = kind_of(section.kind)
        if kind is None or section.refused:
            continue
        direction = section.direction
        sends, receives = direction in ("sendonly", "sendrecv"), direction in ("recvonly", "sendrecv")
        found.append(OfferedSection(kind, section.mid, sends, receives))
    return tuple(found)


def credentials_of(description: str) -> Credentials:
    """The ICE credentials of an offer: of its first section, or for all (RFC 8839 §5.4). Raises NegotiationError."""
    parsed = parse(description)
    first = parsed.sections[0].lines + parsed.session
    ufrag, pwd = _value(first, "ice-ufrag"), _value(first, "ice-pwd")
    if not ufrag or not pwd:
        raise NegotiationError("the offer has no a=ice-ufrag and a=ice-pwd")
    return Credentials(ufrag, pwd)


def closed_sections(answer: str) -> frozenset[str]:
    """The names of an answer's sections through which nothing will flow."""
    return frozenset(s.mid for s in parse(answer).sections if s.refused or s.direction == "inactive")


def restarted(offer: str, credentials: Credentials, candidates: tuple[str, ...]) -> str:
    """``offer`` as it would be after an ICE restart: all else stays as it was (RFC 9725 §4.3.3)."""
    description = parse(offer)
    description.session = [
        _next_version(line)
        for line in description.session
        if not line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))
    ]
    for section in description.sections:
        section.without(*_ICE)
        section.lines += [f"a=ice-ufrag:{credentials.ufrag}", f"a=ice-pwd:{credentials.pwd}"]
    description.sections[0].lines += [f"a={candidate}" for candidate in candidates]
    return str(description)


def fragment_of(answer: str) -> str:
    """The ICE part of an answer, as the answer to a restart (RFC 8840 §4.4)."""
    description = parse(answer)
    first = description.sections[0]
    lines = [line for line in description.session if line.startswith(_SESSION_ICE)]
    lines += [first.lines[0], f"a=mid:{first.mid}"]
    lines += [line for line in first.lines if line[2:].split(":", 1)[0] in _ICE]
    return "\r\n".join(lines) + "\r\n"


def read_fragment(text: str) -> Fragment:
    """A client's fragment. Raises NegotiationError that says what is wrong with it."""
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        if len(line) < 3 or line[1] != "=" or not line.isprintable():
            raise NegotiationError(f"line {number} of the fragment is not of the form <letter>=<value>")
    found = (candidate_line(line) for line in lines if line.startswith("a=candidate:"))
    candidates = tuple(line for line in found if line is not None)
    if len(candidates) > MAX_CANDIDATES:
        raise NegotiationError(f"the fragment has more than {MAX_CANDIDATES} candidates")
    ufrag, pwd = _value(lines, "ice-ufrag"), _value(lines, "ice-pwd")
    if not ufrag and not pwd:
        if not candidates and "a=end-of-candidates" not in lines:
            raise NegotiationError("the fragment has neither candidates nor ICE credentials")
        return Fragment(None, candidates)
    if not _UFRAG.fullmatch(ufrag):
        raise NegotiationError("the fragment has no usable a=ice-ufrag (4 to 256 ice-chars)")
    if not _PWD.fullmatch(pwd):
        raise NegotiationError("the fragment has no usable a=ice-pwd (22 to 256 ice-chars)")
    return Fragment(Credentials(ufrag, pwd), candidates)


def _value(lines: list[str], attribute: str) -> str:
    prefix = f"a={attribute}:"
    return next((line[len(prefix) :] for line in lines if line.startswith(prefix)), "")


def _next_version(line: str) -> str:
    """An ``o=`` line counted up (RFC 8829 §5.2.2), any other as it is."""
    if not line.startswith("o="):
        return line
    words = line.split(" ")
    if len(words) == 6 and words[2].isascii() and words[2].isdigit() and len(words[2]) < 20:
        words[2] = str(int(words[2]) + 1)
    return " ".join(words)
