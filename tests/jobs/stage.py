"""A node without network: a real store and rooms, jobs, and an engine that does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from palaver.api.wire.rooms import config_of, new_room
from palaver.backoff import Backoff
from palaver.host import RoomHost, Rooms
from palaver.jobs.jobs import Jobs
from palaver.jobs.opening import RoomOpener
from palaver.jobs.streaming_in import StreamingIn, StreamingIns
from palaver.room.messages import Action, CloseSource, OpenSource, Report, SourceLost, SourceReady
from palaver.room.values import AudioFormat, RoomId, StreamId, Track
from palaver.store import Store
from palaver.streaming.urls import UrlPolicy
from tests.host.recorder import Recorder

SERVICE, ROOM, OTHER = "a" * 24, "b" * 24, "c" * 24
MASTER = b"m" * 32
BARS = StreamingIn("test:bars")
DEADLINE_S = 20.0


def works(opened: OpenSource) -> Report | None:
    return SourceReady(opened.stream, (Track("audio", AudioFormat("opus", 48000, 2)),))


def fails(opened: OpenSource) -> Report | None:
    return SourceLost(opened.stream, "the camera is off")


def hangs(opened: OpenSource) -> Report | None:
    return None


class Plant(Recorder):
    """Answers each OpenSource by ``answer``."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Callable[[OpenSource], Report | None] = works
        self.open: dict[str, RoomId] = {}
        self.opened = 0

    async def perform(self, room: RoomId, action: Action) -> None:
        await super().perform(room, action)
        if isinstance(action, OpenSource):
            self.open[action.stream] = room
            self.opened += 1
            if report := self.answer(action):
                self.say(room, report)
        elif isinstance(action, CloseSource):
            del self.open[action.stream]

    async def close_room(self, room: RoomId) -> None:
        await super().close_room(room)
        self.open = {stream: where for stream, where in self.open.items() if where != room}


@dataclass
class Node:
    """What runs until it is killed."""

    store: Store
    engine: Plant = field(default_factory=Plant)

    def __post_init__(self) -> None:
        self.rooms = Rooms(self.engine, empty_timeout_s=0.05)
        opener = RoomOpener(self.store, self.rooms, config_of)
        kinds = [StreamingIns(UrlPolicy(), allow_test=True)]
        self.jobs = Jobs(
            self.store, opener, kinds, backoff=lambda: Backoff(first_s=0.005, most_s=0.02, good_s=1000)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Node]:
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(self.rooms.run()), tasks.create_task(self.jobs.run())]
            await asyncio.sleep(0)
            try:
                yield self
            finally:
                for part in reversed(parts):
                    part.cancel()

    def host(self, room: str = ROOM) -> RoomHost | None:
        return self.rooms.get(RoomId(room))

    def lose(self, job: str, reason: str = "the cable broke") -> None:
        self.engine.say(self.engine.open[job], SourceLost(StreamId(job), reason))

    async def delete_room(self, room: str) -> None:
        """As the management API does."""
        await self.store.rooms.delete(room)
        await self.rooms.close(RoomId(room))


async def open_store(path: Path | None = None) -> Store:
    url = "sqlite://" if path is None else f"sqlite:///{path}"
    store = await Store.open(url, master_key=MASTER)
    if await store.services.get(SERVICE) is None:
        await store.services.create(SERVICE, "service", "key", created_ms=1)
        for room in (ROOM, OTHER):
            document = new_room({"name": "standup", "options": {"views": []}})
            await store.rooms.create(room, SERVICE, document, created_ms=1)
    return store


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # what is awaited happens in the room and the store
            await asyncio.sleep(0.002)
