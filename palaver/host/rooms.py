"""The running rooms of a node."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from palaver.containment import OwnedTasks
from palaver.host.host import ACTION_TIMEOUT_S, CLOSING_TIMEOUT_S, RoomHost
from palaver.room.errors import Fault, RoomError
from palaver.room.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.media.ports import Engine
    from palaver.room.values import RoomConfig, RoomId

# A room and the one of the same id before it, each with its last actions and its release.
_RELEASE_TIMEOUT_S: Final = 2 * (CLOSING_TIMEOUT_S + ACTION_TIMEOUT_S) + 1


class Rooms:
    """Every room that runs here, each with its own task, and the reports of the engine routed to them.

    A room runs from ``open`` until it is closed, deleted or has been empty for ``empty_timeout_s``.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], float] = time.monotonic,
        empty_timeout_s: float = 30.0,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._empty_timeout_s = empty_timeout_s
        self._watchers: list[Callable[[RoomHost], None]] = []
        self._hosts: dict[RoomId, RoomHost] = {}
        self._releasing: dict[RoomId, RoomHost] = {}
        self.tasks = OwnedTasks("palaver.host")
        self._tasks: OwnedTasks | None = None
        self._stopped = False
        self._failures: Counter[str] = Counter()
        self._started = 0
        self._log = structlog.get_logger("palaver.host")

    async def run(self) -> None:
        """Run the rooms until cancelled. The engine outlives this call; whoever owns it releases it."""
        try:
            self._tasks = self.tasks
            for host in self._hosts.values():
                self._start(host, None)
            await self.tasks.kept(self._route_reports, "reports")
            self._log.warning("engine stopped")
            await asyncio.Event().wait()  # rooms stay, and say of each session that it is lost
        finally:
            self._stopped = True
            self._tasks = None
            await self.tasks.close()
            self._hosts.clear()

    def _start(self, host: RoomHost, before: RoomHost | None) -> None:
        self.tasks.start(partial(self._run_room, host, before), f"room {host.room.config.id}")

    def watch(self, watcher: Callable[[RoomHost], None]) -> None:
        """Call ``watcher`` with every room that starts from now on, before anything happens in it."""
        self._watchers.append(watcher)

    def open(self, config: RoomConfig) -> RoomHost:
        """The running room of this id, or a new one with this definition. Raises RoomError while stopping."""
        host = self._hosts.get(config.id)
        if host is not None:
            return host
        if self._stopped:
            raise RoomError(Fault.ROOM_CLOSED, config.id, "the server is stopping")
        host = RoomHost(
            Room(config),
            self._engine,
            clock=self._clock,
            empty_timeout_s=self._empty_timeout_s,
            failures=self._failures,
            ended=self._ended,
        )
        self._hosts[config.id] = host
        self._started += 1
        for watcher in self._watchers:
            self.tasks.guard(partial(watcher, host), "start of a room")
        if self._tasks is not None:
            self._start(host, self._releasing.get(config.id))
        return host

    def get(self, room: RoomId) -> RoomHost | None:
        """The running room of this id, if it runs."""
        return self._hosts.get(room)

    def running(self) -> list[RoomHost]:
        """Every running room, oldest first."""
        return list(self._hosts.values())

    async def close(self, room: RoomId) -> None:
        """Drop everybody, and return when the engine has released the room or does not answer."""
        host = self._hosts.get(room)
        if host is not None:
            host.close()
        releasing = self._releasing.get(room)
        if releasing is None:
            return
        try:
            async with asyncio.timeout(_RELEASE_TIMEOUT_S):
                await releasing.released.wait()
        except TimeoutError:
            self._log.warning("room not released in time", room=room)

    def stats(self) -> Mapping[str, float]:
        """Gauges of what runs and counters of what went wrong, by metric name without prefix."""
        rooms = [host.room for host in self._hosts.values()]
        return {
            "rooms": len(rooms),
            "participants": sum(len(room.participants) for room in rooms),
            "streams": sum(not stream.mixed for room in rooms for stream in room.streams.values()),
            "subscriptions": sum(len(room.subscriptions) for room in rooms),
            "rooms_started": self._started,
            "rooms_broken": self._failures["rooms_broken"],
            "actions_failed": self._failures["actions_failed"],
            "listeners_failed": self._failures["listeners_failed"],
            "negotiations_timed_out": self._failures["negotiations_timed_out"],
        }

    async def _route_reports(self) -> None:
        async for room, report in self._engine.reports():
            host = self._hosts.get(room)
            if host is not None:  # else it is late: the room has stopped
                self.tasks.guard(partial(host.report, report), type(report).__name__)

    async def _run_room(self, host: RoomHost, before: RoomHost | None) -> None:
        """Run one room to its end, once the one of the same id ``before`` it is released."""
        room = host.room.config.id
        try:
            if before is not None:
                await before.released.wait()
            await host.run()
        finally:
            host.released.set()
            if self._releasing.get(room) is host:
                del self._releasing[room]

    def _ended(self, host: RoomHost) -> None:
        """Stop finding the room; its task goes on until everything is released."""
        room = host.room.config.id
        if self._hosts.get(room) is host:
            del self._hosts[room]
        if self._tasks is not None:
            self._releasing[room] = host
