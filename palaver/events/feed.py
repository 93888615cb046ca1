"""The events of all running rooms, in order, the latest of each kept for those who follow."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from palaver.host import RoomHost
    from palaver.room.messages import Event

KEPT_PER_ROOM: Final = 500
KEPT_ROOMS: Final = 200
"""Rooms whose events are kept; those that ended first are forgotten first."""

ROOM_DELETED: Final = "room.deleted"
"""The last event of a room."""

Description: TypeAlias = "tuple[str, dict[str, Any]]"
"""The type of an event and what is to be said of it."""


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """Something that happened in a room at ``time_ms`` (since the epoch). ``id`` grows within a run of the server."""

    id: str
    type: str
    room: str
    time_ms: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Missed:
    """Events before the next one are not known any more: the server was started anew, or too many came since."""


@dataclass(slots=True)
class _Kept:
    """The latest events of a room with their numbers. ``forgotten``: none up to this number is known any more."""

    forgotten: int
    events: deque[tuple[int, RoomEvent]] = field(default_factory=deque)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    followers: int = 0


class EventFeed:
    """Hears every room. ``describe`` tells what is said of a room's event, None for nothing.

    ``clock`` tells seconds since the epoch. What takes the events (``watch``) must not block.
    """

    def __init__(
        self, describe: Callable[[Event, RoomHost], Description | None], clock: Callable[[], float]
    ) -> None:
        self._describe, self._clock = describe, clock
        self._run = f"{int(clock() * 1000):x}"
        self._number = 0
        self._rooms: OrderedDict[str, _Kept] = OrderedDict()
        self._watchers: list[Callable[[RoomEvent], None]] = []
        self._counts: Counter[str] = Counter()

    def watch(self, watcher: Callable[[RoomEvent], None]) -> None:
        """Call ``watcher`` with every event of every room from now on."""
        self._watchers.append(watcher)

    def opened(self, host: RoomHost) -> None:
        """A room runs from now on: hear it."""
        room = str(host.room.config.id)
        self.tell(room, "room.started", {})
        host.listen(lambda event: self._hear(room, event, host))
        host.when_over(functools.partial(self._ended, room))

    def _ended(self, room: str) -> None:
        """A room is over: what it has still to tell comes first."""
        asyncio.get_running_loop().call_soon(self.tell, room, "room.ended", {})

    def _hear(self, room: str, event: Event, host: RoomHost) -> None:
        if described := self._describe(event, host):
            self.tell(room, *described)

    def tell(self, room: str, kind: str, data: dict[str, Any]) -> None:
        """Something happened in a room."""
        kept = self._kept(room)
        self._number += 1
        event = RoomEvent(f"{self._run}-{self._number:x}", kind, room, int(self._clock() * 1000), data)
        kept.events.append((self._number, event))
        if len(kept.events) > KEPT_PER_ROOM:
            kept.forgotten, _ = kept.events.popleft()
        self._rooms.move_to_end(room)
        self._counts["events"] += 1
        kept.more.set()
        kept.more = asyncio.Event()
        for watcher in self._watchers:
            watcher(event)

    def _kept(self, room: str) -> _Kept:
        if (kept := self._rooms.get(room)) is None:
            kept = self._rooms[room] = _Kept(self._number)
            unwatched = (name for name, one in self._rooms.items() if not one.followers and one is not kept)
            if len(self._rooms) > KEPT_ROOMS and (oldest := next(unwatched, None)) is not None:
                del self._rooms[oldest]
        return kept

    def newest(self) -> str:
        """The id after which nothing has happened yet."""
        return f"{self._run}-{self._number:x}"

    async def follow(self, room: str, after: str | None = None) -> AsyncGenerator[RoomEvent | Missed]:
        """The events of a room: from now on, or those after the one with the id ``after``.

        Nothing is queued for a follower: one that falls behind by more than is kept is told what it Missed.
        """
        kept = self._kept(room)
        kept.followers += 1
        try:
            position: int | None = self._number
            if after is not None:
                position = self._position(after)
            while True:
                more = kept.more
                if position is None or position < kept.forgotten:
                    yield Missed()
                    position = kept.forgotten
                for number, event in list(kept.events):  # more may come while one is taken
                    if number > position:
                        position = number
                        yield event
                await more.wait()
        finally:
            kept.followers -= 1

    def _position(self, after: str) -> int | None:
        """The number of an event of this run of the server; None if ``after`` is none."""
        run, _, number = after.partition("-")
        if run != self._run:
            return None
        with contextlib.suppress(ValueError):
            if 0 <= int(number, 16) <= self._number:
                return int(number, 16)
        return None

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        return {
            "told_total": self._counts["events"],
            "followers": sum(kept.followers for kept in self._rooms.values()),
        }
