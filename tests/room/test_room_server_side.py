"""Sources and sinks that the server itself opens: they have neither owner nor connection."""

from __future__ import annotations

from dataclasses import replace

from palaver.room.endpoints import (
    FileSink,
    PublishedTrack,
    PullSource,
    PushSink,
    PushTarget,
    TestSource,
    WebRtcSink,
    WebRtcSource,
)
from palaver.room.errors import Fault
from palaver.room.messages import (
    Close,
    CloseSink,
    CloseSource,
    ForgetSinkOrigin,
    Input,
    Mix,
    OpenSink,
    OpenSource,
    Outcome,
    Publish,
    RecordingChanged,
    SessionFailed,
    SessionReady,
    SetRegion,
    SetSinkOrigin,
    SetSourceActive,
    SetStreamActive,
    SetSubscriptionActive,
    SinkLost,
    SinkReady,
    SourceInterrupted,
    SourceLost,
    SourceReady,
    SourceResumed,
    StreamAdded,
    StreamMuted,
    StreamRemoved,
    StreamUpdated,
    Subscribe,
    Tick,
    TrackChange,
    Unpublish,
    Unsubscribe,
    UpdateSubscription,
)
from palaver.room.negotiations import AT_ONCE
from palaver.room.reasons import ROOM_CLOSED, SOURCE_LOSS, TERMINATED, TIMED_OUT
from palaver.room.room import Room
from palaver.room.values import (
    KINDS,
    MediaOut,
    ParticipantId,
    RecordingState,
    Resolution,
    Standing,
    Stream,
    StreamId,
    StreamState,
    SubscribedTrack,
    Subscription,
    Track,
    TransportId,
    VideoFormat,
    VideoParameters,
)
from tests.room.scenes import (
    ANN,
    ANNS,
    BEN,
    CAM,
    COMMON,
    OPUS,
    SCREEN,
    SUB,
    SUB2,
    VGA,
    VP8,
    ann_publishes,
    of,
    open_room,
    publish,
    refuse,
    subscribe,
)

H264 = VideoFormat("h264", "CB")
PULL = PullSource(url="rtsp://camera/1", audio="auto")
SOUND, PICTURE = Track("audio", OPUS), Track("video", VP8, parameters=VideoParameters(VGA))
FILE = FileSink("talk.mkv", "mkv")


def pulled(room: Room, *tracks: Track, standing: Standing | None = None) -> Room:
    """The server feeds the room."""
    room.handle(Publish(None, CAM, PULL, standing=standing or Standing()))
    room.handle(SourceReady(CAM, tracks or (SOUND, PICTURE)))
    return room


def record(stream: str = CAM) -> Subscribe:
    return Subscribe(
        None, SUB, FILE, tuple(SubscribedTrack(kind, CAM if stream == CAM else COMMON) for kind in KINDS)
    )


def test_a_source_of_the_server_needs_neither_owner_nor_connection() -> None:
    room = open_room(ANN)
    assert room.handle(Publish(None, CAM, PULL, {"door": 1})) == [
        OpenSource(CAM, None, PULL, room.config.audio_in, room.config.video_in)
    ]
    live = Stream(
        CAM, None, "streaming", state=StreamState.LIVE, tracks=(SOUND, PICTURE), attributes={"door": 1}
    )
    assert room.handle(SourceReady(CAM, (SOUND, PICTURE))) == [
        SessionReady(None, None, CAM),
        StreamAdded(live),
    ]
    assert room.handle(subscribe(ANN))
    assert room.handle(Mix(None, CAM, "common"))


def test_a_source_that_fails_before_it_began_is_told() -> None:
    room = open_room(ANN)
    room.handle(Publish(None, CAM, PULL))
    assert room.handle(SourceLost(CAM, "no route")) == [
        CloseSource(CAM),
        SessionFailed(None, None, CAM, "no route"),
    ]


def test_the_server_that_ends_its_own_source_is_not_told_that_it_failed() -> None:
    room = pulled(open_room(ANN))
    assert room.handle(Unpublish(None, CAM)) == [CloseSource(CAM), StreamRemoved(CAM)]
    admin = pulled(open_room(ANN, role="admin"))
    assert SessionFailed(None, None, CAM, TERMINATED) in admin.handle(Unpublish(ANN, CAM))


def test_a_participant_opens_nothing_of_the_server() -> None:
    room = ann_publishes(open_room(ANN))
    refuse(room, Publish(ANN, SCREEN, PULL), Fault.FORBIDDEN, ANN)
    refuse(room, Subscribe(ANN, SUB, FILE, (SubscribedTrack("audio", CAM),)), Fault.FORBIDDEN, ANN)


def test_the_server_opens_nothing_on_a_client_s_connection() -> None:
    room = ann_publishes(open_room(ANN))
    source = WebRtcSource(ANNS, (PublishedTrack("audio", "9", "mic"),))
    refuse(room, Publish(None, SCREEN, source), Fault.BAD_REQUEST, "by")
    tracks = (SubscribedTrack("audio", CAM, mid="9"),)
    refuse(room, Subscribe(None, SUB, WebRtcSink(ANNS), tracks), Fault.BAD_REQUEST, "by")


def test_inputs_are_limited_whoever_brings_them() -> None:
    room = ann_publishes(open_room(ANN, input_limit=2))
    room.handle(Publish(None, SCREEN, PULL))
    refuse(room, Publish(None, StreamId("third"), PULL), Fault.TOO_MANY_INPUTS, "room1")


def test_a_stream_that_comes_back_stands_as_it_did() -> None:
    room = pulled(open_room())
    other = StreamId("other")
    room.handle(Publish(None, other, PULL))
    room.handle(SourceReady(other, (SOUND, PICTURE)))
    for stream in (CAM, other):
        room.handle(Mix(None, stream, "common"))
    room.handle(SetRegion(None, CAM, "common", "3"))
    room.handle(SetStreamActive(None, CAM, ("audio",), False))
    room.handle(SourceInterrupted(CAM, "lost"))
    standing = room.standing(CAM)
    assert standing == Standing(("audio",), (("common", "3"),))
    known = replace(standing, places=(*standing.places, ("no such view", "1")))

    again = open_room()
    pulled(again, standing=known)
    assert again.streams[CAM].in_views == ("common",)
    assert [track.active for track in again.streams[CAM].tracks if track.kind == "audio"] == [False]
    assert again.standing(CAM) == standing, "also while there is no such region"
    again.handle(Publish(None, other, PULL, standing=Standing((), (("common", "1"),))))
    again.handle(SourceReady(other, (SOUND, PICTURE)))
    assert [again.region_of(None, stream, "common") for stream in (CAM, other)] == ["3", "1"]
    again.handle(SetRegion(None, CAM, "common", "2"))
    assert again.standing(CAM) == replace(standing, places=(("common", "2"),))


def test_a_room_without_sound_takes_a_source_that_may_do_without() -> None:
    room = open_room(audio_in=())
    refuse(room, Publish(None, CAM, TestSource()), Fault.AUDIO_NOT_ACCEPTED, "room1")
    room.handle(Publish(None, CAM, PULL))
    refuse(room, Publish(None, SCREEN, TestSource(audio=False, video=False)), Fault.BAD_REQUEST, "tracks")


def test_a_sink_of_the_server_needs_no_section() -> None:
    room = pulled(open_room())
    opened = room.handle(record())
    subscription = room.subscriptions[SUB]
    assert opened == [OpenSink(subscription, FILE)]
    assert (subscription.owner, subscription.transport) == (None, None)
    assert of(room.handle(SinkReady(SUB)), SessionReady) == [SessionReady(None, None, SUB)]
    assert room.handle(Unsubscribe(None, SUB)) == [CloseSink(SUB), RecordingChanged(None)]


def test_a_sink_that_fails_is_told() -> None:
    room = pulled(open_room())
    room.handle(record())
    assert room.handle(SinkLost(SUB, "disk full")) == [
        CloseSink(SUB),
        SessionFailed(None, None, SUB, "disk full"),
    ]
    room.handle(replace(record(), sink=PushSink((PushTarget("rtmp", "rtmp://there/live"),))))
    assert SessionFailed(None, None, SUB, SOURCE_LOSS) in room.handle(Unpublish(None, CAM))


def test_each_kind_has_its_own_time_to_begin() -> None:
    room = open_room(ANN)
    room.handle(Tick(0.0))
    room.handle(Publish(None, CAM, PULL))
    room.handle(publish(ANN, SCREEN))
    assert room.deadline == AT_ONCE
    room.handle(Tick(1.0))
    assert room.deadline == 31.0
    assert of(room.handle(Tick(31.0)), SessionFailed) == [SessionFailed(ANN, ANNS, SCREEN, TIMED_OUT)]
    assert room.deadline == 91.0
    assert of(room.handle(Tick(91.0)), SessionFailed) == [SessionFailed(None, None, CAM, TIMED_OUT)]
    assert room.deadline is None


def test_a_room_with_only_a_source_or_a_sink_is_not_empty() -> None:
    room = open_room()
    seen = [room.empty]
    for step in (record(COMMON), Unsubscribe(None, SUB), Publish(None, CAM, PULL), SourceLost(CAM, "gone")):
        room.handle(step)
        seen.append(room.empty)
    assert seen == [True, False, True, False, True]


def test_a_sink_that_accompanies_its_room_does_not_keep_it() -> None:
    room = open_room()
    seen = []
    for step in (
        replace(record(COMMON), sink=replace(FILE, accompanies=True)),
        Publish(None, CAM, PULL),
        SourceLost(CAM, "gone"),
    ):
        room.handle(step)
        seen.append(room.empty)
    assert seen == [True, False, True]


def test_closing_the_room_ends_what_the_server_has_there() -> None:
    room = pulled(open_room())
    room.handle(record())
    outcomes = room.handle(Close())
    assert of(outcomes, CloseSink, CloseSource) == [CloseSink(SUB), CloseSource(CAM)]
    assert of(outcomes, SessionFailed) == [
        SessionFailed(None, None, SUB, ROOM_CLOSED),
        SessionFailed(None, None, CAM, ROOM_CLOSED),
    ]
    assert room.empty


def test_an_interrupted_source_stays_muted_until_it_is_back() -> None:
    room = pulled(open_room())
    room.handle(SetStreamActive(None, CAM, ("audio",), active=False))
    assert room.handle(SourceInterrupted(CAM, "no packets")) == [
        StreamMuted(CAM, "video", active=False),
        SetSourceActive(CAM, "video", active=False),
    ]
    assert [track.active for track in room.streams[CAM].tracks] == [False, False]
    assert room.handle(SourceInterrupted(CAM, "still none")) == []
    assert room.handle(SourceResumed(CAM, (SOUND, PICTURE))) == [
        StreamMuted(CAM, "video", active=True),
        SetSourceActive(CAM, "video", active=True),
    ]
    assert room.handle(SourceResumed(CAM, (SOUND, PICTURE))) == []


def test_muting_holds_for_an_interrupted_source_once_it_is_back() -> None:
    room = pulled(open_room())
    room.handle(SourceInterrupted(CAM, "no packets"))
    assert room.handle(SetStreamActive(None, CAM, ("video",), active=False)) == []
    room.handle(SourceResumed(CAM, (SOUND, PICTURE)))
    assert [track.active for track in room.streams[CAM].tracks] == [True, False]


def test_a_source_comes_back_in_another_format_and_its_receivers_follow() -> None:
    room = pulled(open_room(ANN, BEN, out=MediaOut(video=(VP8, H264))))
    room.handle(subscribe(BEN))
    room.handle(replace(record(), subscription=SUB2))
    room.handle(SourceInterrupted(CAM, "no packets"))
    big = Track("video", H264, parameters=VideoParameters(Resolution(1280, 720)))
    outcomes = room.handle(SourceResumed(CAM, (SOUND, big)))
    stream = room.streams[CAM]
    assert stream.tracks == (SOUND, big)
    assert of(outcomes, StreamUpdated) == [StreamUpdated(stream)]
    followed = {action.subscription: action.track for action in outcomes if isinstance(action, SetSinkOrigin)}
    assert set(followed) == {SUB, SUB2}
    assert all(track.format == H264 and track.formats == (H264, VP8) for track in followed.values())


def test_a_source_changes_its_size_without_a_break_and_stays_muted() -> None:
    room = pulled(open_room())
    room.handle(SetStreamActive(None, CAM, ("audio",), active=False))
    big = Track("video", VP8, parameters=VideoParameters(Resolution(1280, 720)))
    outcomes = room.handle(SourceResumed(CAM, (SOUND, big)))
    assert outcomes == [StreamUpdated(room.streams[CAM])]
    assert [(track.active, track.kind) for track in room.streams[CAM].tracks] == [
        (False, "audio"),
        (True, "video"),
    ]


def test_a_receiver_who_can_have_nothing_of_the_new_format_loses_it() -> None:
    room = pulled(open_room(ANN, BEN))
    room.handle(subscribe(BEN))
    room.handle(SourceInterrupted(CAM, "no packets"))
    room.handle(SourceResumed(CAM, (SOUND, Track("video", H264))))
    assert SUB not in room.subscriptions


def test_a_change_may_ask_a_sink_of_the_server_for_another_format_and_no_other() -> None:
    room = pulled(open_room(ANN, out=MediaOut(video=(VP8, H264))))
    room.handle(record())
    change = TrackChange("video", format=H264)
    outcomes = room.handle(UpdateSubscription(None, SUB, (change,)))
    track = next(one for one in room.subscriptions[SUB].tracks if one.kind == "video")
    assert track.formats == (H264,)
    assert track.transcoded
    assert outcomes == [SetSinkOrigin(SUB, track)]
    room.handle(subscribe(ANN, SUB2, kinds=("video",), format=VP8))
    refuse(room, UpdateSubscription(ANN, SUB2, (change,)), Fault.CANNOT_UPDATE, SUB2)


def test_a_sink_s_track_without_a_section_is_replaced_by_its_kind() -> None:
    tracks = tuple(SubscribedTrack(kind, CAM) for kind in KINDS)
    action = OpenSink(
        Subscription(SUB, None, None, tracks), PushSink((PushTarget("rtmp", "rtmp://far/live"),))
    )
    other = SubscribedTrack("video", COMMON)
    assert action.redirected(other).subscription.tracks == (tracks[0], other)


def camera(stream: str, transport: str = ANNS) -> WebRtcSource:
    return WebRtcSource(TransportId(transport), (PublishedTrack("video", f"{stream}-v", "camera"),))


def shows(room: Room, stream: StreamId, by: ParticipantId = ANN, transport: str = ANNS) -> list[Outcome]:
    """A participant publishes a picture."""
    room.handle(Publish(by, stream, camera(stream, transport)))
    return room.handle(SourceReady(stream, (PICTURE,)))


def recorded(room: Room, stream: StreamId) -> Room:
    """The picture of ``stream`` is recorded."""
    room.handle(Subscribe(None, SUB, FILE, (SubscribedTrack("video", stream),)))
    room.handle(SinkReady(SUB))
    return room


def test_a_recording_goes_on_when_its_stream_ends() -> None:
    room = open_room(ANN)
    shows(room, CAM)
    recorded(room, CAM)
    assert room.handle(Unpublish(ANN, CAM)) == [
        ForgetSinkOrigin(SUB, "video"),
        CloseSource(CAM),
        StreamRemoved(CAM),
    ]
    assert SUB in room.subscriptions


def test_a_camera_that_is_switched_on_again_is_recorded_again() -> None:
    room = open_room(ANN, BEN)
    shows(room, CAM)
    recorded(room, CAM)
    room.handle(Unpublish(ANN, CAM))
    assert of(shows(room, StreamId("bens"), BEN, "bens transport"), SetSinkOrigin) == []
    (redirected,) = of(shows(room, SCREEN), SetSinkOrigin)
    assert redirected == SetSinkOrigin(SUB, room.subscriptions[SUB].tracks[0])
    assert room.subscriptions[SUB].tracks[0].stream == SCREEN
    assert of(room.handle(Unpublish(ANN, SCREEN)), ForgetSinkOrigin) == [ForgetSinkOrigin(SUB, "video")]


def test_a_recording_goes_on_with_another_stream_that_it_is_told_to_take() -> None:
    room = open_room(ANN, BEN)
    shows(room, CAM)
    recorded(room, CAM)
    room.handle(Unpublish(ANN, CAM))
    shows(room, StreamId("bens"), BEN, "bens transport")
    changed = room.handle(UpdateSubscription(None, SUB, (TrackChange("video", StreamId("bens")),)))
    assert of(changed, SetSinkOrigin) == [SetSinkOrigin(SUB, room.subscriptions[SUB].tracks[0])]
    assert room.subscriptions[SUB].tracks[0].stream == "bens"
    assert of(shows(room, CAM), SetSinkOrigin) == [], "it does not wait any more"


def test_who_waits_for_a_stream_is_forgotten_with_its_end() -> None:
    room = open_room(ANN)
    shows(room, CAM)
    recorded(room, CAM)
    room.handle(Unpublish(ANN, CAM))
    assert of(room.handle(Unsubscribe(None, SUB)), CloseSink) == [CloseSink(SUB)]
    assert of(shows(room, CAM), SetSinkOrigin) == []


def on_record(*, muted: bool = False) -> Room:
    """A room that is recorded."""
    room = pulled(open_room())
    room.handle(record())
    if muted:
        room.handle(SetSubscriptionActive(None, SUB, KINDS, False))
    return room


def test_everybody_is_told_whether_the_room_is_recorded() -> None:
    room = on_record()
    assert room.recording is None
    steps: list[tuple[Input, RecordingState | None]] = [
        (SinkReady(SUB), "recording"),
        (SetSubscriptionActive(None, SUB, ("audio",), False), "recording"),
        (SetSubscriptionActive(None, SUB, ("video",), False), "paused"),
        (SetSubscriptionActive(None, SUB, ("video",), True), "recording"),
        (Unsubscribe(None, SUB), None),
    ]
    before: RecordingState | None = None
    for step, after in steps:
        told = of(room.handle(step), RecordingChanged)
        assert told == ([RecordingChanged(after)] if after != before else [])
        assert room.recording == after
        before = after


def test_one_recording_of_two_that_is_paused_leaves_the_room_recorded() -> None:
    room = on_record()
    room.handle(SinkReady(SUB))
    room.handle(replace(record(), subscription=SUB2))
    assert of(room.handle(SinkReady(SUB2)), RecordingChanged) == []
    assert of(room.handle(SetSubscriptionActive(None, SUB, KINDS, False)), RecordingChanged) == []
    assert of(room.handle(SinkLost(SUB2, "gone")), RecordingChanged) == [RecordingChanged("paused")]
    assert of(room.handle(SinkLost(SUB, "gone")), RecordingChanged) == [RecordingChanged(None)]


def test_a_recording_that_begins_paused_is_told_as_paused() -> None:
    room = on_record(muted=True)
    assert of(room.handle(SinkReady(SUB)), RecordingChanged) == [RecordingChanged("paused")]


def test_what_is_sent_elsewhere_is_not_told_as_a_recording() -> None:
    room = pulled(open_room())
    room.handle(replace(record(), sink=PushSink((PushTarget("rtmp", "rtmp://a"),))))
    assert of(room.handle(SinkReady(SUB)), RecordingChanged) == []
