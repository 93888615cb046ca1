"""A pipeline is kept while it is wanted, and what goes wrong with it stays with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest
import structlog
from msgspec import Struct

from palaver.media.pipelines import supervisor as supervising
from palaver.media.pipelines.control import Command, Failed, PipelineKind, Report
from palaver.media.pipelines.process import Pipeline, PipelineLost
from palaver.media.pipelines.supervisor import Pipelines, PipelineSupervisor
from palaver.media.ports import EngineError

REPORTS = msgspec.msgpack.Decoder(Report)
KIND = PipelineKind("nowhere:run", REPORTS, finish_s=7.0)
ONCE = PipelineKind("nowhere:run", REPORTS, restarts=False)


@dataclass
class Child:
    """A child process as its supervisor sees it."""

    said: list[Struct] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    counters: dict[str, float] = field(default_factory=dict)
    on_report: Any = None
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def take_frames(self) -> int:
        return 0

    def say(self, command: Struct) -> None:
        self.said.append(command)

    async def watch(self) -> None:
        await self.lost.wait()
        raise PipelineLost("it was killed")

    async def finish(self, stop: Struct, within_s: float) -> None:
        self.finished.append(within_s)


@dataclass
class Node:
    """A fork server, a core, and whoever the pipeline works for."""

    children: list[Child] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    closed: list[int] = field(default_factory=list)
    refuse: str = ""
    bug: Exception | None = None
    gone: int = 0

    async def start(self, kind: PipelineKind) -> Pipeline:
        if self.refuse:
            raise EngineError(self.refuse)
        self.children.append(Child())
        self.started.set()
        return cast("Pipeline", self.children[-1])

    def open_pipeline(self, thread: int, fd: int) -> int:
        return len(self.children)

    def close_pipeline(self, pipeline: int) -> None:
        self.closed.append(pipeline)

    def begun(self, pipeline: int) -> None:
        if self.bug is not None:
            raise self.bug

    def over(self) -> None:
        self.gone += 1

    def heard(self, report: Struct) -> None:
        raise ValueError("a bug")

    def pipelines(self) -> Pipelines:
        return Pipelines(cast("Any", self), cast("Any", self))

    async def child(self, number: int) -> Child:
        """The ``number``-th child, once it is there."""
        async with asyncio.timeout(20):
            while len(self.children) <= number:
                self.started.clear()
                await self.started.wait()
        return self.children[number]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(supervising, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(supervising, "LINGER_S", 0.01)
    return Node()


@pytest.fixture
async def tasks() -> AsyncIterator[list[asyncio.Task[None]]]:
    running: list[asyncio.Task[None]] = []
    yield running
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)


def supervised(node: Node, pipelines: Pipelines, kind: PipelineKind = KIND) -> PipelineSupervisor:
    return PipelineSupervisor(pipelines, kind, 0, node, structlog.get_logger(), wanted=True)


async def test_a_lost_pipeline_is_started_again(node: Node, tasks: list[asyncio.Task[None]]) -> None:
    supervisor = supervised(node, node.pipelines())
    tasks.append(asyncio.create_task(supervisor.run()))
    (await node.child(0)).lost.set()
    await node.child(1)
    assert (supervisor.restarts, node.gone, node.closed) == (1, 1, [1])


async def test_a_bug_in_telling_a_pipeline_costs_that_one_and_is_counted(
    node: Node, tasks: list[asyncio.Task[None]]
) -> None:
    node.bug = ZeroDivisionError("a bug")
    pipelines = node.pipelines()
    tasks.append(asyncio.create_task(supervised(node, pipelines).run()))
    await node.child(2)
    assert pipelines.tasks.failures >= 2
    assert [child.finished for child in node.children[:2]] == [[7.0], [7.0]], "no process is left"
    node.bug = None
    mended = await node.child(len(node.children))
    await until(lambda: mended.on_report is not None)
    assert not tasks[0].done()


async def test_a_bug_in_hearing_a_report_costs_that_report(
    node: Node, tasks: list[asyncio.Task[None]]
) -> None:
    pipelines = node.pipelines()
    tasks.append(asyncio.create_task(supervised(node, pipelines).run()))
    child = await node.child(0)
    await until(lambda: child.on_report is not None)
    child.on_report(Failed(track=1, reason="no codec"))
    assert pipelines.tasks.failures == 1
    assert not tasks[0].done()


async def test_one_that_nobody_wants_any_more_is_given_the_time_to_finish(
    node: Node, tasks: list[asyncio.Task[None]]
) -> None:
    supervisor = supervised(node, node.pipelines())
    tasks.append(asyncio.create_task(supervisor.run()))
    child = await node.child(0)
    supervisor.want(False)
    await until(lambda: bool(child.finished))
    assert child.finished == [KIND.finish_s]
    supervisor.want(True)
    await node.child(1)
    assert supervisor.restarts == 0


async def test_cancelling_finishes_it_too(node: Node, tasks: list[asyncio.Task[None]]) -> None:
    tasks.append(asyncio.create_task(supervised(node, node.pipelines()).run()))
    child = await node.child(0)
    await until(lambda: child.on_report is not None)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert child.finished == [KIND.finish_s]
    assert node.closed == [1]


async def test_one_that_must_not_be_started_again_is_lost(node: Node) -> None:
    supervisor = supervised(node, node.pipelines(), ONCE)
    run = asyncio.create_task(supervisor.run())
    (await node.child(0)).lost.set()
    with pytest.raises(PipelineLost, match="killed"):
        await run
    node.refuse = "no processes"
    with pytest.raises(EngineError, match="no processes"):
        await supervised(node, node.pipelines(), ONCE).run()


def test_commands_of_all_pipelines_are_decoded_by_their_names() -> None:
    assert msgspec.msgpack.Decoder(Command).decode(msgspec.msgpack.encode({"type": "Stop"})) is not None
