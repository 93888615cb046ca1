"""The tables are the behaviour: every pair of state and report is walked, and the documentation draws them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from palaver.room.messages import (
    Close,
    Command,
    Input,
    Leave,
    Report,
    ResolutionSeen,
    SinkLost,
    SinkReady,
    SourceInterrupted,
    SourceLost,
    SourceReady,
    SourceResumed,
    StreamRemoved,
    Tick,
    TransportLost,
    TransportReady,
    Unpublish,
    Unsubscribe,
)
from palaver.room.moves import STREAM_MOVES, SUBSCRIPTION_MOVES
from palaver.room.room import HANDLERS
from palaver.room.values import Resolution, StreamState, SubscriptionState
from tests.room.scenes import (
    ANN,
    ANNS,
    BEN,
    BENS,
    CAM,
    SUB,
    ann_publishes,
    ben_watches,
    open_room,
    publish,
    ready,
    snapshot,
    subscribe,
    tracks_of,
)

if TYPE_CHECKING:
    from palaver.room.room import Room

ROOT = Path(__file__).parent.parent.parent

STREAM_TRIGGERS: list[Input] = [
    SourceReady(CAM, tracks_of()),
    SourceLost(CAM, "gone"),
    ResolutionSeen(CAM, None, Resolution(640, 480)),
    TransportLost(ANNS, "gone"),
    Unpublish(ANN, CAM),
    Leave(ANN),
    Close(),
    Tick(1000.0),
    SourceInterrupted(CAM, "no packets"),
    SourceResumed(CAM, tracks_of()),
]
SUBSCRIPTION_TRIGGERS: list[Input] = [
    SinkReady(SUB),
    SinkLost(SUB, "gone"),
    TransportLost(BENS, "gone"),
    Unsubscribe(BEN, SUB),
    Leave(BEN),
    Close(),
    Tick(1000.0),
]
LATE: list[Report] = [
    report
    for report in [*STREAM_TRIGGERS, *SUBSCRIPTION_TRIGGERS, TransportReady(ANNS)]
    if isinstance(report, Report)
]


def room_with_stream(state: StreamState) -> Room:
    room = open_room(ANN)
    room.handle(publish(ANN))
    room.handle(Tick(0.0))
    if state is StreamState.LIVE:
        room.handle(ready())
    return room


def room_with_subscription(state: SubscriptionState) -> Room:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(subscribe(BEN))
    room.handle(Tick(0.0))
    if state is SubscriptionState.LIVE:
        room.handle(SinkReady(SUB))
    return room


@pytest.mark.parametrize("trigger", STREAM_TRIGGERS, ids=lambda trigger: type(trigger).__name__)
@pytest.mark.parametrize("state", [StreamState.NEGOTIATING, StreamState.LIVE])
def test_a_stream_moves_as_its_table_says_and_not_otherwise(state: StreamState, trigger: Input) -> None:
    room = room_with_stream(state)
    room.handle(trigger)
    after = STREAM_MOVES.get((state, type(trigger)), state)
    stream = room.streams.get(CAM)
    assert (stream.state if stream else StreamState.ENDED) == after


@pytest.mark.parametrize("trigger", SUBSCRIPTION_TRIGGERS, ids=lambda trigger: type(trigger).__name__)
@pytest.mark.parametrize("state", [SubscriptionState.NEGOTIATING, SubscriptionState.LIVE])
def test_a_subscription_moves_as_its_table_says_and_not_otherwise(
    state: SubscriptionState, trigger: Input
) -> None:
    room = room_with_subscription(state)
    room.handle(trigger)
    after = SUBSCRIPTION_MOVES.get((state, type(trigger)), state)
    subscription = room.subscriptions.get(SUB)
    assert (subscription.state if subscription else SubscriptionState.ENDED) == after


@pytest.mark.parametrize("state", [SubscriptionState.NEGOTIATING, SubscriptionState.LIVE])
def test_a_subscription_ends_with_its_stream(state: SubscriptionState) -> None:
    room = room_with_subscription(state)
    room.handle(Unpublish(None, CAM))
    assert SUBSCRIPTION_MOVES[state, StreamRemoved] is SubscriptionState.ENDED
    assert SUB not in room.subscriptions


@pytest.mark.parametrize("report", LATE, ids=lambda report: type(report).__name__)
def test_a_report_about_what_has_ended_changes_nothing(report: Report) -> None:
    room = ben_watches(open_room(ANN, BEN))
    room.handle(Leave(ANN))
    room.handle(Leave(BEN))
    before = snapshot(room)
    assert room.handle(report) == []
    assert snapshot(room) == before


def test_the_walked_triggers_are_all_there_are() -> None:
    assert {type(trigger) for trigger in STREAM_TRIGGERS} == {trigger for _, trigger in STREAM_MOVES}
    walked = {type(trigger) for trigger in SUBSCRIPTION_TRIGGERS} | {StreamRemoved}
    assert walked == {trigger for _, trigger in SUBSCRIPTION_MOVES}


def test_nothing_moves_after_its_end() -> None:
    assert StreamState.ENDED not in {state for state, _ in STREAM_MOVES}
    assert SubscriptionState.ENDED not in {state for state, _ in SUBSCRIPTION_MOVES}


def test_every_input_has_its_handler() -> None:
    assert set(HANDLERS) == {*get_args(Command), *get_args(Report), Tick} == set(get_args(Input))


def test_the_drawn_diagrams_are_fresh() -> None:
    pages = runpy.run_path(str(ROOT / "tools" / "draw_states.py"))["pages"]()
    for path, text in pages.items():
        assert path.read_text() == text, "run: python tools/draw_states.py"
