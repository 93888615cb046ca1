"""What every engine promises about the server's own sources and sinks, whatever their kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from palaver.media.endpoints import Endpoint, EndpointKind, EndpointLost, RoomMedia
from palaver.media.ports import EngineError
from palaver.room.endpoints import FileSink, PullSource, TestSource
from palaver.room.messages import (
    Action,
    CloseSink,
    CloseSource,
    OpenSink,
    OpenSource,
    SetSinkOrigin,
    SetSourceActive,
    SinkLost,
    SourceInterrupted,
    SourceLost,
    SourceReady,
    SourceResumed,
)
from palaver.room.values import RoomId, StreamId, SubscribedTrack, Subscription, SubscriptionId, Track
from tests.contract.engines import OPUS, ROOM, VP8, Bench, counter, until, working

pytestmark = pytest.mark.net

S, R = StreamId("s"), SubscriptionId("r")
SOUND = Track("audio", OPUS)


@dataclass
class Scripted:
    """An endpoint that a test leads; ``say`` is what it does next."""

    action: OpenSource | OpenSink
    media: RoomMedia
    changes: list[Action] = field(default_factory=list)
    closed: bool = False
    say: asyncio.Queue[Exception | None] = field(default_factory=asyncio.Queue)

    async def run(self) -> None:
        self.media.ready((SOUND,))
        try:
            if (failure := await self.say.get()) is not None:
                raise failure
        finally:
            self.closed = True

    def change(self, action: Action) -> None:
        if len(self.changes) == 1:
            raise ValueError("a bug")
        self.changes.append(action)


@dataclass
class House:
    """An engine whose endpoints are scripted."""

    bench: Bench
    opened: list[Scripted]

    async def open_source(self, name: str = "s", room: RoomId = ROOM) -> Scripted:
        action = OpenSource(StreamId(name), None, TestSource(), (OPUS,), (VP8,))
        await self.bench.engine.perform(room, action)
        return self.opened[-1]

    async def open_sink(self, name: str = "r") -> Scripted:
        subscription = Subscription(SubscriptionId(name), None, None, (SubscribedTrack("audio", S),))
        await self.bench.engine.perform(ROOM, OpenSink(subscription, FileSink("a.mkv", "mkv")))
        return self.opened[-1]


@pytest.fixture(params=["fake", "local"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    opened: list[Scripted] = []

    def scripted(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        opened.append(Scripted(action, media))
        return opened[-1]

    def impossible(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        raise EndpointLost("no such address")

    kinds = {
        TestSource: EndpointKind(scripted),
        FileSink: EndpointKind(scripted),
        PullSource: EndpointKind(impossible),
    }
    async with working(request.param, kinds=kinds) as bench:
        yield House(bench, opened)


async def test_a_source_says_when_it_is_ready_and_is_closed(house: House) -> None:
    source = await house.open_source()
    assert await house.bench.heard("SourceReady", "s") == SourceReady(S, (SOUND,))
    assert counter(house.bench, "endpoints") == 1
    await house.bench.engine.perform(ROOM, CloseSource(S))
    await until(lambda: source.closed)
    await until(lambda: house.bench.held() == 0)
    assert ("SourceLost", "s") not in house.bench.story()


async def test_a_sink_says_when_it_is_ready_and_is_closed(house: House) -> None:
    sink = await house.open_sink()
    await house.bench.heard("SinkReady", "r")
    await house.bench.engine.perform(ROOM, CloseSink(R))
    await until(lambda: sink.closed)
    await until(lambda: house.bench.held() == 0)


async def test_what_fails_is_lost_for_its_reason(house: House) -> None:
    source, sink = await house.open_source(), await house.open_sink()
    await house.bench.heard("SinkReady", "r")
    source.say.put_nowait(EndpointLost("the camera is off"))
    assert await house.bench.heard("SourceLost", "s") == SourceLost(S, "the camera is off")
    sink.say.put_nowait(EndpointLost("the disk is full"))
    assert await house.bench.heard("SinkLost", "r") == SinkLost(R, "the disk is full")
    await until(lambda: house.bench.held() == 0)
    await house.bench.engine.perform(ROOM, CloseSource(S))  # follows every loss


async def test_what_ends_by_itself_is_lost(house: House) -> None:
    source = await house.open_source()
    source.say.put_nowait(None)
    assert await house.bench.heard("SourceLost", "s") == SourceLost(S, "ended")


async def test_a_bug_costs_one_endpoint_and_is_counted(house: House) -> None:
    source, other = await house.open_source(), await house.open_source("other")
    await house.bench.heard("SourceReady", "other")
    source.say.put_nowait(ZeroDivisionError("a bug"))
    assert await house.bench.heard("SourceLost", "s") == SourceLost(S, "internal error")
    await until(lambda: counter(house.bench, "tasks_failed_total") == 1)
    assert not other.closed
    await house.open_source("third")
    await house.bench.heard("SourceReady", "third")


async def test_a_bug_in_a_change_costs_one_endpoint(house: House) -> None:
    sink, other = await house.open_sink(), await house.open_sink("other")
    await house.bench.heard("SinkReady", "other")
    change = SetSinkOrigin(R, SubscribedTrack("audio", StreamId("another")))
    await house.bench.engine.perform(ROOM, change)
    assert sink.changes == [change]
    await house.bench.engine.perform(ROOM, change)
    assert await house.bench.heard("SinkLost", "r") == SinkLost(R, "internal error")
    assert not other.closed


async def test_a_source_hears_that_it_is_muted(house: House) -> None:
    source = await house.open_source()
    mute = SetSourceActive(S, "audio", active=False)
    await house.bench.engine.perform(ROOM, mute)
    assert source.changes == [mute]


async def test_what_cannot_be_opened_is_refused(house: House) -> None:
    await house.open_source()
    with pytest.raises(EngineError, match="open already"):
        await house.open_source()
    with pytest.raises(EngineError, match="no such address"):
        await house.bench.engine.perform(ROOM, OpenSource(StreamId("p"), None, PullSource(), (OPUS,), (VP8,)))


async def test_an_interrupted_source_says_so_and_when_it_is_back(house: House) -> None:
    source = await house.open_source()
    await house.bench.heard("SourceReady", "s")
    source.media.interrupted("no packets")
    source.media.resumed((SOUND,))
    assert await house.bench.heard("SourceInterrupted", "s") == SourceInterrupted(S, "no packets")
    assert await house.bench.heard("SourceResumed", "s") == SourceResumed(S, (SOUND,))


async def test_a_room_that_closes_takes_its_endpoints_and_no_others(house: House) -> None:
    source, sink = await house.open_source(), await house.open_sink()
    other = await house.open_source("s", RoomId("other"))
    await until(lambda: len(house.bench.story()) == 3)
    await house.bench.engine.close_room(ROOM)
    await until(lambda: source.closed and sink.closed)
    assert not other.closed
    await house.bench.engine.close_room(RoomId("other"))
    await until(lambda: house.bench.held() == 0)


async def test_an_engine_that_stops_takes_all_with_it(house: House) -> None:
    source = await house.open_source()
    await house.bench.heard("SourceReady", "s")
    house.bench.stop()
    await until(lambda: source.closed)
    await house.bench.over.wait()
    assert ("SourceLost", "s") not in house.bench.story()


async def test_an_engine_without_the_kind_refuses_it() -> None:
    async with working("local") as bench:
        await asyncio.sleep(0)  # the engine has begun, so that it can end
        with pytest.raises(EngineError, match="no TestSource"):
            await bench.engine.perform(ROOM, OpenSource(S, None, TestSource(), (OPUS,), (VP8,)))


async def test_the_engine_in_memory_serves_every_kind_at_once() -> None:
    async with working("fake") as bench:
        await bench.engine.perform(ROOM, OpenSource(S, None, TestSource(), (OPUS,), (VP8,)))
        ready = await bench.heard("SourceReady", "s")
        assert ready == SourceReady(S, (SOUND, Track("video", VP8)))
