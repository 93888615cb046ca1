from __future__ import annotations

from dataclasses import replace

import pytest

from palaver.room.endpoints import PublishedTrack, WebRtcSource
from palaver.room.errors import Fault
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    Join,
    OpenSource,
    Publish,
    ResolutionSeen,
    SessionFailed,
    SessionReady,
    SourceLost,
    StreamAdded,
    StreamRemoved,
    StreamUpdated,
    TransportReady,
    TransportUp,
    Unpublish,
)
from palaver.room.values import Kind, Resolution, Stream, StreamId, StreamState, TrackId, VideoParameters
from tests.room.scenes import (
    ANN,
    ANNS,
    BEN,
    BENS,
    CAM,
    CID,
    COMMON,
    CONFIG,
    EVE,
    OPUS,
    SCREEN,
    SUB,
    VGA,
    VP8,
    ann_publishes,
    ben_watches,
    open_room,
    publish,
    ready,
    refuse,
    tracks_of,
)

LIVE_CAM = Stream(CAM, ANN, transport=ANNS, state=StreamState.LIVE, tracks=tracks_of())


def test_publishing_asks_the_engine_for_a_source() -> None:
    room, command = open_room(ANN), publish(ANN)
    assert room.handle(command) == [OpenSource(CAM, ANN, command.source, (OPUS,), (VP8,))]
    assert room.streams[CAM].state is StreamState.NEGOTIATING
    assert [stream.id for stream in room.live_streams()] == [COMMON]


def test_a_stream_is_announced_when_its_source_is_ready_after_its_owner_was_told() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    assert room.handle(TransportReady(ANNS)) == [TransportUp(ANN, ANNS)]
    assert room.handle(ready()) == [SessionReady(ANN, ANNS, CAM), StreamAdded(LIVE_CAM)]
    assert room.live_streams()[1:] == [LIVE_CAM]


def test_a_source_that_is_ready_first_says_that_its_transport_is_up() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    assert room.handle(ready()) == [
        TransportUp(ANN, ANNS),
        SessionReady(ANN, ANNS, CAM),
        StreamAdded(LIVE_CAM),
    ]
    assert room.handle(TransportReady(ANNS)) == []


def test_attributes_stay_with_the_stream() -> None:
    room = open_room(ANN)
    room.handle(replace(publish(ANN), attributes={"seat": 4}))
    assert room.streams[CAM].attributes == {"seat": 4}


def test_live_streams_are_ordered_by_publication_not_by_readiness() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    room.handle(publish(ANN, SCREEN, first_mid=2))
    room.handle(ready(SCREEN, first_mid=2))
    room.handle(ready())
    assert [stream.id for stream in room.live_streams()] == [COMMON, CAM, SCREEN]


@pytest.mark.parametrize(("role", "kinds"), [("viewer", ("audio",)), ("speaker", ("audio", "video"))])
def test_each_kind_needs_its_permission(role: str, kinds: tuple[Kind, ...]) -> None:
    refuse(open_room(ANN, role=role), publish(ANN, kinds=kinds), Fault.FORBIDDEN, ANN)


def test_a_stranger_cannot_publish() -> None:
    refuse(open_room(ANN), publish(CID), Fault.PARTICIPANT_NOT_FOUND, CID)


def test_a_stream_id_is_used_once() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    refuse(room, publish(BEN, transport=BENS), Fault.STREAM_EXISTS, CAM)
    refuse(room, publish(BEN, COMMON, BENS), Fault.STREAM_EXISTS, COMMON)


def test_a_stream_does_not_take_the_id_of_a_subscription() -> None:
    room = ben_watches(open_room(ANN, BEN))
    refuse(room, publish(ANN, StreamId(SUB), first_mid=5), Fault.STREAM_EXISTS, SUB)


def test_a_room_that_takes_nothing_of_a_kind_refuses_it() -> None:
    refuse(open_room(ANN, audio_in=()), publish(ANN), Fault.AUDIO_NOT_ACCEPTED, CONFIG.id)
    refuse(open_room(ANN, video_in=()), publish(ANN), Fault.VIDEO_NOT_ACCEPTED, CONFIG.id)
    assert open_room(ANN, video_in=()).handle(publish(ANN, kinds=("audio",)))


@pytest.mark.parametrize("limit", [0, 1])
def test_an_input_limit_of_zero_or_more_limits(limit: int) -> None:
    room = open_room(ANN, input_limit=limit)
    for index in range(limit):
        room.handle(publish(ANN, StreamId(f"s{index}"), first_mid=10 + 2 * index))
    refuse(room, publish(ANN), Fault.TOO_MANY_INPUTS, CONFIG.id)


def test_a_negative_input_limit_does_not_limit() -> None:
    room = open_room(ANN, input_limit=-1)
    for index in range(40):
        room.handle(publish(ANN, StreamId(f"s{index}"), first_mid=2 * index))


def test_an_ended_input_makes_room_for_another() -> None:
    room = open_room(ANN, input_limit=1)
    room.handle(publish(ANN))
    room.handle(Unpublish(ANN, CAM))
    assert room.handle(publish(ANN, SCREEN))


def test_something_must_be_published() -> None:
    refuse(open_room(ANN), publish(ANN, kinds=()), Fault.BAD_REQUEST, "tracks")


def test_a_section_carries_one_track_of_one_session() -> None:
    room = open_room(ANN)
    twice = (PublishedTrack("audio", "0", "mic"), PublishedTrack("video", "0", "camera"))
    refuse(room, Publish(ANN, CAM, WebRtcSource(ANNS, twice)), Fault.BAD_REQUEST, "tracks[1].mid")
    room.handle(publish(ANN))
    refuse(room, publish(ANN, SCREEN, first_mid=1), Fault.BAD_REQUEST, "tracks[0].mid")
    assert room.handle(publish(ANN, SCREEN, first_mid=2))


def test_a_section_must_be_named() -> None:
    source = WebRtcSource(ANNS, (PublishedTrack("audio", "", "mic"),))
    refuse(open_room(ANN), Publish(ANN, CAM, source), Fault.BAD_REQUEST, "tracks[0].mid")


def test_a_section_is_free_again_after_its_stream_ended() -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(Unpublish(ANN, CAM))
    assert room.handle(publish(ANN, SCREEN))


def test_a_transport_belongs_to_one_participant() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    refuse(room, publish(BEN, SCREEN, ANNS, first_mid=7), Fault.FORBIDDEN, ANNS)


def test_the_owner_who_unpublishes_hears_no_failure() -> None:
    room = ann_publishes(open_room(ANN))
    assert room.handle(Unpublish(ANN, CAM)) == [CloseSource(CAM), StreamRemoved(CAM)]
    assert CAM not in room.streams


def test_who_watches_a_stream_that_ends_is_told() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(Unpublish(ANN, CAM)) == [
        CloseSink(SUB),
        SessionFailed(BEN, BENS, SUB, "Source stream loss"),
        CloseSource(CAM),
        StreamRemoved(CAM),
    ]
    assert not room.subscriptions


def test_the_owner_is_told_when_the_management_removes_a_stream() -> None:
    room = ann_publishes(open_room(ANN))
    assert room.handle(Unpublish(None, CAM)) == [
        CloseSource(CAM),
        SessionFailed(ANN, ANNS, CAM, "Participant terminate"),
        StreamRemoved(CAM),
    ]


def test_an_admin_may_unpublish_what_others_own_and_they_are_told() -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(Join(EVE, "Eve", "admin"))
    outputs = room.handle(Unpublish(EVE, CAM))
    assert SessionFailed(ANN, ANNS, CAM, "Participant terminate") in outputs


def test_nobody_else_may_unpublish() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    refuse(room, Unpublish(BEN, CAM), Fault.FORBIDDEN, CAM)
    refuse(room, Unpublish(CID, CAM), Fault.PARTICIPANT_NOT_FOUND, CID)


def test_an_unknown_stream_cannot_be_unpublished() -> None:
    refuse(open_room(ANN), Unpublish(ANN, CAM), Fault.STREAM_NOT_FOUND, CAM)


def test_the_stream_of_a_view_cannot_be_unpublished() -> None:
    refuse(open_room(ANN), Unpublish(None, COMMON), Fault.STREAM_IS_MIXED, COMMON)


def test_a_source_that_fails_before_it_was_seen_concerns_its_owner_only() -> None:
    room = open_room(ANN)
    room.handle(publish(ANN))
    assert room.handle(SourceLost(CAM, "No proper video codec")) == [
        CloseSource(CAM),
        SessionFailed(ANN, ANNS, CAM, "No proper video codec"),
    ]


def test_a_source_that_is_lost_ends_its_stream_for_everybody() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(SourceLost(CAM, "gone")) == [
        CloseSink(SUB),
        SessionFailed(BEN, BENS, SUB, "Source stream loss"),
        CloseSource(CAM),
        SessionFailed(ANN, ANNS, CAM, "gone"),
        StreamRemoved(CAM),
    ]


def test_late_reports_of_a_source_change_nothing() -> None:
    room = ann_publishes(open_room(ANN))
    assert room.handle(ready()) == []
    room.handle(Unpublish(ANN, CAM))
    assert room.handle(ready()) == []
    assert room.handle(SourceLost(CAM, "late")) == []
    assert room.handle(ResolutionSeen(CAM, None, VGA)) == []


def test_a_new_picture_size_is_told_once() -> None:
    room = ann_publishes(open_room(ANN))
    report = ResolutionSeen(CAM, TrackId("anns-1"), Resolution(1280, 720))
    (event,) = room.handle(report)
    audio, video = tracks_of()
    seen = replace(video, parameters=VideoParameters(Resolution(1280, 720)))
    assert event == StreamUpdated(replace(LIVE_CAM, tracks=(audio, seen)))
    assert room.handle(report) == []
    assert room.handle(replace(report, track=None)) == []


@pytest.mark.parametrize("track", ["anns-0", "other-1"])
def test_a_picture_size_of_something_else_than_a_video_track_changes_nothing(track: str) -> None:
    room = ann_publishes(open_room(ANN))
    assert room.handle(ResolutionSeen(CAM, TrackId(track), VGA)) == []
    assert room.streams[CAM] == LIVE_CAM


def test_reports_do_not_touch_the_stream_of_a_view() -> None:
    room = open_room(ANN)
    before = room.streams[COMMON]
    assert room.handle(SourceLost(COMMON, "odd")) == []
    assert room.handle(ResolutionSeen(COMMON, None, Resolution(10, 10))) == []
    assert room.streams[COMMON] == before
