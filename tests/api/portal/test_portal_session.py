"""The state machine of one client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.api.portal.dialects import DIALECTS
from palaver.api.portal.outbox import Notification, Outbox, Overflow
from palaver.api.portal.session import Identity, Session
from palaver.api.portal.states import MOVES, State, Step
from palaver.room.values import ParticipantId, RoomId


def identity(sdk: str = "JavaScript", protocol: str = "1.2") -> Identity:
    return Identity(ParticipantId("ann"), RoomId("r"), "Ann", "presenter", sdk, DIALECTS[protocol], "run")


def in_service(sdk: str = "JavaScript") -> Session:
    session = Session(max_waiting=10, max_texts=3)
    assert session.begin()
    session.admit(identity(sdk))
    return session


def sent(session: Session, now: float = 0.0) -> list[str]:
    events: list[str] = []
    while (notification := session.outbox.take(now)) is not None:
        events.append(notification.event)
    return events


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_a_session_moves_only_as_the_table_says(state: State, step: Step) -> None:
    session = Session(max_waiting=1, max_texts=3)
    session.state = state
    if (state, step) in MOVES:
        assert session.step(step) is MOVES[state, step]
    else:
        with pytest.raises(KeyError):
            session.step(step)
        assert session.state is state


def test_every_state_can_be_reached_and_gone_is_final() -> None:
    assert {State.FRESH, *MOVES.values()} == set(State)
    assert not [step for state, step in MOVES if state is State.GONE]


def test_a_second_login_does_not_begin() -> None:
    session = in_service()
    assert not session.begin()
    assert session.state is State.IN_SERVICE


def test_a_client_that_cannot_resume_is_gone_with_its_connection() -> None:
    assert in_service("Other").lose(half_open=False) is State.GONE


def test_a_client_that_can_resume_is_away_and_hears_what_it_missed() -> None:
    session = in_service()
    assert session.lose(half_open=False) is State.AWAY
    session.tell(Notification("a"), 0.0)
    session.tell(Notification("b"), 0.0)
    session.resume(lambda: None)
    assert session.state is State.IN_SERVICE
    assert sent(session) == ["a", "b"]


def test_after_a_clean_loss_nothing_is_repeated() -> None:
    session = in_service()
    session.tell(Notification("a"), 0.0)
    assert sent(session) == ["a"]
    session.lose(half_open=False)
    session.resume(lambda: None)
    assert sent(session) == []


def test_after_a_half_open_loss_everything_since_the_last_pong_is_repeated() -> None:
    session = in_service()
    for moment, event in enumerate("abc"):
        session.tell(Notification(event), 0.0)
        assert sent(session, float(moment)) == [event]
    session.outbox.confirm(1.0)  # a ping sent at 1.0 was answered: "a" arrived before it
    session.lose(half_open=True)
    session.tell(Notification("d"), 0.0)
    session.resume(lambda: None)
    assert sent(session, 9.0) == ["b", "c", "d"]


def test_resuming_while_the_old_connection_seems_open_counts_as_half_open() -> None:
    session = in_service()
    session.tell(Notification("a"), 0.0)
    assert sent(session) == ["a"]
    session.resume(lambda: None)
    assert sent(session) == ["a"]


def test_a_notification_that_must_wait_holds_up_those_behind_it() -> None:
    outbox = Outbox(10, 3)
    outbox.put(Notification("add"), 0.0, settle_s=1.0)
    outbox.put(Notification("text"), 0.0)
    assert outbox.take(0.9) is None
    assert outbox.next_due == 1.0
    assert outbox.take(1.0) == Notification("add")
    assert outbox.take(1.0) == Notification("text")


def test_the_distance_from_ready_to_add_is_kept_when_ready_itself_was_late() -> None:
    outbox = Outbox(10, 3)
    outbox.put(Notification("ready", anchor=True), 0.0)
    for event in ("add", "another"):
        outbox.put(Notification(event), 0.0, settle_s=1.0)
    assert outbox.take(5.0) == Notification("ready")
    assert outbox.take(5.9) is None
    assert outbox.take(6.0) == Notification("add")
    assert outbox.take(6.0) == Notification("another")  # their waits overlap


def test_more_than_the_limit_overflows() -> None:
    outbox = Outbox(1, 3)
    outbox.put(Notification("a"), 0.0)
    with pytest.raises(Overflow):
        outbox.put(Notification("b"), 0.0)
    assert len(outbox) == 1


@given(st.lists(st.sampled_from(["put", "take", "confirm", "rewind"]), max_size=60))
def test_nothing_unconfirmed_is_ever_lost_or_reordered(steps: list[str]) -> None:
    outbox, put, confirmed, now = Outbox(100, 3), 0, 0, 0.0
    last_taken = 0
    for step in steps:
        now += 1.0
        if step == "put":
            outbox.put(Notification(str(put)), 0.0)
            put += 1
        elif step == "take":
            notification = outbox.take(now)
            if notification is not None:
                last_taken = int(notification.event) + 1
        elif step == "confirm":
            outbox.confirm(now)
            confirmed = max(confirmed, last_taken)
        else:
            outbox.rewind()
            last_taken = confirmed
    assert [int(entry.notification.event) for entry in outbox.drain()] == list(range(confirmed, put))


@pytest.mark.parametrize(
    ("sdk", "protocol", "with_messages"),
    [("JavaScript", "1.2", False), ("C++", "1.2", True), ("C++", "1.1", False), ("C++", "1.0", False)],
)
def test_only_other_clients_of_1_2_resume_with_messages(sdk: str, protocol: str, with_messages: bool) -> None:
    assert identity(sdk, protocol).resumes_with_messages is with_messages


def text(number: int) -> Notification:
    return Notification("text", number, text=True)


def test_texts_beyond_their_limit_are_dropped_and_nothing_else_is() -> None:
    outbox = Outbox(2, 3)
    for number in range(100):
        outbox.put(text(number), 1.0)
    outbox.put(Notification("stream"), 1.0)
    outbox.put(Notification("stream"), 1.0)
    with pytest.raises(Overflow):
        outbox.put(Notification("stream"), 1.0)
    assert outbox.dropped == 97
    assert [entry.notification.event for entry in outbox.drain()] == ["text"] * 3 + ["stream"] * 2


def test_texts_sent_but_not_confirmed_do_not_fill_the_queue_when_they_come_back() -> None:
    outbox = Outbox(10, 3)
    for number in range(10):
        outbox.put(text(number), 1.0)
        outbox.take(1.0)
    outbox.rewind()
    assert len(outbox) == 3
    for _ in range(10):
        outbox.put(Notification("stream"), 1.0)
    outbox.take(1.0)
    outbox.put(text(1), 1.0)
    assert outbox.dropped == 7
