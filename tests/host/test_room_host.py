"""One room on an engine: events at once, actions in order, failures contained."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from palaver.host.host import ACTIONS_MAX
from palaver.media.ports import EngineError, NegotiationError, TransportNotFound
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    CloseTransports,
    Event,
    Join,
    Leave,
    OpenSink,
    OpenSource,
    ParticipantDropped,
    ParticipantJoined,
    ParticipantLeft,
    SendText,
    SessionFailed,
    SetSinkActive,
    SetSourceActive,
    SetStreamActive,
    SetSubscriptionActive,
    SinkReady,
    StreamMuted,
    StreamRemoved,
    TextSent,
    Tick,
    Unpublish,
)
from palaver.room.values import RoomId, StreamId
from tests.host.recorder import running, settle
from tests.host.virtual import in_virtual_time
from tests.room.scenes import (
    ANN,
    ANNS,
    BEN,
    BENS,
    CAM,
    CID,
    CONFIG,
    SCREEN,
    SUB,
    publish,
    ready,
    subscribe,
)

if TYPE_CHECKING:
    from palaver.host import RoomHost


def joined(host: RoomHost) -> list[Event]:
    """Ann and Ben join; what is told from now on."""
    host.submit(Join(ANN, "Ann", "presenter"))
    host.submit(Join(BEN, "Ben", "presenter"))
    told: list[Event] = []
    host.listen(told.append)
    return told


# ── events ──────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_events_are_told_to_every_listener_before_submit_returns() -> None:
    async with running() as (rooms, _):
        host = rooms.open(CONFIG)
        one: list[Event] = []
        other: list[Event] = []
        host.listen(one.append)
        host.listen(other.append)
        host.submit(Join(ANN, "Ann", "viewer"))
        assert [type(event) for event in one] == [ParticipantJoined]
        assert other == one


@in_virtual_time
async def test_a_removed_listener_hears_nothing_more() -> None:
    async with running() as (rooms, _):
        host = rooms.open(CONFIG)
        told: list[Event] = []
        remove = host.listen(told.append)
        remove()
        remove()
        host.submit(Join(ANN, "Ann", "viewer"))
        assert told == []


@in_virtual_time
async def test_a_listener_removed_by_another_during_the_telling_is_not_told() -> None:
    async with running() as (rooms, _):
        host = rooms.open(CONFIG)
        told: list[Event] = []
        removals = [host.listen(lambda _: removals[1]()), host.listen(told.append)]
        host.submit(Join(ANN, "Ann", "viewer"))
        assert told == []


@in_virtual_time
async def test_a_failing_listener_hurts_nobody_and_is_counted() -> None:
    def fail(_: Event) -> None:
        raise ZeroDivisionError

    async with running() as (rooms, _):
        host = rooms.open(CONFIG)
        host.listen(fail)
        told: list[Event] = []
        host.listen(told.append)
        host.submit(Join(ANN, "Ann", "viewer"))
        assert len(told) == 1
        assert rooms.stats()["listeners_failed"] == 1


@in_virtual_time
async def test_what_a_listener_submits_is_told_after_what_it_was_told() -> None:
    async with running() as (rooms, _):
        host = rooms.open(CONFIG)

        def greet(event: Event) -> None:
            if isinstance(event, ParticipantJoined):
                host.submit(SendText(event.participant.id, "all", "hello"))

        host.listen(greet)
        told: list[Event] = []
        host.listen(told.append)
        host.submit(Join(ANN, "Ann", "viewer"))
        assert [type(event) for event in told] == [ParticipantJoined, TextSent]


@in_virtual_time
async def test_a_refusal_goes_to_the_caller_and_nobody_else() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        told = joined(host)
        with pytest.raises(RoomError) as refusal:
            host.submit(Unpublish(ANN, CAM))
        assert refusal.value.fault is Fault.STREAM_NOT_FOUND
        await settle()
        assert (told, engine.done) == ([], [])


# ── actions ─────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_actions_are_carried_out_in_the_order_decided() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        joined(host)
        host.submit(publish(ANN))
        host.report(ready())
        host.submit(subscribe(BEN))
        host.submit(Leave(ANN))
        await settle()
        assert [type(action) for action in engine.done] == [
            OpenSource,
            OpenSink,
            CloseSink,
            CloseSource,
            CloseTransports,
        ]


@in_virtual_time
async def test_a_slow_engine_does_not_hold_up_events() -> None:
    async with running() as (rooms, engine):
        engine.going.clear()
        host = rooms.open(CONFIG)
        told = joined(host)
        host.submit(publish(ANN))
        await settle()
        host.submit(SendText(ANN, "all", "still here"))
        assert told == [TextSent(ANN, "all", "still here")]
        engine.going.set()
        await settle()
        assert len(engine.done) == 1


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(EngineError("no port left"), "no port left"), (ValueError("a bug"), "internal error")],
)
@in_virtual_time
async def test_a_source_that_the_engine_does_not_take_fails_its_session_only(
    failure: Exception, reason: str
) -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        told = joined(host)
        engine.failures[OpenSource] = failure
        host.submit(publish(ANN))
        await settle()
        assert told == [SessionFailed(ANN, ANNS, CAM, reason)]
        assert engine.done == [CloseSource(CAM)]
        assert rooms.stats()["actions_failed"] == 1
        engine.failures.clear()
        host.submit(publish(ANN, SCREEN))
        await settle()
        assert isinstance(engine.done[-1], OpenSource)


@in_virtual_time
async def test_an_engine_that_does_not_answer_in_time_fails_the_session() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        told = joined(host)
        engine.going.clear()
        host.submit(publish(ANN))
        await asyncio.sleep(4.9)
        assert told == []
        await asyncio.sleep(0.2)
        assert told == [SessionFailed(ANN, ANNS, CAM, "the media plane did not answer in time")]


@in_virtual_time
async def test_a_sink_that_the_engine_does_not_take_fails_its_session() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        told = joined(host)
        host.submit(publish(ANN))
        host.report(ready())
        engine.failures[OpenSink] = EngineError("full")
        host.submit(subscribe(BEN))
        await settle()
        assert told[-1] == SessionFailed(BEN, BENS, SUB, "full")


@in_virtual_time
async def test_a_mute_that_the_engine_does_not_take_ends_the_stream_rather_than_let_it_be_heard() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        told = joined(host)
        host.submit(publish(ANN))
        host.report(ready())
        engine.failures[SetSourceActive] = EngineError("full")
        host.submit(SetStreamActive(ANN, CAM, ("audio",), active=False))
        await settle()
        assert told[-3:] == [
            StreamMuted(CAM, "audio", False),
            SessionFailed(ANN, ANNS, CAM, "full"),
            StreamRemoved(CAM),
        ]


@in_virtual_time
async def test_a_pause_that_the_engine_does_not_take_ends_the_subscription() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        told = joined(host)
        host.submit(publish(ANN))
        host.report(ready())
        host.submit(subscribe(BEN))
        host.report(SinkReady(SUB))
        engine.failures[SetSinkActive] = EngineError("full")
        host.submit(SetSubscriptionActive(BEN, SUB, ("audio",), active=False))
        await settle()
        assert told[-1] == SessionFailed(BEN, BENS, SUB, "full")


@in_virtual_time
async def test_closing_what_the_engine_does_not_close_is_counted_and_goes_on() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        joined(host)
        engine.failures[CloseSource] = EngineError("stuck")
        host.submit(publish(ANN))
        host.submit(Leave(ANN))
        await settle()
        assert engine.done[-1] == CloseTransports(ANN)
        assert rooms.stats()["actions_failed"] == 1


@in_virtual_time
async def test_while_the_engine_is_far_behind_more_work_is_refused_and_leaving_is_not() -> None:
    async with running() as (rooms, engine):
        engine.going.clear()
        host = rooms.open(CONFIG)
        told = joined(host)
        await settle()
        for number in range(ACTIONS_MAX + 1):  # one is being carried out
            host.submit(publish(ANN, StreamId(f"s{number}"), first_mid=2 * number))
            if number == 0:
                await settle()
        with pytest.raises(RoomError) as refusal:
            host.submit(publish(ANN, CAM, first_mid=90_000))
        assert refusal.value.fault is Fault.NOT_AVAILABLE
        with pytest.raises(RoomError, match="behind"):
            host.enter(Join(CID, "Cid", "presenter"), publish(CID, CAM, BENS))
        assert CID not in host.room.participants
        assert CAM not in host.room.streams
        host.submit(SendText(ANN, "all", "hi"))
        host.submit(Leave(ANN))
        assert told[-1] == ParticipantLeft(ANN)


# ── negotiation ─────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_an_offer_is_negotiated_after_all_that_was_decided_before_it() -> None:
    async with running() as (rooms, engine):
        engine.going.clear()
        host = rooms.open(CONFIG)
        joined(host)
        async with asyncio.TaskGroup() as tasks:
            host.submit(publish(ANN))
            answer = tasks.create_task(host.negotiate(ANN, ANNS, "offer"))
            await settle()
            assert engine.done == []
            engine.going.set()
        assert answer.result() == "answer to offer"
        assert [str(one).partition("(")[0] for one in engine.done] == ["OpenSource", "negotiate offer"]


@in_virtual_time
async def test_candidates_and_offers_keep_their_order() -> None:
    async with running() as (rooms, engine):
        engine.going.clear()
        host = rooms.open(CONFIG)
        joined(host)
        host.submit(publish(ANN))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.negotiate(ANN, ANNS, "1"))
            tasks.create_task(host.add_candidate(ANN, ANNS, "2"))
            await settle()
            engine.going.set()
            tasks.create_task(host.add_candidate(ANN, ANNS, "3"))
            await asyncio.sleep(0)
            tasks.create_task(host.negotiate(ANN, ANNS, "4"))
        assert engine.done[1:] == ["negotiate 1", "candidate 2", "candidate 3", "negotiate 4"]


@in_virtual_time
async def test_a_negotiation_takes_eight_seconds_at_most() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        joined(host)
        engine.going.clear()
        began = asyncio.get_running_loop().time()
        with pytest.raises(EngineError, match="did not answer in time"):
            await host.negotiate(ANN, ANNS, "offer")
        assert asyncio.get_running_loop().time() - began == pytest.approx(8)
        assert rooms.stats()["negotiations_timed_out"] == 1


@pytest.mark.parametrize("refusal", [NegotiationError("no"), TransportNotFound("anns")])
@in_virtual_time
async def test_the_refusal_of_an_offer_reaches_the_caller(refusal: NegotiationError) -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        engine.failures[str] = refusal
        with pytest.raises(type(refusal)):
            await host.negotiate(ANN, ANNS, "offer")
        with pytest.raises(type(refusal)):
            await host.add_candidate(ANN, ANNS, "candidate")
        engine.failures.clear()


@in_virtual_time
async def test_nothing_is_negotiated_in_a_closed_room() -> None:
    async with running() as (rooms, _):
        host = rooms.open(CONFIG)
        await rooms.close(CONFIG.id)
        with pytest.raises(EngineError, match="closed"):
            await host.negotiate(ANN, ANNS, "offer")


@in_virtual_time
async def test_waiting_negotiations_do_not_accumulate_without_bound() -> None:
    async with running() as (rooms, engine):
        engine.going.clear()
        host = rooms.open(CONFIG)
        joined(host)
        host.submit(publish(ANN))
        await settle()
        waiting = [
            asyncio.ensure_future(host.add_candidate(ANN, ANNS, str(number))) for number in range(ACTIONS_MAX)
        ]
        await settle()
        with pytest.raises(EngineError, match="behind"):
            await host.add_candidate(ANN, ANNS, "one too many")
        engine.going.set()
        await asyncio.gather(*waiting)


# ── bugs ────────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_a_bug_in_one_room_drops_its_people_and_leaves_other_rooms_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as (rooms, engine):
        host, other = rooms.open(CONFIG), rooms.open(replace(CONFIG, id=RoomId("room2")))
        told, told_others = joined(host), joined(other)

        def broken(_: object) -> list[object]:
            raise ZeroDivisionError

        monkeypatch.setattr(host.room, "handle", broken)
        with pytest.raises(RoomError) as refusal:
            host.submit(publish(ANN))
        assert refusal.value.fault is Fault.ROOM_CLOSED
        assert told == [
            ParticipantDropped(ANN),
            ParticipantLeft(ANN),
            ParticipantDropped(BEN),
            ParticipantLeft(BEN),
        ]
        assert rooms.running() == [other]
        await settle()
        assert engine.done == ["close room1"]
        other.submit(SendText(ANN, "all", "fine here"))
        assert told_others == [TextSent(ANN, "all", "fine here")]
        assert rooms.stats()["rooms_broken"] == 1
        with pytest.raises(RoomError):
            host.submit(Leave(ANN))


@in_virtual_time
async def test_a_bug_met_by_a_report_or_by_time_is_contained_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        joined(host)
        host.submit(publish(ANN))
        sane = host.room.handle

        def broken(incoming: object) -> list[object]:
            if isinstance(incoming, Tick):
                raise ZeroDivisionError
            return list(sane(incoming))  # type: ignore[arg-type] # whatever came

        monkeypatch.setattr(host.room, "handle", broken)
        await asyncio.sleep(31)
        assert rooms.running() == []
        assert engine.done[-1] == "close room1"
        assert rooms.stats()["rooms_broken"] == 1


# ── entering ────────────────────────────────────────────────────────────────────────────────────────


@in_virtual_time
async def test_who_enters_has_joined_and_begun() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        told: list[Event] = []
        host.listen(told.append)
        host.enter(Join(ANN, "Ann", "presenter"), publish(ANN))
        assert [type(event) for event in told] == [ParticipantJoined]
        await settle()
        assert [type(action) for action in engine.done] == [OpenSource]


@in_virtual_time
async def test_who_cannot_begin_has_not_entered() -> None:
    async with running() as (rooms, engine):
        host = rooms.open(CONFIG)
        host.submit(Join(ANN, "Ann", "presenter"))
        host.submit(publish(ANN))
        await settle()
        told: list[Event] = []
        host.listen(told.append)
        done = list(engine.done)
        with pytest.raises(RoomError) as refusal:
            host.enter(Join(BEN, "Ben", "presenter"), publish(BEN, CAM, BENS))
        assert refusal.value.fault is Fault.STREAM_EXISTS
        await settle()
        assert list(host.room.participants) == [ANN]
        assert told == []
        assert engine.done == done
