"""Session descriptions as text (RFC 8866): taken apart into sections, edited line by line, put together again.

What is not understood is passed through untouched, so that a client's next attribute survives us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palaver.media.formats import Payload
from palaver.media.ports import NegotiationError

if TYPE_CHECKING:
    from collections.abc import Container

MAX_BYTES: Final = 1 << 20
MAX_SECTIONS: Final = 512
MAX_SHOWN: Final = 80
"""Characters of a wrong line that its error repeats."""
_FORBIDDEN: Final = re.compile(r"[\0\r\ud800-\udfff]")  # RFC 8866 §9: byte-string; and what is no character
_DIRECTION_LINES: Final = frozenset({"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"})
_MEDIA: Final = re.compile(r"m=(\S+) (\d{1,5})(?:/\d{1,5})? (\S+) ?(.*)", re.ASCII)
_BUNDLE: Final = re.compile(r"a=group:BUNDLE( |$)")
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)  # str.isdigit also likes "²", and int() tires of long ones
_TOKEN: Final = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,16}")


@dataclass(slots=True)
class Section:
    """One media section; ``lines[0]`` is its ``m=`` line."""

    lines: list[str]

    @property
    def kind(self) -> str:
        """ "audio", "video" or "application"."""
        return self.lines[0][2:].split(" ", 1)[0]

    @property
    def mid(self) -> str:
        """The section's name within its connection (RFC 8843)."""
        return self.value("mid")

    @property
    def refused(self) -> bool:
        """Whether its port is 0 and nobody else's is used instead (RFC 8843 §7.2): a stopped transceiver."""
        matched = _MEDIA.fullmatch(self.lines[0])
        return matched is not None and int(matched[2]) == 0 and "a=bundle-only" not in self.lines

    @property
    def direction(self) -> str:
        """As the author of the description sees it; "sendrecv" where it is not said (RFC 8866 §6.7)."""
        return next((line[2:] for line in self.lines if line in _DIRECTION_LINES), "sendrecv")

    @direction.setter
    def direction(self, direction: str) -> None:
        self.lines = [line for line in self.lines if line not in _DIRECTION_LINES]
        self.lines.append(f"a={direction}")

    def reject(self) -> None:
        """Give it port 0: nothing will ever flow here (RFC 3264 §6)."""
        matched = _MEDIA.fullmatch(self.lines[0])
        if matched is not None:
            self.lines[0] = f"m={matched[1]} 0 {matched[3]} {matched[4]}".rstrip()
        self.without("bundle-only")

    def value(self, attribute: str) -> str:
        """The value of the first ``a=attribute:…`` line, or an empty string."""
        prefix = f"a={attribute}:"
        return next((line[len(prefix) :] for line in self.lines if line.startswith(prefix)), "")

    def without(self, *attributes: str) -> None:
        """Remove every line of the named attributes."""
        heads = {f"a={name}" for name in attributes}
        self.lines = [line for line in self.lines if line.split(":", 1)[0] not in heads]

    def payloads(self) -> list[Payload]:
        """The payload types in the order of the ``m=`` line, which is the author's preference."""
        matched = _MEDIA.fullmatch(self.lines[0])
        numbers = matched[4].split() if matched else []
        times = {name: value for name in ("ptime", "maxptime") if (value := self.value(name))}
        found = {n: Payload(n, times=times) for n in map(_number, numbers) if n is not None and n < 128}
        for line in self.lines:
            name, _, value = line.partition(":")
            number, _, rest = value.partition(" ")
            at = _number(number) if name in ("a=rtpmap", "a=fmtp") else None
            if at is None or at not in found:
                continue
            if name == "a=rtpmap":
                _rtpmap(found[at], rest)
            else:
                found[at].fmtp = _fmtp(rest)
        for payload in found.values():
            if not payload.codec and payload.number in STATIC:
                payload.codec, payload.clock_rate = STATIC[payload.number]
        return list(found.values())

    def keep(self, numbers: list[int]) -> None:
        """Reduce the section to these payload types, in this order."""
        matched = _MEDIA.fullmatch(self.lines[0])
        if matched is None:
            return
        kept = {None, *(str(n) for n in numbers)}
        head = f"m={matched[1]} {matched[2]} {matched[3]} " + " ".join(str(n) for n in numbers)
        self.lines = [head] + [line for line in self.lines[1:] if _about(line) in kept]


STATIC: Final = {0: ("pcmu", 8000), 8: ("pcma", 8000), 9: ("g722", 8000), 13: ("cn", 8000)}


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None


def _rtpmap(payload: Payload, text: str) -> None:
    codec, *rest = text.strip().split("/")
    payload.codec = codec.lower()
    payload.clock_rate = (_number(rest[0]) if rest else None) or 0
    payload.channels = _number(rest[1]) if len(rest) > 1 else None


def _fmtp(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name.lower(): value for name, _, value in pairs if name}


def _about(line: str) -> str | None:
    """The payload type that a line concerns, None for a line about the whole section."""
    name, _, value = line.partition(":")
    if name not in ("a=rtpmap", "a=fmtp", "a=rtcp-fb"):
        return None
    number = value.split(" ", 1)[0]
    return None if number == "*" else number


@dataclass(slots=True)
class Description:
    """A whole offer or answer."""

    session: list[str]
    sections: list[Section]

    def __str__(self) -> str:
        lines = self.session + [line for section in self.sections for line in section.lines]
        return "\r\n".join(lines) + "\r\n"

    def shared(self) -> frozenset[str]:
        """The sections that share the one transport: the bundled ones; where nothing is bundled, the first."""
        for line in self.session:
            if _BUNDLE.match(line):
                return frozenset(line.split(" ")[1:])
        return frozenset([section.mid for section in self.sections if not section.refused][:1])

    def reject(self, mids: Container[str]) -> None:
        """Take these sections out of the group that shares one transport, and give them port 0 (RFC 8843 §7.2.1)."""
        for section in self.sections:
            if section.mid in mids:
                section.reject()
        self.session = [
            " ".join(word for word in line.split(" ") if word not in mids) if _BUNDLE.match(line) else line
            for line in self.session
        ]

    def section(self, mid: str) -> Section | None:
        """The section called ``mid``, or None."""
        return next((section for section in self.sections if section.mid == mid), None)


def parse(text: str) -> Description:
    """Take a description apart. Raises NegotiationError that names the limit or the line."""
    if len(text) > MAX_BYTES:
        raise NegotiationError(f"the session description is longer than {MAX_BYTES} characters")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        if len(line) < 2 or line[1] != "=" or not line[0].isalpha() or _FORBIDDEN.search(line):
            raise _bad(number, line, "is not of the form <letter>=<value>")
    if not lines or lines[0] != "v=0":
        raise _bad(1, lines[0] if lines else "", "is not v=0")
    starts = [at for at, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > MAX_SECTIONS:
        raise NegotiationError(
            f"the offer has {len(starts)} media sections; at most {MAX_SECTIONS} are allowed"
        )
    if not starts:
        raise NegotiationError("the offer has no media section")
    ends = [*starts[1:], len(lines)]
    description = Description(
        lines[: starts[0]], [Section(lines[a:b]) for a, b in zip(starts, ends, strict=True)]
    )
    _check(description, starts)
    return description


def _bad(number: int, line: str, what: str) -> NegotiationError:
    """What is wrong with a line: its number, what it should be, and how it begins."""
    shown = ascii(line[:MAX_SHOWN]) + ("…" if len(line) > MAX_SHOWN else "")
    return NegotiationError(f"line {number} of the session description {what}: {shown}")


def _check(description: Description, starts: list[int]) -> None:
    mids: set[str] = set()
    for section, start in zip(description.sections, starts, strict=True):
        if not _MEDIA.fullmatch(section.lines[0]):
            raise _bad(start + 1, section.lines[0], "is not a usable m= line")
        at, line = next(
            ((at, line) for at, line in enumerate(section.lines) if line.startswith("a=mid:")),
            (0, section.lines[0]),
        )
        if not _TOKEN.fullmatch(section.mid):
            raise _bad(start + at + 1, line, "has no usable a=mid (1 to 16 token characters)")
        if section.mid in mids:
            raise _bad(start + at + 1, line, "names a section that was named before")
        mids.add(section.mid)
        _check_payloads(section, start)


def _check_payloads(section: Section, start: int) -> None:
    """A number means one thing in a section (RFC 8866 §5.14, §6.6)."""
    matched = _MEDIA.fullmatch(section.lines[0])
    numbers = matched[4].split() if matched else []
    if len(set(numbers)) != len(numbers):
        raise _bad(start + 1, section.lines[0], "names a payload type twice")
    mapped: set[str] = set()
    for at, line in enumerate(section.lines):
        if line.startswith("a=rtpmap:"):
            number = line[len("a=rtpmap:") :].split(" ", 1)[0]
            if number in mapped:
                raise _bad(start + at + 1, line, "says again what a payload type means")
            mapped.add(number)
