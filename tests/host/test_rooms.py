"""The rooms of a node: their beginnings and ends, their reports and their time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from palaver.host import Rooms
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    Close,
    CloseSource,
    Event,
    Join,
    Leave,
    OpenSource,
    ParticipantDropped,
    ParticipantLeft,
    SessionFailed,
    SinkReady,
    SourceLost,
    StreamAdded,
    StreamRemoved,
)
from palaver.room.values import ParticipantId, RoomId
from tests.host.recorder import Recorder, running, settle
from tests.host.virtual import in_virtual_time, now
from tests.room.scenes import ANN, ANNS, BEN, CAM, COMMON, CONFIG, SUB, publish, ready, subscribe

OTHER = replace(CONFIG, id=RoomId("room2"))


@in_virtual_time
async def test_a_running_room_is_opened_once_and_keeps_its_definition() -> None:
    async with running() as (rooms, _):
        host = rooms.open(CONFIG)
        assert rooms.open(replace(CONFIG, name="renamed")) is host
        assert host.room.config.name == CONFIG.name
        assert rooms.get(CONFIG.id) is host
        assert rooms.running() == [host]
        assert rooms.get(OTHER.id) is None


@in_virtual_time
async def test_a_room_opened_before_the_rooms_run_works_when_they_do() -> None:
    engine = Recorder()
    rooms = Rooms(engine, clock=now)
    host = rooms.open(CONFIG)
    host.submit(Join(ANN, "Ann", "presenter"))
    host.submit(publish(ANN))
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(rooms.run())
        await settle()
        assert [type(action) for action in engine.done] == [OpenSource]
        run.cancel()


@in_virtual_time
async def test_reports_reach_their_room_and_no_other() -> None:
    async with running() as (rooms, engine):
        told: dict[str, list[Event]] = {}
        for config in (CONFIG, OTHER):
            host = rooms.open(config)
            host.submit(Join(ANN, "Ann", "presenter"))
            host.submit(publish(ANN))
            told[config.id] = []
            host.listen(told[config.id].append)
        engine.say(CONFIG.id, ready())
        engine.say(RoomId("gone"), ready())
        await settle()
        assert isinstance(told[CONFIG.id][-1], StreamAdded)
        assert told[OTHER.id] == []


@in_virtual_time
async def test_late_reports_are_no_trouble() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        engine.say(CONFIG.id, SinkReady(SUB))
        host.submit(Close())
        host.report(SourceLost(CAM, "late"))
        await settle()
        assert rooms.running() == []


# ── time ────────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_what_negotiates_for_thirty_seconds_fails() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        host.submit(Join(ANN, "Ann", "presenter"))
        told: list[Event] = []
        host.listen(told.append)
        await asyncio.sleep(100)
        host.submit(publish(ANN))
        await asyncio.sleep(29.9)
        assert told == []
        await asyncio.sleep(0.2)
        assert told == [SessionFailed(ANN, ANNS, CAM, "Negotiation timed out")]
        assert engine.done[-1] == CloseSource(CAM)


@in_virtual_time
async def test_a_room_that_nobody_enters_stops() -> None:
    async with running(empty_timeout_s=30) as (rooms, engine):
        rooms.open(CONFIG)
        await asyncio.sleep(29.9)
        assert rooms.get(CONFIG.id) is not None
        await asyncio.sleep(0.2)
        assert rooms.get(CONFIG.id) is None
        assert engine.done == ["close room1"]


@in_virtual_time
async def test_a_room_stops_some_time_after_the_last_has_left() -> None:
    async with running(empty_timeout_s=30) as (rooms, engine):
        host = rooms.open(CONFIG)
        host.submit(Join(ANN, "Ann", "presenter"))
        await asyncio.sleep(1000)
        assert rooms.running() == [host]
        host.submit(Leave(ANN))
        await asyncio.sleep(20)
        host.submit(Join(BEN, "Ben", "presenter"))
        host.submit(Leave(BEN))
        await asyncio.sleep(20)
        assert rooms.running() == [host]
        await asyncio.sleep(11)
        assert rooms.running() == []
        assert engine.done[-1] == "close room1"


@in_virtual_time
async def test_a_stopped_room_accepts_nothing_and_starts_afresh_when_opened_again() -> None:
    async with running(empty_timeout_s=1) as (rooms, _):
        old = rooms.open(CONFIG)
        await asyncio.sleep(2)
        with pytest.raises(RoomError) as refusal:
            old.submit(Join(ANN, "Ann", "presenter"))
        assert refusal.value.fault is Fault.ROOM_CLOSED
        new = rooms.open(replace(CONFIG, name="renamed"))
        assert new is not old
        assert new.room.config.name == "renamed"
        new.submit(Join(ANN, "Ann", "presenter"))


# ── closing ─────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_closing_drops_everybody_and_returns_when_all_is_released() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        host.submit(Join(ANN, "Ann", "presenter"))
        host.submit(publish(ANN))
        told: list[Event] = []
        host.listen(told.append)
        await rooms.close(CONFIG.id)
        assert told == [ParticipantDropped(ANN), ParticipantLeft(ANN), StreamRemoved(COMMON)]
        assert engine.done[-1] == "close room1"
        assert CloseSource(CAM) in engine.done
        assert host.released.is_set()
        assert rooms.running() == []


@in_virtual_time
async def test_closing_what_does_not_run_is_no_trouble() -> None:
    async with running() as (rooms, engine):
        await rooms.close(CONFIG.id)
        assert engine.done == []


@in_virtual_time
async def test_closing_does_not_wait_for_ever_for_an_engine_that_hangs() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        host.submit(Join(ANN, "Ann", "presenter"))
        engine.going.clear()
        host.submit(publish(ANN))
        await rooms.close(CONFIG.id)
        assert now() < 1000 + 25
        assert rooms.running() == []


@in_virtual_time
async def test_a_room_opened_again_waits_until_its_predecessor_is_released() -> None:
    async with running() as (rooms, engine):
        rooms.open(CONFIG)
        engine.going.clear()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(rooms.close(CONFIG.id))
            await settle()
            new = rooms.open(CONFIG)
            new.submit(Join(ANN, "Ann", "presenter"))
            new.submit(publish(ANN))
            await settle()
            assert engine.done == ["close room1"]
            engine.going.set()
        await settle()
        assert [type(one) for one in engine.done] == [str, OpenSource]
        assert rooms.running() == [new]


@in_virtual_time
async def test_nothing_opens_after_the_rooms_stopped() -> None:
    async with running() as (rooms, _):
        rooms.open(CONFIG)
    with pytest.raises(RoomError) as refusal:
        rooms.open(CONFIG)
    assert refusal.value.fault is Fault.ROOM_CLOSED


@in_virtual_time
async def test_rooms_outlive_the_reports_of_an_engine_that_stopped() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        engine.stop()
        await settle()
        host.submit(Join(ANN, "Ann", "presenter"))
        assert rooms.running() == [host]


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_the_numbers_say_what_runs() -> None:
    async with running() as (rooms, _):
        host = rooms.open(CONFIG)
        rooms.open(OTHER)
        for member in (ANN, BEN):
            host.submit(Join(member, "somebody", "presenter"))
        host.submit(publish(ANN))
        host.report(ready())
        host.submit(subscribe(BEN))
        stats = rooms.stats()
        assert (stats["rooms"], stats["participants"]) == (2, 2)
        assert (stats["streams"], stats["subscriptions"]) == (1, 1)
        assert stats["rooms_started"] == 2


@in_virtual_time
async def test_a_thousand_guests_leave_nothing_behind() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        host.submit(Join(BEN, "Ben", "presenter"))
        await settle()
        tasks = len(asyncio.all_tasks())
        for number in range(1000):
            guest = ParticipantId(f"guest{number}")
            remove = host.listen(lambda _: None)
            host.submit(Join(guest, "guest", "presenter"))
            host.submit(publish(guest))
            host.report(ready())
            host.submit(Leave(guest))
            remove()
            if number % 100 == 0:
                await settle()
        await settle()
        assert len(asyncio.all_tasks()) == tasks
        assert not host._listeners
        assert not host._queue
        assert len(host.room.streams) == 1
        assert len(engine.done) == 3000


@in_virtual_time
async def test_a_thousand_rooms_leave_nothing_behind() -> None:
    async with running(empty_timeout_s=1) as (rooms, engine):
        tasks = len(asyncio.all_tasks())
        for number in range(1000):
            rooms.open(replace(CONFIG, id=RoomId(f"room{number}")))
        await asyncio.sleep(2)
        assert len(asyncio.all_tasks()) == tasks
        assert rooms.running() == []
        assert not rooms._releasing
        assert len(engine.done) == 1000


@in_virtual_time
async def test_a_room_that_is_held_does_not_stop_and_says_when_it_does() -> None:
    async with running(empty_timeout_s=1) as (rooms, _):
        host = rooms.open(CONFIG)
        ends: list[str] = []
        host.when_over(lambda: ends.append("one"))
        forget = host.when_over(lambda: ends.append("other"))
        with host.held(), host.held():
            await asyncio.sleep(10)
            assert rooms.get(CONFIG.id) is host
        forget()
        await asyncio.sleep(0.5)
        with host.held():
            await asyncio.sleep(10)
        assert (rooms.get(CONFIG.id), ends) == (host, [])
        await asyncio.sleep(1.5)
        assert (rooms.get(CONFIG.id), ends) == (None, ["one"])
