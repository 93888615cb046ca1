from __future__ import annotations

import pytest

from palaver.room.errors import Fault
from palaver.room.messages import (
    Join,
    SessionReady,
    SetSinkActive,
    SetSourceActive,
    SetStreamActive,
    SetSubscriptionActive,
    SinkReady,
    StreamAdded,
    StreamMuted,
    TransportUp,
)
from palaver.room.values import KINDS, ParticipantId
from tests.room.scenes import (
    ANN,
    ANNS,
    BEN,
    BENS,
    CAM,
    CID,
    COMMON,
    EVE,
    SUB,
    ann_publishes,
    ben_watches,
    of,
    open_room,
    publish,
    ready,
    refuse,
    subscribe,
)


@pytest.mark.parametrize("by", [ANN, None, EVE])
def test_the_owner_the_management_and_an_admin_may_mute(by: ParticipantId | None) -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(Join(EVE, "Eve", "admin"))
    command = SetStreamActive(by, CAM, ("audio",), active=False)
    assert room.handle(command) == [StreamMuted(CAM, "audio", False), SetSourceActive(CAM, "audio", False)]
    assert [track.active for track in room.streams[CAM].tracks] == [False, True]


def test_nobody_else_may_mute() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    refuse(room, SetStreamActive(BEN, CAM, KINDS, active=False), Fault.FORBIDDEN, CAM)
    refuse(room, SetStreamActive(CID, CAM, KINDS, active=False), Fault.PARTICIPANT_NOT_FOUND, CID)


def test_both_kinds_are_muted_and_told_one_by_one() -> None:
    room = ann_publishes(open_room(ANN))
    outputs = room.handle(SetStreamActive(ANN, CAM, KINDS, active=False))
    assert of(outputs, StreamMuted) == [StreamMuted(CAM, "audio", False), StreamMuted(CAM, "video", False)]


def test_muting_what_is_muted_says_nothing() -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(SetStreamActive(ANN, CAM, ("audio",), active=False))
    assert room.handle(SetStreamActive(ANN, CAM, ("audio",), active=False)) == []
    assert of(room.handle(SetStreamActive(ANN, CAM, KINDS, active=False)), StreamMuted) == [
        StreamMuted(CAM, "video", False)
    ]


def test_unmuting_is_told_too() -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(SetStreamActive(ANN, CAM, ("video",), active=False))
    assert room.handle(SetStreamActive(ANN, CAM, ("video",), active=True)) == [
        StreamMuted(CAM, "video", True),
        SetSourceActive(CAM, "video", True),
    ]


def test_a_kind_that_the_stream_lacks_cannot_be_muted_but_both_means_what_there_is() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN, kinds=("audio",)))
    room.handle(ready(kinds=("audio",)))
    refuse(room, SetStreamActive(ANN, CAM, ("video",), active=False), Fault.TRACK_NOT_FOUND, CAM, "video")
    refuse(room, SetStreamActive(ANN, CAM, (), active=False), Fault.TRACK_NOT_FOUND, CAM)
    assert of(room.handle(SetStreamActive(ANN, CAM, KINDS, active=False)), StreamMuted) == [
        StreamMuted(CAM, "audio", False)
    ]


def test_the_stream_of_a_view_cannot_be_muted() -> None:
    room = open_room(ANN)
    refuse(room, SetStreamActive(None, COMMON, KINDS, active=False), Fault.STREAM_IS_MIXED, COMMON)
    refuse(room, SetStreamActive(ANN, COMMON, KINDS, active=False), Fault.STREAM_IS_MIXED, COMMON)


def test_an_unknown_stream_cannot_be_muted() -> None:
    refuse(open_room(ANN), SetStreamActive(ANN, CAM, KINDS, active=False), Fault.STREAM_NOT_FOUND, CAM)


def test_a_stream_muted_while_negotiating_starts_muted() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    assert room.handle(SetStreamActive(ANN, CAM, KINDS, active=False)) == []
    assert room.handle(SetStreamActive(ANN, CAM, ("audio",), active=True)) == []
    outputs = room.handle(ready())
    assert outputs == [
        TransportUp(ANN, ANNS),
        SetSourceActive(CAM, "video", False),
        SessionReady(ANN, ANNS, CAM),
        StreamAdded(room.streams[CAM]),
    ]
    assert [track.active for track in room.streams[CAM].tracks] == [True, False]


def test_a_muted_kind_that_did_not_come_to_be_is_not_mentioned() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    room.handle(SetStreamActive(ANN, CAM, ("video",), active=False))
    assert of(room.handle(ready(kinds=("audio",))), SetSourceActive) == []


def test_a_kind_that_was_not_published_cannot_be_muted_while_negotiating() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN, kinds=("audio",)))
    refuse(room, SetStreamActive(ANN, CAM, ("video",), active=False), Fault.TRACK_NOT_FOUND, CAM)


def test_a_subscription_is_paused_without_telling_anybody() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(SetSubscriptionActive(BEN, SUB, ("video",), active=False)) == [
        SetSinkActive(SUB, "video", False)
    ]
    assert [track.active for track in room.subscriptions[SUB].tracks] == [True, False]
    assert room.handle(SetSubscriptionActive(BEN, SUB, ("video",), active=False)) == []
    assert room.handle(SetSubscriptionActive(BEN, SUB, KINDS, active=True)) == [
        SetSinkActive(SUB, "video", True)
    ]


def test_a_subscription_paused_while_negotiating_starts_paused() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(subscribe(BEN))
    assert room.handle(SetSubscriptionActive(BEN, SUB, ("audio",), active=False)) == []
    assert room.handle(SinkReady(SUB)) == [
        TransportUp(BEN, BENS),
        SetSinkActive(SUB, "audio", False),
        SessionReady(BEN, BENS, SUB),
    ]


def test_only_its_owner_and_who_may_everything_pauses_a_subscription() -> None:
    room = ben_watches(open_room(ANN, BEN))
    refuse(room, SetSubscriptionActive(ANN, SUB, KINDS, active=False), Fault.FORBIDDEN, SUB)
    assert room.handle(SetSubscriptionActive(None, SUB, KINDS, active=False))


def test_a_kind_that_is_not_received_cannot_be_paused() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(subscribe(BEN, kinds=("audio",)))
    refuse(room, SetSubscriptionActive(BEN, SUB, ("video",), active=False), Fault.TRACK_NOT_FOUND, SUB)


def test_an_unknown_subscription_cannot_be_paused() -> None:
    command = SetSubscriptionActive(BEN, SUB, KINDS, active=False)
    refuse(open_room(BEN), command, Fault.SUBSCRIPTION_NOT_FOUND, SUB)
