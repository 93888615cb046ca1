"""Who is seen where: regions, waiting, layouts, and several changes at once."""

from __future__ import annotations

import pytest

from palaver.room.errors import Fault, RoomError
from palaver.room.layout import region_sets
from palaver.room.messages import (
    ChangeTogether,
    LayoutChanged,
    Mix,
    Outcome,
    SetComposition,
    SetLayout,
    SetRegion,
    SetSourceActive,
    SetStreamActive,
    SetTemplate,
    ShowInRegion,
    SpeakerHeard,
    StreamMuted,
    Unmix,
)
from palaver.room.room import Room
from palaver.room.values import ParticipantId, Placement, Region, StreamId, View
from tests.room.scenes import (
    ANN,
    BEN,
    COMMON,
    OPUS,
    SCREEN,
    VP8,
    mixed,
    open_room,
    publish,
    refuse,
    shown,
    streams_go_live,
)

A, B, C, D, E = (StreamId(name) for name in "abcde")
SOUND = StreamId("sound")
LEFT = Region("left", "0/1", "0/1", "1/2", "1/1")
RIGHT = Region("right", "1/2", "0/1", "1/2", "1/1")


def room_of(*streams: StreamId, **view: object) -> Room:
    """Ann's streams are in the view; Ben is there."""
    return mixed(open_room(ANN, BEN, views=(View("common", OPUS, VP8, **view),)), ANN, *streams)  # type: ignore[arg-type]  # a view's members


def moved(outputs: list[Outcome]) -> bool:
    """Whether a layout was told, and with it the composition."""
    assert [type(one) for one in outputs] in ([LayoutChanged, SetComposition], [SetComposition])
    if isinstance(outputs[0], LayoutChanged):
        assert isinstance(outputs[1], SetComposition)
        assert outputs[0].placements == outputs[1].composition.placements
        return True
    return False


# ── places and waiting ──────────────────────────────────────────────────────────────────────────────


def test_the_smallest_set_with_room_for_all_is_used() -> None:
    room = room_of(A)
    assert shown(room) == [A]
    mixed(room, ANN, B, C, D)
    assert shown(room) == [A, B, C, D]
    mixed(room, ANN, E)
    assert shown(room) == [A, B, C, D, E, None, None, None, None]
    room.handle(Unmix(ANN, B, "common"))
    assert shown(room) == [A, C, D, E]


def test_who_comes_when_the_view_is_full_waits_and_is_promoted_when_a_place_is_free() -> None:
    room = room_of(A, B, max_input=2)
    streams_go_live(room, ANN, C)
    (told,) = room.handle(Mix(ANN, C, "common"))
    assert isinstance(told, SetComposition), "it is heard"
    assert [one.stream for one in told.composition.inputs] == [A, B, C]
    assert shown(room) == [A, B, None, None]
    assert room.streams[C].in_views == ("common",)
    assert moved(room.handle(Unmix(ANN, A, "common")))
    assert shown(room) == [B, C, None, None]


def test_who_waits_may_go_without_anybody_moving() -> None:
    room = room_of(A, B, C, max_input=2)
    assert not moved(room.handle(Unmix(ANN, C, "common")))
    room.handle(Unmix(ANN, A, "common"))
    assert shown(room) == [B]


# ── regions ─────────────────────────────────────────────────────────────────────────────────────────


def test_two_streams_exchange_their_regions() -> None:
    room = room_of(A, B, C)
    assert moved(room.handle(SetRegion(ANN, A, "common", "3")))
    assert shown(room) == [C, B, A, None]
    assert moved(room.handle(SetRegion(None, A, "common", "4")))
    assert shown(room) == [C, B, None, A]
    assert not moved(room.handle(SetRegion(None, A, "common", "4")))


def test_who_waits_takes_a_region_and_who_was_there_waits_at_its_place() -> None:
    room = room_of(A, B, C, D, max_input=2)
    assert moved(room.handle(SetRegion(ANN, D, "common", "1")))
    assert shown(room) == [D, B, None, None]
    room.handle(Unmix(ANN, B, "common"))
    assert shown(room) == [D, C, None, None]


def test_a_stream_is_shown_in_a_region_by_its_number() -> None:
    room = room_of(A, B)
    assert moved(room.handle(ShowInRegion(COMMON, 0, B)))
    assert shown(room) == [B, A, None, None]


def test_the_owner_may_ask_where_its_stream_is() -> None:
    room = room_of(A, B, C, max_input=2)
    assert room.region_of(ANN, B, "common") == "2"
    room.handle(SetRegion(ANN, B, "common", "1"))
    assert room.region_of(None, B, "common") == "1"


REFUSED_REGIONS = [
    (SetRegion(ANN, A, "common", "9"), Fault.REGION_NOT_FOUND, "9"),
    (SetRegion(ANN, A, "other", "1"), Fault.VIEW_NOT_FOUND, "other"),
    (SetRegion(ANN, D, "common", "1"), Fault.NOT_IN_VIEW, D),
    (SetRegion(ANN, SOUND, "common", "1"), Fault.REGION_NOT_FOUND, SOUND),
    (SetRegion(BEN, A, "common", "1"), Fault.FORBIDDEN, A),
    (SetRegion(ANN, COMMON, "common", "1"), Fault.STREAM_IS_MIXED, COMMON),
    (SetRegion(ANN, StreamId("x"), "common", "1"), Fault.STREAM_NOT_FOUND, "x"),
    (SetRegion(ANN, SCREEN, "common", "1"), Fault.STREAM_NOT_FOUND, SCREEN),
    (SetRegion(ParticipantId("zoe"), A, "common", "1"), Fault.PARTICIPANT_NOT_FOUND, "zoe"),
    (ShowInRegion(COMMON, 4, A), Fault.REGION_NOT_FOUND, "4"),
    (ShowInRegion(COMMON, 0, D), Fault.NOT_IN_VIEW, D),
    (ShowInRegion(COMMON, 0, COMMON), Fault.NOT_IN_VIEW, COMMON),
    (ShowInRegion(COMMON, 0, SOUND), Fault.REGION_NOT_FOUND, SOUND),
    (ShowInRegion(A, 0, A), Fault.STREAM_IS_NOT_MIXED, A),
    (ShowInRegion(StreamId("x"), 0, A), Fault.STREAM_NOT_FOUND, "x"),
    (SetLayout(COMMON, (Placement(LEFT, D),)), Fault.NOT_IN_VIEW, D),
    (SetLayout(COMMON, (Placement(LEFT, SOUND),)), Fault.REGION_NOT_FOUND, SOUND),
    (SetLayout(A, (Placement(LEFT),)), Fault.STREAM_IS_NOT_MIXED, A),
    (SetLayout(StreamId("x"), ()), Fault.STREAM_NOT_FOUND, "x"),
    (SetTemplate(A, "fluid", speaker_first=False), Fault.STREAM_IS_NOT_MIXED, A),
    (SetTemplate(StreamId("x"), "lecture", speaker_first=False), Fault.STREAM_NOT_FOUND, "x"),
]


@pytest.mark.parametrize(("command", "fault", "subject"), REFUSED_REGIONS)
def test_what_cannot_be_shown_so_is_refused_and_nothing_moves(
    command: SetRegion | ShowInRegion | SetLayout | SetTemplate, fault: Fault, subject: str
) -> None:
    room = room_of(A, B, C)
    streams_go_live(room, ANN, D)
    streams_go_live(room, ANN, SOUND, kinds=("audio",))
    room.handle(Mix(ANN, SOUND, "common"))
    room.handle(publish(ANN, SCREEN))
    refuse(room, command, fault, subject)


def test_an_audio_only_view_has_no_regions() -> None:
    room = mixed(open_room(ANN, views=(View("talk", OPUS, None),)), ANN, A, view="talk")
    talk = StreamId("room1-talk")
    refuse(room, SetRegion(ANN, A, "talk", "1"), Fault.REGION_NOT_FOUND, A)
    refuse(room, ShowInRegion(talk, 0, A), Fault.REGION_NOT_FOUND, A)
    refuse(room, SetLayout(talk, (Placement(LEFT),)), Fault.REGION_NOT_FOUND, talk, "the view has no picture")
    lecture = SetTemplate(talk, "lecture", speaker_first=False)
    refuse(room, lecture, Fault.REGION_NOT_FOUND, talk, "the view has no picture")


# ── layouts ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_given_layout_is_taken_as_it_is_and_who_finds_no_place_waits() -> None:
    room = room_of(A, B, C)
    placements = (Placement(LEFT, C), Placement(RIGHT, A))
    assert moved(room.handle(SetLayout(COMMON, placements)))
    assert room.streams[COMMON].layout == placements
    mixed(room, ANN, D)
    assert shown(room) == [C, A]
    room.handle(Unmix(ANN, C, "common"))
    assert shown(room) == [A, B]


def test_streams_that_a_layout_does_not_name_fill_what_it_leaves_free() -> None:
    room = room_of(A, B, C)
    room.handle(SetLayout(COMMON, (Placement(LEFT, C), Placement(RIGHT))))
    assert shown(room) == [C, A]


def test_a_given_layout_stays_when_everybody_goes_and_comes_back() -> None:
    room = room_of(A)
    room.handle(SetLayout(COMMON, (Placement(LEFT, A), Placement(RIGHT))))
    room.handle(Unmix(ANN, A, "common"))
    assert [(p.region, p.stream) for p in room.streams[COMMON].layout] == [(LEFT, None), (RIGHT, None)]
    room.handle(Mix(ANN, A, "common"))
    assert shown(room) == [A, None]


def test_another_template_seats_everybody_anew_in_their_order_and_grows_with_them() -> None:
    room = room_of(A, B, C, max_input=8)
    room.handle(SetRegion(ANN, C, "common", "1"))
    assert moved(room.handle(SetTemplate(COMMON, "lecture", speaker_first=False)))
    assert shown(room) == [C, B, A, None, None, None]
    assert room.streams[COMMON].layout[0].region.width == "2/3"
    mixed(room, ANN, D, E, *(StreamId(name) for name in "fgh"))
    assert len(shown(room)) == 8
    assert None not in shown(room)
    room.handle(SetTemplate(COMMON, "fluid", speaker_first=False))
    assert shown(room) == [C, B, A, D, E, *"fgh", None]


def test_a_template_takes_the_place_of_a_given_layout_and_lets_in_who_waited() -> None:
    room = room_of(A, B, C, max_input=3)
    room.handle(SetLayout(COMMON, (Placement(RIGHT, C),)))
    assert shown(room) == [C]
    assert room.template("common").base == "void"
    room.handle(SetTemplate(COMMON, "fluid", speaker_first=False))
    assert shown(room) == [C, A, B, None]
    assert room.template("common").base == "fluid"
    for stream in (A, B, C):
        room.handle(Unmix(ANN, stream, "common"))
    assert shown(room) == []


def test_a_template_may_show_who_speaks_first_at_once_and_from_then_on() -> None:
    room = room_of(A, B, C)
    room.handle(SpeakerHeard(COMMON, B))
    assert shown(room)[0] == A
    room.handle(SetTemplate(COMMON, "lecture", speaker_first=True))
    assert shown(room)[:3] == [B, A, C]
    room.handle(SpeakerHeard(COMMON, C))
    assert shown(room)[:3] == [C, A, B]
    assert room.template("common").speaker_first


def test_only_a_view_that_there_is_has_a_template() -> None:
    with pytest.raises(RoomError) as refused:
        room_of().template("other")
    assert refused.value.fault is Fault.VIEW_NOT_FOUND


def test_a_layout_may_be_given_before_anybody_is_seen() -> None:
    room = room_of()
    assert moved(room.handle(SetLayout(COMMON, (Placement(LEFT), Placement(RIGHT)))))
    mixed(room, ANN, A, B, C)
    assert shown(room) == [A, B]


def test_the_same_layout_again_is_no_news() -> None:
    room = room_of(A)
    layout = SetLayout(COMMON, (Placement(LEFT, A), Placement(RIGHT)))
    assert moved(room.handle(layout))
    assert not moved(room.handle(layout))


def test_a_view_without_templates_shows_nobody_until_it_is_given_a_layout() -> None:
    room = room_of(A, B, base="void")
    assert shown(room) == []
    room.handle(SetLayout(COMMON, (Placement(LEFT, B), Placement(RIGHT))))
    assert shown(room) == [B, A]


def test_an_applications_own_sets_are_used() -> None:
    room = room_of(A, B, base="void", custom=((LEFT, RIGHT),))
    assert [(p.region, p.stream) for p in room.streams[COMMON].layout] == [(LEFT, A), (RIGHT, B)]


def test_a_lecture_has_one_large_picture() -> None:
    room = room_of(A, B, base="lecture")
    assert [p.region for p in room.streams[COMMON].layout] == list(region_sets("lecture", 16)[1])


# ── several changes at once ─────────────────────────────────────────────────────────────────────────


def test_changes_together_follow_each_other() -> None:
    room = room_of(A)
    streams_go_live(room, ANN, B)
    outputs = room.handle(
        ChangeTogether(
            (
                SetStreamActive(None, B, ("audio",), active=False),
                Mix(None, B, "common"),
                SetRegion(None, B, "common", "1"),
            )
        )
    )
    assert [type(one) for one in outputs] == [
        StreamMuted,
        SetSourceActive,
        LayoutChanged,
        SetComposition,
        LayoutChanged,
        SetComposition,
    ]
    assert shown(room) == [B, A, None, None]


GOOD = (
    Mix(None, D, "common"),
    Unmix(None, A, "common"),
    SetStreamActive(None, B, ("audio", "video"), active=False),
    SetStreamActive(None, SCREEN, ("audio",), active=False),
    SetRegion(None, B, "common", "2"),
    SetLayout(COMMON, (Placement(LEFT, C), Placement(RIGHT, D))),
    ShowInRegion(COMMON, 1, B),
)


@pytest.mark.parametrize("done", range(len(GOOD) + 1))
def test_of_changes_together_one_refused_undoes_all(done: int) -> None:
    room = room_of(A, B, C)
    streams_go_live(room, ANN, D)
    room.handle(publish(ANN, SCREEN))
    bad = Mix(None, A, "other")
    refuse(room, ChangeTogether((*GOOD[:done], bad, *GOOD[done:])), Fault.VIEW_NOT_FOUND, "other")
    assert shown(room) == [A, B, C, None]
    assert room.handle(ChangeTogether(GOOD)), "what was refused with it can be had without it"
    assert shown(room) == [C, B]


def test_after_an_undone_change_the_view_goes_on_as_before() -> None:
    room = room_of(A, B)
    refuse(
        room,
        ChangeTogether((Unmix(None, A, "common"), Unmix(None, B, "common"), Mix(None, A, "other"))),
        Fault.VIEW_NOT_FOUND,
        "other",
    )
    assert moved(room.handle(SetRegion(ANN, A, "common", "2")))
    assert shown(room) == [B, A, None, None]
