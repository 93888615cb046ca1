"""An engine that does nothing but remember, and fails, hangs or waits as a test asks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from palaver.host import Rooms
from tests.host.virtual import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from palaver.room.messages import Action, Report
    from palaver.room.values import ParticipantId, RoomId, TransportId


class Recorder:
    """``done`` lists what was asked, in order: actions, and words for everything else."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.failures: dict[type, Exception] = {}
        self.going = asyncio.Event()
        self.going.set()
        self._reports: asyncio.Queue[tuple[RoomId, Report] | None] = asyncio.Queue()

    def say(self, room: RoomId, report: Report) -> None:
        self._reports.put_nowait((room, report))

    def stop(self) -> None:
        self._reports.put_nowait(None)

    async def perform(self, room: RoomId, action: Action) -> None:
        await self.going.wait()
        if failure := self.failures.get(type(action)):
            raise failure
        self.done.append(action)

    async def reports(self) -> AsyncIterator[tuple[RoomId, Report]]:
        while report := await self._reports.get():
            yield report

    async def negotiate(self, room: RoomId, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        await self._note(f"negotiate {offer}")
        return f"answer to {offer}"

    async def add_candidate(
        self, room: RoomId, owner: ParticipantId, transport: TransportId, candidate: str
    ) -> None:
        await self._note(f"candidate {candidate}")

    async def close_room(self, room: RoomId) -> None:
        await self._note(f"close {room}")

    def stats(self) -> Mapping[str, float]:
        return {}

    async def _note(self, what: str) -> None:
        if failure := self.failures.get(str):
            raise failure
        self.done.append(what)
        await self.going.wait()


@asynccontextmanager
async def running(*, empty_timeout_s: float = 30.0) -> AsyncIterator[tuple[Rooms, Recorder]]:
    """Rooms on a Recorder, run until the block ends."""
    engine = Recorder()
    rooms = Rooms(engine, clock=now, empty_timeout_s=empty_timeout_s)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(rooms.run())
        await settle()
        yield rooms, engine
        run.cancel()


async def settle() -> None:
    """Let everything happen that can happen without time passing."""
    await asyncio.sleep(0.001)
