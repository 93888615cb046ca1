"""The layers of a section that sends simulcast (RFC 8853), each named by its rid (RFC 8851)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palaver.media.webrtc.sdp import Section

MAX_LAYERS: Final = 8
"""Layers of one section; an offer's further ones are not asked for."""
_USABLE: Final = re.compile(r"[0-9A-Za-z]{1,8}", re.ASCII)  # what the core keeps of a rid
_LEGACY: Final = ("ssrc-group", "ssrc")


def offered(section: Section, payload_type: int) -> tuple[str, ...]:
    """The layers that the client offers to send with this payload type, in its order; of alternatives the first."""
    restrictions = _rids(section)
    found: dict[str, None] = {}
    for alternatives in _sending(section.value("simulcast")):
        usable = [rid for rid in alternatives if _fits(restrictions.get(rid), payload_type)]
        found |= dict.fromkeys(usable[:1])
    return tuple(found)[:MAX_LAYERS]


def reduce(section: Section, layers: Sequence[str]) -> None:
    """Let the section offer these layers, and no other form of simulcast."""
    restrictions = _rids(section)
    if layers or _has_legacy(section):
        section.without(*_LEGACY)
    section.without("rid", "simulcast")
    for rid in layers:
        others = ";".join(part for part in restrictions.get(rid, ()) if not part.startswith("pt="))
        section.lines.append(f"a=rid:{rid} send {others}".rstrip())
    if layers:
        section.lines.append("a=simulcast:send " + ";".join(layers))


def _rids(section: Section) -> dict[str, list[str]]:
    """The restrictions of every rid that the section may send (RFC 8851 §4)."""
    found: dict[str, list[str]] = {}
    for line in section.lines:
        words = line.removeprefix("a=rid:").split(" ", 2)
        if line.startswith("a=rid:") and words[1:2] == ["send"] and _USABLE.fullmatch(words[0]):
            found[words[0]] = words[2].split(";") if len(words) > 2 else []
    return found


def _sending(value: str) -> list[list[str]]:
    """Each stream's alternatives (RFC 8853 §5.1); ``~`` says that it begins paused."""
    words = value.split()
    streams = words[words.index("send") + 1 :][:1] if "send" in words else []
    return [[rid.lstrip("~") for rid in stream.split(",")] for stream in ";".join(streams).split(";")]


def _fits(restrictions: list[str] | None, payload_type: int) -> bool:
    if restrictions is None:
        return False
    types = [part.removeprefix("pt=").split(",") for part in restrictions if part.startswith("pt=")]
    return all(str(payload_type) in listed for listed in types)


def _has_legacy(section: Section) -> bool:
    """Whether layers are told by SSRCs, as Chromium did before rids; which of them is which, packets do not say."""
    return any(line.startswith("a=ssrc-group:SIM") for line in section.lines)
