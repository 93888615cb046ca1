"""Where a live source's present is: servers send what they have kept first, and all at once. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

MS: Final = 1_000_000
EDGE_WAIT_NS: Final = 8 * MS
"""A packet that was waited for this long had not been kept: the backlog is over."""
MOST_BACKLOG_NS: Final = 3_000 * MS
"""After this long the source is taken as it comes, whether or not it is behind."""
KEPT_SOUND_NS: Final = 100 * MS
_MOST_PACKETS: Final = 5_000


class Stamped(Protocol):
    """What is known of a packet."""

    @property
    def video(self) -> bool:
        """Whether it is of the picture."""
        ...

    @property
    def key(self) -> bool:
        """Whether a decoder can begin here."""
        ...

    @property
    def media_ns(self) -> int:
        """Its time by the source's clock."""
        ...


P = TypeVar("P", bound=Stamped)


class LiveEdge(Generic[P]):
    """Holds a source's first packets until they come as they are made; gives the latest key frame and what followed."""

    def __init__(self, opened_ns: int) -> None:
        self._began_ns = opened_ns
        self._held: deque[P] = deque(maxlen=_MOST_PACKETS)
        self.reached = False

    def take(self, packet: P, asked_ns: int, came_ns: int) -> list[P]:
        """What may go on, in order; nothing while the backlog comes.

        ``asked_ns``: when the reader began to wait for the packet, ``came_ns``: when it had it.
        """
        if self.reached:
            return [packet]
        waited = came_ns - asked_ns >= EDGE_WAIT_NS and bool(self._held)
        self._held.append(packet)
        if not waited and came_ns - self._began_ns < MOST_BACKLOG_NS:
            return []
        self.reached = True
        kept = list(current(self._held))
        self._held.clear()
        return kept


def current(packets: Iterable[P]) -> Iterable[P]:
    """Of a backlog, what a viewer needs to be in the present: the last key frame and on, and the newest sound."""
    held = list(packets)
    last = max((packet.media_ns for packet in held), default=0)
    begin = max((index for index, packet in enumerate(held) if packet.video and packet.key), default=None)
    for index, packet in enumerate(held):
        if packet.video:
            if begin is None or index >= begin:
                yield packet
        elif packet.media_ns >= last - KEPT_SOUND_NS:
            yield packet
