from __future__ import annotations

import pytest

from palaver.room.errors import Fault
from palaver.room.messages import (
    Close,
    CloseSink,
    CloseSource,
    CloseTransports,
    Drop,
    Input,
    Join,
    Leave,
    ParticipantDropped,
    ParticipantJoined,
    ParticipantLeft,
    SendText,
    SessionFailed,
    SetPermission,
    SourceReady,
    StreamRemoved,
    TextSent,
    Tick,
    TransportLost,
)
from palaver.room.values import Participant, Permission
from tests.room.scenes import (
    ANN,
    ANNS,
    BEN,
    BENS,
    BOTH,
    CAM,
    CID,
    COMMON,
    CONFIG,
    NEITHER,
    ROLES,
    SCREEN,
    SUB,
    SUB2,
    ben_watches,
    of,
    open_room,
    publish,
    refuse,
    snapshot,
    subscribe,
)


def test_who_joins_starts_with_the_permission_of_the_role() -> None:
    room = open_room()
    ann = Participant(ANN, "Ann", "viewer", ROLES[1].permission)
    assert room.handle(Join(ANN, "Ann", "viewer")) == [ParticipantJoined(ann)]
    assert room.participants == {ANN: ann}


def test_a_role_that_the_room_does_not_have_is_refused() -> None:
    refuse(open_room(), Join(ANN, "Ann", "chair"), Fault.UNKNOWN_ROLE, "chair")


def test_nobody_joins_twice() -> None:
    refuse(open_room(ANN), Join(ANN, "Ann", "viewer"), Fault.PARTICIPANT_EXISTS, ANN)


def test_a_positive_participant_limit_limits() -> None:
    room = open_room(ANN, participant_limit=2)
    room.handle(Join(BEN, "Ben", "viewer"))
    refuse(room, Join(CID, "Cid", "viewer"), Fault.ROOM_FULL, CONFIG.id)
    room.handle(Leave(BEN))
    assert room.handle(Join(CID, "Cid", "viewer"))


@pytest.mark.parametrize("limit", [0, -1, -7])
def test_a_participant_limit_of_zero_or_less_does_not_limit(limit: int) -> None:
    room = open_room(ANN, BEN, participant_limit=limit)
    assert room.handle(Join(CID, "Cid", "viewer"))


def test_leaving_removes_subscriptions_then_streams_then_the_participant() -> None:
    room = ben_watches(open_room(ANN, BEN))
    room.handle(subscribe(ANN, SUB2, transport=ANNS))
    assert room.handle(Leave(ANN)) == [
        CloseSink(SUB2),
        CloseSink(SUB),
        SessionFailed(BEN, BENS, SUB, "Source stream loss"),
        CloseSource(CAM),
        StreamRemoved(CAM),
        CloseTransports(ANN),
        ParticipantLeft(ANN),
    ]
    assert list(room.participants) == [BEN]
    assert list(room.streams) == [COMMON]
    assert not room.subscriptions


def test_a_stream_that_was_never_seen_is_not_removed_for_others_when_its_owner_leaves() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    assert room.handle(Leave(ANN)) == [CloseSource(CAM), CloseTransports(ANN), ParticipantLeft(ANN)]


def test_nothing_is_remembered_of_who_left() -> None:
    room = open_room(BEN)
    before = snapshot(room)
    room.handle(Join(ANN, "Ann", "presenter"))
    ben_watches(room)
    room.handle(publish(ANN, SCREEN, first_mid=2))
    room.handle(Leave(ANN))
    room.handle(TransportLost(BENS, "bye"))
    assert snapshot(room) == before


def test_who_is_dropped_is_told_first() -> None:
    room = ben_watches(open_room(ANN, BEN))
    outputs = room.handle(Drop(ANN))
    assert outputs[0] == ParticipantDropped(ANN)
    assert of(outputs, StreamRemoved) == [StreamRemoved(CAM)]
    assert outputs[-1] == ParticipantLeft(ANN)


@pytest.mark.parametrize("goes", [Leave, Drop])
def test_who_is_not_here_cannot_go(goes: type[Leave | Drop]) -> None:
    refuse(open_room(BEN), goes(ANN), Fault.PARTICIPANT_NOT_FOUND, ANN)


def test_a_new_permission_holds_for_what_is_asked_later() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(SetPermission(BEN, Permission(BOTH, NEITHER))) == []
    assert SUB in room.subscriptions
    refuse(room, subscribe(BEN, SUB2, first_mid=20), Fault.FORBIDDEN, BEN)


def test_permission_of_a_stranger_cannot_be_set() -> None:
    command = SetPermission(CID, Permission(BOTH, BOTH))
    refuse(open_room(), command, Fault.PARTICIPANT_NOT_FOUND, CID)


@pytest.mark.parametrize("to", [BEN, "all", ANN])
def test_text_is_told_with_its_sender_and_receiver(to: str) -> None:
    assert open_room(ANN, BEN).handle(SendText(ANN, to, "hi")) == [TextSent(ANN, to, "hi")]


def test_text_to_a_stranger_is_refused() -> None:
    refuse(open_room(ANN), SendText(ANN, "zoe", "hi"), Fault.PARTICIPANT_NOT_FOUND, "zoe")


def test_text_from_a_stranger_is_refused() -> None:
    refuse(open_room(ANN), SendText(BEN, "all", "hi"), Fault.PARTICIPANT_NOT_FOUND, BEN)


def test_text_may_have_2048_characters_and_no_more() -> None:
    room = open_room(ANN)
    assert room.handle(SendText(ANN, "all", "x" * 2048))
    refuse(room, SendText(ANN, "all", "x" * 2049), Fault.BAD_REQUEST, "message")


def test_closing_drops_everybody_and_releases_everything() -> None:
    room = ben_watches(open_room(ANN, BEN))
    outputs = room.handle(Close())
    assert of(outputs, ParticipantDropped, ParticipantLeft) == [
        ParticipantDropped(ANN),
        ParticipantLeft(ANN),
        ParticipantDropped(BEN),
        ParticipantLeft(BEN),
    ]
    assert of(outputs, CloseSource, CloseSink) == [CloseSink(SUB), CloseSource(CAM)]
    assert of(outputs, StreamRemoved) == [StreamRemoved(CAM), StreamRemoved(COMMON)]
    assert room.closed
    assert room.empty


def test_a_closed_room_refuses_commands_and_ignores_reports() -> None:
    room = open_room(ANN)
    room.handle(Close())
    refuse(room, Join(BEN, "Ben", "viewer"), Fault.ROOM_CLOSED, CONFIG.id)
    refuse(room, Close(), Fault.ROOM_CLOSED, CONFIG.id)
    assert room.handle(SourceReady(CAM, ())) == []
    assert room.handle(Tick(1e9)) == []


def test_a_room_is_empty_until_somebody_joins_and_after_the_last_left() -> None:
    room = open_room()
    inputs: list[Input] = [Join(ANN, "Ann", "presenter"), publish(ANN), Leave(ANN)]
    was_empty = [room.empty]
    for incoming in inputs:
        room.handle(incoming)
        was_empty.append(room.empty)
    assert was_empty == [True, False, False, True]
