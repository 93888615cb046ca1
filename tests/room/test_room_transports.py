from __future__ import annotations

import pytest

from palaver.room.messages import (
    CloseSink,
    CloseSource,
    Join,
    Leave,
    SessionFailed,
    SessionReady,
    SinkLost,
    SinkReady,
    SourceLost,
    StreamRemoved,
    Tick,
    TransportFailed,
    TransportLost,
    TransportReady,
    TransportUp,
    Unpublish,
    Unsubscribe,
)
from palaver.room.negotiations import AT_ONCE
from palaver.room.room import Room
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
    SUB2,
    ann_publishes,
    ben_watches,
    of,
    open_room,
    publish,
    ready,
    subscribe,
)


def test_a_transport_comes_up_once_and_its_owner_is_told() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    assert room.handle(TransportReady(ANNS)) == [TransportUp(ANN, ANNS)]
    assert room.handle(TransportReady(ANNS)) == []


def test_a_transport_that_nobody_uses_is_nobodys() -> None:
    room = open_room(ANN)
    assert room.handle(TransportReady(ANNS)) == []
    assert room.handle(TransportLost(ANNS, "late")) == []


def test_a_lost_transport_takes_everything_on_it() -> None:
    room = ben_watches(open_room(ANN, BEN))
    room.handle(subscribe(ANN, SUB2, transport=ANNS))
    assert room.handle(TransportLost(ANNS, "ice timeout")) == [
        TransportFailed(ANN, ANNS, "ice timeout"),
        CloseSink(SUB2),
        CloseSink(SUB),
        SessionFailed(BEN, BENS, SUB, "Source stream loss"),
        CloseSource(CAM),
        StreamRemoved(CAM),
    ]
    assert ANN in room.participants


def test_a_lost_transport_leaves_what_is_on_others() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(TransportLost(BENS, "ice timeout")) == [
        TransportFailed(BEN, BENS, "ice timeout"),
        CloseSink(SUB),
    ]
    assert CAM in room.streams


def test_a_lost_transport_is_lost_once() -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(TransportLost(ANNS, "ice timeout"))
    assert room.handle(TransportLost(ANNS, "ice timeout")) == []
    assert room.handle(TransportReady(ANNS)) == []


def test_a_transport_stays_up_while_nothing_is_on_it() -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(Unpublish(ANN, CAM))
    room.handle(publish(ANN, SCREEN, first_mid=2))
    assert of(room.handle(ready(SCREEN, first_mid=2)), TransportUp, SessionReady) == [
        SessionReady(ANN, ANNS, SCREEN)
    ]
    assert room.handle(TransportLost(ANNS, "bye"))


def test_a_transport_that_never_came_up_is_forgotten_with_its_last_session() -> None:
    room = open_room(ANN, BEN)
    room.handle(publish(ANN))
    room.handle(Unpublish(ANN, CAM))
    assert room.handle(TransportReady(ANNS)) == []
    room.handle(publish(BEN, CAM, ANNS))
    assert room.handle(TransportReady(ANNS)) == [TransportUp(BEN, ANNS)]


def test_the_transports_of_who_left_are_forgotten() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(Leave(ANN))
    assert room.handle(TransportLost(ANNS, "closed by peer")) == []


# ── the negotiation deadline ────────────────────────────────────────────────────────────────────────


def test_a_room_where_nothing_negotiates_waits_for_nothing() -> None:
    room = open_room(ANN)
    assert room.deadline is None
    ann_publishes(room)
    assert room.deadline is None


def test_what_starts_to_negotiate_asks_for_the_time_at_once() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    assert room.deadline == AT_ONCE
    assert room.handle(Tick(1000.0)) == []
    assert room.deadline == 1030.0


def test_a_source_that_does_not_get_ready_in_time_fails() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    room.handle(Tick(1000.0))
    assert room.handle(Tick(1029.9)) == []
    assert room.handle(Tick(1030.0)) == [
        CloseSource(CAM),
        SessionFailed(ANN, ANNS, CAM, "Negotiation timed out"),
    ]
    assert CAM not in room.streams
    assert room.deadline is None


def test_a_sink_that_does_not_get_ready_in_time_fails() -> None:
    room = Room(CONFIG, negotiation_timeout_s=5)
    for member in (ANN, BEN):
        room.handle(Join(member, "somebody", "presenter"))
    ann_publishes(room).handle(subscribe(BEN))
    room.handle(Tick(10.0))
    assert room.handle(Tick(15.0)) == [
        CloseSink(SUB),
        SessionFailed(BEN, BENS, SUB, "Negotiation timed out"),
    ]


def test_each_session_has_its_own_time() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    room.handle(Tick(100.0))
    room.handle(publish(ANN, SCREEN, first_mid=2))
    room.handle(Tick(110.0))
    assert room.deadline == 130.0
    assert of(room.handle(Tick(130.0)), CloseSource) == [CloseSource(CAM)]
    assert room.deadline == 140.0


def test_ready_sessions_are_not_timed_out() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(Tick(1e9)) == []
    assert SUB in room.subscriptions


@pytest.mark.parametrize(
    "ending", [Unpublish(ANN, CAM), SourceLost(CAM, "x"), TransportLost(ANNS, "x"), Leave(ANN)]
)
def test_an_ended_source_is_not_waited_for(
    ending: Unpublish | SourceLost | TransportLost | Leave,
) -> None:
    room = open_room(ANN, CID)
    room.handle(publish(ANN))
    room.handle(ending)
    assert room.deadline is None
    assert room.handle(Tick(1e9)) == []


@pytest.mark.parametrize("ending", [Unsubscribe(BEN, SUB), SinkLost(SUB, "x"), Unpublish(ANN, CAM)])
def test_an_ended_sink_is_not_waited_for(ending: Unsubscribe | SinkLost | Unpublish) -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(subscribe(BEN))
    room.handle(ending)
    assert room.deadline is None
    assert room.handle(SinkReady(SUB)) == []


def test_time_does_not_run_backwards() -> None:
    room = open_room(ANN)
    room.handle(Tick(100.0))
    room.handle(publish(ANN))
    room.handle(Tick(50.0))
    assert room.deadline == 130.0
