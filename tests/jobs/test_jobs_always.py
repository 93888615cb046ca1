"""What holds of jobs whatever happens, in whatever order: the store, the node and the engine agree in the end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Literal, get_args
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palaver.jobs import session
from palaver.jobs.job import JobStatus
from palaver.jobs.kinds import JobFailed
from palaver.jobs.opening import RoomNotFound
from palaver.room.endpoints import TestSource
from palaver.room.errors import RoomError
from palaver.room.messages import Unpublish
from palaver.room.values import StreamId
from tests.jobs.stage import BARS, OTHER, ROOM, Node, fails, hangs, open_store, until, works

Step = Literal[
    "start", "start elsewhere", "stop", "lose", "unpublish", "delete room", "kill", "fail", "hang", "work"
]
ANSWERS = {"work": works, "fail": fails, "hang": hangs}
REFUSED = (JobFailed, RoomNotFound, RoomError)


class World:
    """A node that is killed and started again on the same store."""

    def __init__(self) -> None:
        self.answer = works
        self.waiting: list[asyncio.Task[object]] = []

    async def begin(self) -> None:
        self.store = await open_store()
        await self.boot()

    async def boot(self) -> None:
        self.node = Node(self.store)
        self.node.engine.answer = self.answer
        self.life = AsyncExitStack()
        await self.life.enter_async_context(self.node.running())

    async def kill(self) -> None:
        await self.life.aclose()
        await asyncio.gather(*self.waiting, return_exceptions=True)

    def oldest(self) -> str:
        jobs = [*self.node.jobs.of(ROOM), *self.node.jobs.of(OTHER)]
        return jobs[0].id if jobs else "0"

    def trouble(self, step: Literal["lose", "unpublish"]) -> None:
        if step == "lose" and self.oldest() in self.node.engine.open:
            self.node.lose(self.oldest())
        for host in self.node.rooms.running() if step == "unpublish" else ():
            with suppress(RoomError):
                host.submit(Unpublish(None, StreamId(self.oldest())))

    async def take(self, step: Step) -> None:
        match step:
            case "start" | "start elsewhere":
                room = ROOM if step == "start" else OTHER
                self.waiting.append(asyncio.create_task(self.node.jobs.start(room, BARS, created_ms=1)))
            case "stop":
                await self.node.jobs.stop(self.oldest())
            case "lose" | "unpublish":
                self.trouble(step)
            case "delete room":
                await self.node.delete_room(ROOM)
            case "kill":
                await self.kill()
                await self.boot()
            case _:
                self.answer = self.node.engine.answer = ANSWERS[step]
        for _ in range(3):
            await asyncio.sleep(0)


async def settled(world: World) -> None:
    """Once everything works again, exactly the jobs of the store run, and nothing else is open."""
    node = world.node
    world.answer = node.engine.answer = works
    waiting = asyncio.gather(*world.waiting, return_exceptions=True)
    while True:
        running = {
            job.id for job in [*node.jobs.of(ROOM), *node.jobs.of(OTHER)] if job.status is JobStatus.RUNNING
        }
        for stream in set(node.engine.open) - running:
            node.lose(stream)  # what hung before, be it opened just now, answers
        if not world.waiting or (await asyncio.wait([waiting], timeout=0.05))[0]:
            break
    for outcome in await waiting:
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, (*REFUSED, asyncio.CancelledError)), repr(outcome)
    async with asyncio.timeout(20):
        await node.jobs.resumed.wait()
    await until(
        lambda: (
            all(job.status is JobStatus.RUNNING for job in [*node.jobs.of(ROOM), *node.jobs.of(OTHER)])
            and set(node.engine.open) == {job.id for job in [*node.jobs.of(ROOM), *node.jobs.of(OTHER)]}
        )
    )
    stored = (await world.store.jobs.all())[0]
    assert {job.id for job in stored} == set(node.engine.open)
    assert {job.room for job in stored} <= {ROOM, OTHER}
    assert all(node.engine.open[job.id] == job.room for job in stored)


@given(st.lists(st.sampled_from(get_args(Step)), max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_store_node_and_engine_agree_after_anything(steps: list[Step]) -> None:
    async def play() -> None:
        world = World()
        await world.begin()
        try:
            for step in steps:
                await world.take(step)
            await settled(world)
        finally:
            await world.kill()
            await world.store.close()

    # A start that nobody answers ends after a second, not after the forty of a server.
    with patch.object(session, "_MARGIN_S", 1 - TestSource.ready_timeout_s):
        asyncio.run(play())
