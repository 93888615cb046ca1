from __future__ import annotations

from dataclasses import replace

import pytest

from palaver.room.endpoints import WebRtcSink
from palaver.room.errors import Fault
from palaver.room.messages import (
    CloseSink,
    Join,
    OpenSink,
    ResolutionSeen,
    SessionFailed,
    SessionReady,
    SinkLost,
    SinkReady,
    SourceReady,
    Subscribe,
    TransportUp,
    Unpublish,
    Unsubscribe,
)
from palaver.room.values import (
    AudioFormat,
    Format,
    Kind,
    Resolution,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    SubscriptionState,
    TrackId,
    VideoFormat,
    VideoParameters,
)
from tests.room.scenes import (
    ANN,
    ANNS,
    BEN,
    BENS,
    CAM,
    CID,
    EVE,
    OPUS,
    SCREEN,
    SUB,
    SUB2,
    VGA,
    VP8,
    ann_publishes,
    ben_watches,
    open_room,
    publish,
    ready,
    refuse,
    subscribe,
    tracks_of,
)

BENS_SUB = Subscription(
    SUB,
    BEN,
    BENS,
    (
        SubscribedTrack("audio", CAM, TrackId("anns-0"), "10", OPUS, formats=(OPUS,)),
        SubscribedTrack("video", CAM, TrackId("anns-1"), "11", VP8, formats=(VP8,)),
    ),
)


def test_subscribing_asks_the_engine_for_a_sink_with_real_tracks_and_formats() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    assert room.handle(subscribe(BEN)) == [OpenSink(BENS_SUB, WebRtcSink(BENS))]
    assert room.subscriptions == {SUB: BENS_SUB}


def test_a_subscription_works_when_its_sink_is_ready() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(subscribe(BEN))
    assert room.handle(SinkReady(SUB)) == [TransportUp(BEN, BENS), SessionReady(BEN, BENS, SUB)]
    assert room.subscriptions[SUB].state is SubscriptionState.LIVE


def test_a_track_whose_section_is_rejected_is_no_part_of_the_subscription() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(subscribe(BEN))
    room.handle(SinkReady(SUB, frozenset({"11"})))
    assert [track.mid for track in room.subscriptions[SUB].tracks] == ["10"]


def test_a_track_may_be_asked_for_by_its_own_id() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    by_track = (
        SubscribedTrack("audio", CAM, mid="10"),
        SubscribedTrack("video", StreamId("anns-1"), mid="11"),
    )
    room.handle(Subscribe(BEN, SUB, WebRtcSink(BENS), by_track))
    assert room.subscriptions[SUB] == BENS_SUB


def test_of_several_tracks_of_a_kind_the_named_one_is_taken() -> None:
    room = open_room(ANN, BEN)
    room.handle(publish(ANN, kinds=("video", "video")))
    room.handle(ready(kinds=("video", "video")))
    room.handle(subscribe(BEN, kinds=("video",), track=TrackId("anns-1")))
    assert room.subscriptions[SUB].tracks[0].track == "anns-1"


@pytest.mark.parametrize(
    ("kind", "fault"), [("audio", Fault.UNSATISFIABLE_AUDIO), ("video", Fault.UNSATISFIABLE_VIDEO)]
)
def test_what_does_not_exist_cannot_be_subscribed(kind: Kind, fault: Fault) -> None:
    room = open_room(ANN, BEN)
    refuse(room, subscribe(BEN, kinds=(kind,)), fault, CAM, f"Requested {kind} stream")
    room.handle(publish(ANN))
    refuse(room, subscribe(BEN, kinds=(kind,)), fault, CAM, f"Requested {kind} stream")


def test_a_kind_that_the_stream_lacks_cannot_be_subscribed() -> None:
    room = open_room(ANN, BEN)
    room.handle(publish(ANN, kinds=("audio",)))
    room.handle(ready(kinds=("audio",)))
    refuse(room, subscribe(BEN), Fault.UNSATISFIABLE_VIDEO, CAM, "Requested video stream")
    by_track = subscribe(BEN, stream=StreamId("anns-0"), kinds=("video",))
    refuse(room, by_track, Fault.UNSATISFIABLE_VIDEO, "anns-0", "Requested video stream")


def test_each_kind_needs_its_permission_to_be_received() -> None:
    room = ann_publishes(open_room(ANN))
    room.handle(Join(BEN, "Ben", "listener"))
    refuse(room, subscribe(BEN), Fault.FORBIDDEN, BEN)
    assert room.handle(subscribe(BEN, kinds=("audio",)))


def test_a_stranger_cannot_subscribe() -> None:
    refuse(ann_publishes(open_room(ANN)), subscribe(BEN), Fault.PARTICIPANT_NOT_FOUND, BEN)


def test_something_must_be_subscribed() -> None:
    refuse(ann_publishes(open_room(ANN)), subscribe(ANN, kinds=()), Fault.BAD_REQUEST, "tracks")


def test_one_participant_may_subscribe_to_one_stream_several_times_under_other_ids() -> None:
    room = ben_watches(open_room(ANN, BEN))
    refuse(room, subscribe(BEN, first_mid=20), Fault.SUBSCRIPTION_EXISTS, SUB)
    assert room.handle(subscribe(BEN, SUB2, first_mid=20))


def test_a_subscription_does_not_take_the_id_of_a_stream() -> None:
    room = ann_publishes(open_room(ANN))
    refuse(room, subscribe(ANN, SubscriptionId(CAM)), Fault.SUBSCRIPTION_EXISTS, CAM)


def test_a_section_receives_one_track() -> None:
    room = ben_watches(open_room(ANN, BEN))
    refuse(room, subscribe(BEN, SUB2, first_mid=11), Fault.BAD_REQUEST, "tracks[0].mid")
    unnamed = Subscribe(BEN, SUB2, WebRtcSink(BENS), (SubscribedTrack("audio", CAM),))
    refuse(room, unnamed, Fault.BAD_REQUEST, "tracks[0].mid")


def test_a_section_is_free_again_after_its_subscription_ended() -> None:
    room = ben_watches(open_room(ANN, BEN))
    room.handle(Unsubscribe(BEN, SUB))
    assert room.handle(subscribe(BEN, SUB2))


def test_nobody_receives_on_the_transport_of_another() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    refuse(room, subscribe(BEN, transport=ANNS), Fault.FORBIDDEN, ANNS)


# ── in a room that makes nothing else of a stream ─────────────────────────────────────────────────────

OWN = VideoParameters(VGA, 30, 500, 100)


def test_parameters_equal_to_the_own_ones_are_fine_and_remembered() -> None:
    room = open_room(ANN, BEN)
    room.handle(publish(ANN, kinds=("video",)))
    (video,) = tracks_of(kinds=("video",))
    room.handle(SourceReady(CAM, (replace(video, parameters=OWN),)))
    room.handle(subscribe(BEN, kinds=("video",), parameters=OWN))
    assert room.subscriptions[SUB].tracks[0].parameters == OWN


@pytest.mark.parametrize("bitrate", ["x1", "x1.0", None])
def test_the_whole_bitrate_needs_no_transcoding(bitrate: str | None) -> None:
    room = ann_publishes(open_room(ANN, BEN))
    assert room.handle(subscribe(BEN, kinds=("video",), parameters=VideoParameters(bitrate=bitrate)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        (VideoParameters(resolution=Resolution(320, 240)), "Resolution"),
        (VideoParameters(framerate=15), "Framerate"),
        (VideoParameters(bitrate="x0.8"), "Bitrate"),
        (VideoParameters(bitrate="fast"), "Bitrate"),
        (VideoParameters(bitrate=300), "Bitrate"),
        (VideoParameters(key_frame_interval=5), "KeyFrameInterval"),
    ],
)
def test_parameters_that_need_transcoding_are_refused_by_name(
    parameters: VideoParameters, named: str
) -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(ResolutionSeen(CAM, None, VGA))
    command = subscribe(BEN, kinds=("video",), parameters=parameters)
    refuse(room, command, Fault.UNSATISFIABLE_VIDEO, CAM, f"{named} is not acceptable")


@pytest.mark.parametrize(
    ("kind", "wanted", "fault"),
    [
        ("audio", AudioFormat("pcmu"), Fault.UNSATISFIABLE_AUDIO),
        ("audio", AudioFormat("opus", 16_000), Fault.UNSATISFIABLE_AUDIO),
        ("video", VideoFormat("h264"), Fault.UNSATISFIABLE_VIDEO),
    ],
)
def test_another_format_than_the_own_one_is_refused(kind: Kind, wanted: Format, fault: Fault) -> None:
    room = ann_publishes(open_room(ANN, BEN))
    command = subscribe(BEN, kinds=(kind,), format=wanted)
    refuse(room, command, fault, CAM, "Format is not acceptable")


def test_the_own_format_may_be_asked_for() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(subscribe(BEN, kinds=("audio",), format=AudioFormat("opus")))
    assert room.subscriptions[SUB].tracks[0].format == OPUS


# ── its end ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_owner_who_unsubscribes_hears_no_failure() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(Unsubscribe(BEN, SUB)) == [CloseSink(SUB)]
    assert not room.subscriptions


def test_the_owner_is_told_when_somebody_else_ends_a_subscription() -> None:
    failed = [CloseSink(SUB), SessionFailed(BEN, BENS, SUB, "Participant terminate")]
    assert ben_watches(open_room(ANN, BEN)).handle(Unsubscribe(None, SUB)) == failed
    room = ben_watches(open_room(ANN, BEN))
    room.handle(Join(EVE, "Eve", "admin"))
    assert room.handle(Unsubscribe(EVE, SUB)) == failed


def test_nobody_else_may_unsubscribe() -> None:
    room = ben_watches(open_room(ANN, BEN))
    refuse(room, Unsubscribe(ANN, SUB), Fault.FORBIDDEN, SUB)
    refuse(room, Unsubscribe(CID, SUB), Fault.PARTICIPANT_NOT_FOUND, CID)


def test_an_unknown_subscription_cannot_be_ended() -> None:
    refuse(open_room(BEN), Unsubscribe(BEN, SUB), Fault.SUBSCRIPTION_NOT_FOUND, SUB)


def test_a_sink_that_is_lost_concerns_its_owner_only() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(SinkLost(SUB, "gone")) == [CloseSink(SUB), SessionFailed(BEN, BENS, SUB, "gone")]
    assert CAM in room.streams


def test_late_reports_of_a_sink_change_nothing() -> None:
    room = ben_watches(open_room(ANN, BEN))
    assert room.handle(SinkReady(SUB)) == []
    room.handle(Unsubscribe(BEN, SUB))
    assert room.handle(SinkReady(SUB)) == []
    assert room.handle(SinkLost(SUB, "late")) == []


def test_a_subscription_to_two_streams_ends_with_the_first_of_them() -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(publish(ANN, SCREEN, first_mid=2))
    room.handle(ready(SCREEN, first_mid=2))
    tracks = (SubscribedTrack("audio", CAM, mid="10"), SubscribedTrack("video", SCREEN, mid="11"))
    room.handle(Subscribe(BEN, SUB, WebRtcSink(BENS), tracks))
    assert SessionFailed(BEN, BENS, SUB, "Source stream loss") in room.handle(Unpublish(ANN, SCREEN))
    assert CAM in room.streams
