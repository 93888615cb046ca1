"""Views: their streams, and what is mixed into them."""

from __future__ import annotations

import pytest

from palaver.room.errors import Fault
from palaver.room.layout import region_sets
from palaver.room.messages import (
    Close,
    CloseSource,
    Join,
    LayoutChanged,
    Leave,
    Mix,
    OpenSink,
    SetComposition,
    SetStreamActive,
    SinkReady,
    SourceLost,
    SpeakerChanged,
    SpeakerHeard,
    StreamRemoved,
    TransportLost,
    Unmix,
    Unpublish,
)
from palaver.room.room import Room
from palaver.room.values import (
    Composition,
    MixInput,
    ParticipantId,
    Placement,
    StreamId,
    StreamState,
    TransportId,
    VideoFormat,
    VideoParameters,
    View,
)
from tests.room.scenes import (
    ANN,
    BEN,
    CAM,
    COMMON,
    CONFIG,
    EVE,
    OPUS,
    SCREEN,
    SUB,
    VGA,
    VP8,
    ann_publishes,
    mixed,
    of,
    open_room,
    publish,
    refuse,
    shown,
    streams_go_live,
    subscribe,
)

(VIEW,) = CONFIG.views
(WHOLE,), QUARTERS, *_ = region_sets("fluid", 16)
SOUND = StreamId("sound")


def composition(room: Room) -> Composition:
    """What the engine is told of the view by one who begins to watch."""
    outputs = room.handle(subscribe(BEN, stream=COMMON))
    (told,) = of(outputs, SetComposition)
    assert isinstance(told, SetComposition)
    assert isinstance(outputs[-1], OpenSink), "the engine knows of the view before it is drawn from"
    return told.composition


def inputs(room: Room) -> list[StreamId]:
    return [one.stream for one in composition(room).inputs]


# ── their streams ───────────────────────────────────────────────────────────────────────────────────


def test_a_view_has_a_live_stream_from_the_start() -> None:
    room = open_room()
    (stream,) = room.live_streams()
    assert (stream.id, stream.label, stream.state, stream.owner) == (COMMON, "common", StreamState.LIVE, None)
    assert stream.mixed
    assert (stream.layout, stream.active_input) == ((), "unknown")
    audio, video = stream.tracks
    assert (audio.kind, audio.format, audio.active) == ("audio", OPUS, True)
    assert (video.kind, video.format) == ("video", VP8)
    assert video.parameters == VideoParameters(VGA, 24, None, 100)


def test_an_audio_only_view_has_no_video() -> None:
    room = open_room(views=(View("talk", OPUS, None),))
    (stream,) = room.live_streams()
    assert [track.kind for track in stream.tracks] == ["audio"]


def test_views_come_first_in_their_order_and_the_first_of_a_label_counts() -> None:
    views = (View("b", OPUS, VP8), View("a", OPUS, VP8), View("b", OPUS, VideoFormat("vp9")))
    room = ann_publishes(open_room(ANN, views=views))
    assert [stream.id for stream in room.live_streams()] == ["room1-b", "room1-a", CAM]
    assert room.streams[StreamId("room1-b")].tracks[1].format == VP8
    told = of(room.handle(Mix(ANN, CAM, "b")), SetComposition)
    assert [one.composition.view for one in told if isinstance(one, SetComposition)] == [views[0]]


def test_a_room_without_views_has_no_mixed_stream() -> None:
    assert open_room(views=()).live_streams() == []


# ── what is mixed into them ─────────────────────────────────────────────────────────────────────────


def test_a_stream_in_a_view_is_seen_and_heard_and_everybody_learns_where() -> None:
    room = ann_publishes(open_room(ANN))
    placements = (Placement(WHOLE, CAM),)
    assert room.handle(Mix(ANN, CAM, "common")) == [
        LayoutChanged(COMMON, placements),
        SetComposition(COMMON, Composition(VIEW, placements, (MixInput(CAM, ANN, "user of ann"),))),
    ]
    assert room.streams[COMMON].layout == placements
    assert room.streams[CAM].in_views == ("common",)


def test_mixing_what_is_in_the_view_changes_nothing() -> None:
    room = mixed(open_room(ANN), ANN, CAM)
    assert room.handle(Mix(ANN, CAM, "common")) == []
    assert room.streams[CAM].in_views == ("common",)


def test_a_stream_that_is_taken_out_is_neither_seen_nor_heard() -> None:
    room = mixed(open_room(ANN), ANN, CAM)
    assert room.handle(Unmix(ANN, CAM, "common")) == [
        LayoutChanged(COMMON, ()),
        SetComposition(COMMON, Composition(VIEW)),
    ]
    assert room.streams[CAM].in_views == ()


def test_taking_a_stream_out_of_a_view_it_is_not_in_changes_nothing() -> None:
    room = ann_publishes(open_room(ANN))
    assert room.handle(Unmix(ANN, CAM, "common")) == []


def test_a_stream_without_a_picture_is_heard_and_takes_no_region() -> None:
    room = open_room(ANN, BEN)
    streams_go_live(room, ANN, SOUND, kinds=("audio",))
    (told,) = room.handle(Mix(ANN, SOUND, "common"))
    assert told == SetComposition(COMMON, Composition(VIEW, (), (MixInput(SOUND, ANN, "user of ann"),)))
    assert room.streams[SOUND].in_views == ("common",)
    assert inputs(room) == [SOUND]
    (told,) = room.handle(Unmix(ANN, SOUND, "common"))
    assert told == SetComposition(COMMON, Composition(VIEW))


def test_an_audio_only_view_has_no_layout() -> None:
    room = ann_publishes(open_room(ANN, views=(View("talk", OPUS, None),)))
    (told,) = room.handle(Mix(ANN, CAM, "talk"))
    assert isinstance(told, SetComposition)
    assert (told.composition.placements, len(told.composition.inputs)) == ((), 1)
    assert room.streams[StreamId("room1-talk")].layout == ()


def test_a_muted_stream_keeps_its_region() -> None:
    room = mixed(open_room(ANN), ANN, CAM, SCREEN)
    before = shown(room)
    for active in (False, True):
        assert not of(room.handle(SetStreamActive(ANN, CAM, ("audio", "video"), active)), LayoutChanged)
        assert shown(room) == before


def test_each_of_several_views_has_its_own_inputs() -> None:
    views = (View("a", OPUS, VP8), View("b", OPUS, VP8))
    room = mixed(open_room(ANN, views=views), ANN, CAM, SCREEN, view="a")
    room.handle(Mix(ANN, SCREEN, "b"))
    a, b = StreamId("room1-a"), StreamId("room1-b")
    assert (shown(room, a), shown(room, b)) == ([CAM, SCREEN, None, None], [SCREEN])
    assert room.streams[SCREEN].in_views == ("a", "b")
    room.handle(Unmix(ANN, SCREEN, "a"))
    assert (shown(room, a), shown(room, b)) == ([CAM], [SCREEN])
    assert room.streams[SCREEN].in_views == ("b",)


@pytest.mark.parametrize(
    "end",
    [
        Unpublish(ANN, CAM),
        Leave(ANN),
        SourceLost(CAM, "gone"),
        TransportLost(TransportId("of-cam"), "gone"),
    ],
)
def test_a_stream_that_ends_leaves_its_views_before_it_is_removed(end: Unpublish | SourceLost) -> None:
    room = mixed(mixed(open_room(ANN, BEN), ANN, CAM), BEN, SCREEN)
    outputs = room.handle(end)
    told = of(outputs, LayoutChanged, SetComposition, CloseSource, StreamRemoved)
    assert [type(one) for one in told] == [LayoutChanged, SetComposition, CloseSource, StreamRemoved]
    assert told[0] == LayoutChanged(COMMON, (Placement(WHOLE, SCREEN),))
    assert inputs(room) == [SCREEN]


def test_an_end_concerns_the_views_it_was_in_only() -> None:
    room = mixed(open_room(ANN), ANN, SCREEN)
    streams_go_live(room, ANN, CAM)
    assert not of(room.handle(Unpublish(ANN, CAM)), LayoutChanged, SetComposition)


def test_who_begins_to_watch_a_view_gets_it_as_it_is_even_if_it_is_empty() -> None:
    room = open_room(ANN, BEN)
    assert composition(room) == Composition(VIEW)
    room.handle(SinkReady(SUB))
    assert room.subscriptions[SUB].tracks[1].transcoded


def test_a_view_that_nobody_watches_is_not_told_with_other_subscriptions() -> None:
    room = mixed(open_room(ANN, BEN), ANN, CAM)
    assert not of(room.handle(subscribe(BEN)), SetComposition)


def test_the_end_of_the_conference_takes_the_views_along() -> None:
    room = mixed(open_room(ANN), ANN, CAM)
    assert room.handle(Close())[-1] == StreamRemoved(COMMON)
    refuse(room, Mix(None, CAM, "common"), Fault.ROOM_CLOSED, "room1")


# ── who speaks ──────────────────────────────────────────────────────────────────────────────────────


def test_another_speaker_is_told_once() -> None:
    room = mixed(open_room(ANN), ANN, CAM, SCREEN)
    assert room.handle(SpeakerHeard(COMMON, SCREEN)) == [SpeakerChanged(COMMON, SCREEN)]
    assert room.streams[COMMON].active_input == SCREEN
    assert room.handle(SpeakerHeard(COMMON, SCREEN)) == []
    assert room.handle(SpeakerHeard(COMMON, CAM)) == [SpeakerChanged(COMMON, CAM)]


def test_a_late_or_foreign_word_about_a_speaker_changes_nothing() -> None:
    room = mixed(open_room(ANN), ANN, CAM)
    streams_go_live(room, ANN, SCREEN)
    for view, stream in ((COMMON, SCREEN), (COMMON, StreamId("gone")), (CAM, CAM), (StreamId("x"), CAM)):
        assert room.handle(SpeakerHeard(view, stream)) == []


def test_a_view_that_does_not_detect_speakers_has_none() -> None:
    room = mixed(open_room(ANN, views=(View("common", OPUS, VP8, detect_speaker=False),)), ANN, CAM)
    assert room.handle(SpeakerHeard(COMMON, CAM)) == []
    assert room.streams[COMMON].active_input == "unknown"


@pytest.mark.parametrize("end", [Unmix(ANN, CAM, "common"), Unpublish(ANN, CAM)])
def test_nobody_speaks_when_the_speaker_is_gone(end: Unmix | Unpublish) -> None:
    room = mixed(open_room(ANN), ANN, CAM, SCREEN)
    room.handle(SpeakerHeard(COMMON, CAM))
    room.handle(end)
    assert room.streams[COMMON].active_input == "unknown"


def test_the_speaker_is_shown_first_where_the_view_wants_it_so() -> None:
    view = View("common", OPUS, VP8, max_input=2, speaker_first=True)
    third = StreamId("third")
    room = mixed(open_room(ANN, views=(view,)), ANN, CAM, SCREEN, third)
    assert shown(room) == [CAM, SCREEN, None, None]
    outputs = room.handle(SpeakerHeard(COMMON, SCREEN))
    assert [type(one) for one in outputs] == [SpeakerChanged, LayoutChanged, SetComposition]
    assert shown(room) == [SCREEN, CAM, None, None]
    assert of(room.handle(SpeakerHeard(COMMON, CAM)), LayoutChanged)
    room.handle(SpeakerHeard(COMMON, third))
    assert shown(room) == [third, SCREEN, None, None], "who waits comes in; who was first waits"


def test_a_speaker_without_a_picture_moves_nobody() -> None:
    view = View("common", OPUS, VP8, speaker_first=True)
    room = mixed(open_room(ANN, views=(view,)), ANN, CAM)
    streams_go_live(room, ANN, SOUND, kinds=("audio",))
    room.handle(Mix(ANN, SOUND, "common"))
    assert room.handle(SpeakerHeard(COMMON, SOUND)) == [SpeakerChanged(COMMON, SOUND)]


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [Mix, Unmix])
def test_only_known_views_take_streams(command: type[Mix | Unmix]) -> None:
    room = ann_publishes(open_room(ANN))
    refuse(room, command(None, CAM, "other"), Fault.VIEW_NOT_FOUND, "other")


@pytest.mark.parametrize("command", [Mix, Unmix])
def test_only_live_forward_streams_are_mixed(command: type[Mix | Unmix]) -> None:
    room = open_room(ANN)
    refuse(room, command(None, CAM, "common"), Fault.STREAM_NOT_FOUND, CAM)
    room.handle(publish(ANN))
    refuse(room, command(ANN, CAM, "common"), Fault.STREAM_NOT_FOUND, CAM)
    refuse(room, command(None, COMMON, "common"), Fault.STREAM_IS_MIXED, COMMON)


@pytest.mark.parametrize("command", [Mix, Unmix])
def test_only_the_owner_mixes_and_who_may_everything(command: type[Mix | Unmix]) -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(Join(EVE, "Eve", "admin"))
    refuse(room, command(BEN, CAM, "common"), Fault.FORBIDDEN, CAM)
    refuse(room, command(ParticipantId("zoe"), CAM, "common"), Fault.PARTICIPANT_NOT_FOUND, "zoe")
    for actor in (EVE, None, ANN):
        room.handle(command(actor, CAM, "common"))
