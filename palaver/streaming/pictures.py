"""Encoded pictures of other servers, made into what the core forwards. Pure."""

from __future__ import annotations

import re
from typing import Final

_START_CODE: Final = re.compile(rb"\x00?\x00\x00\x01")
_FOUR: Final = b"\x00\x00\x00\x01"
_H264_SETS: Final = frozenset({7, 8})
_H265_SETS: Final = frozenset({32, 33, 34})
_H264_KEY: Final = frozenset({5})
_H265_KEY: Final = frozenset(range(16, 22))
REORDER_MOST: Final = 16
"""No codec shows a picture more than so many pictures after it was sent."""


def annex_b(payload: bytes) -> bytes:
    """The same with start codes of four bytes, as pipelines exchange H264 and H265."""
    return _START_CODE.sub(_FOUR, payload)


def units(payload: bytes) -> list[bytes]:
    """The NAL units of an Annex B picture, without start codes."""
    return [unit for unit in _START_CODE.split(payload) if unit]


def avcc_sets(description: bytes) -> bytes:
    """The parameter sets of an avcC box (ISO/IEC 14496-15, 5.3.3.1) in Annex B; nothing if it is broken."""
    found, place = [], 6
    for count in (description[5] & 0x1F, None) if len(description) > 6 else ():
        if count is None:
            if place >= len(description):
                break
            count, place = description[place], place + 1
        for _ in range(count):
            length = int.from_bytes(description[place : place + 2], "big")
            found.append(description[place + 2 : place + 2 + length])
            place += 2 + length
    return b"".join(_FOUR + unit for unit in found if unit)


def unit_type(unit: bytes, codec: str) -> int:
    """A NAL unit's type (H.264, table 7-1; H.265, table 7-1)."""
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


class ParameterSets:
    """Puts parameter sets before each key frame that comes without: some sources tell them in the SDP alone.

    The sets that came last in the stream count, else those that came with its description.
    """

    def __init__(self, codec: str, described: bytes = b"") -> None:
        self._codec = codec
        self._sets, self._key = (_H264_SETS, _H264_KEY) if codec == "h264" else (_H265_SETS, _H265_KEY)
        self._known: dict[int, bytes] = {}
        self._learn(units(annex_b(described)))

    def _learn(self, found: list[bytes]) -> set[int]:
        here = set()
        for unit in found:
            kind = unit_type(unit, self._codec)
            if kind in self._sets:
                self._known[kind] = unit
                here.add(kind)
        return here

    def complete(self, payload: bytes) -> tuple[bytes, bool]:
        """The picture as it goes on, and whether it is a key frame."""
        found = units(payload)
        kinds = {unit_type(unit, self._codec) for unit in found}
        here = self._learn(found) if kinds & self._sets else set()
        key = bool(kinds & self._key)
        missing = [unit for kind, unit in sorted(self._known.items()) if key and kind not in here]
        return _FOUR + _FOUR.join([*missing, *found]) if found else b"", key

    @property
    def whole(self) -> bool:
        """Whether a decoder could begin with what is known."""
        return self._known.keys() == self._sets

    @property
    def profile(self) -> str | None:
        """OWT's word for the H264 profile: "CB", "B", "M" or "H"; None where it is not known."""
        sps = self._known.get(7) if self._codec == "h264" else None
        if sps is None or len(sps) < 4:
            return None
        constrained = sps[2] & 0x40
        return {66: "CB" if constrained else "B", 77: "M", 100: "H"}.get(sps[1])


class Reordering:
    """Finds out, from the times of the pictures that came, whether they come in another order than they are shown in.

    B-frames cannot be forwarded: WebRTC shows pictures in the order in which they come.
    """

    def __init__(self) -> None:
        self._newest: int | None = None
        self.seen = False

    def observe(self, pts: int) -> bool:
        """Whether pictures are reordered, as far as is known with this one."""
        if self._newest is not None and pts < self._newest:
            self.seen = True
        self._newest = pts if self._newest is None else max(self._newest, pts)
        return self.seen
