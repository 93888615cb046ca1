"""Sets of regions, and who sits where."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given

from palaver.room.errors import Fault, RoomError
from palaver.room.layout import Arrangement, RegionSet, fraction, region_sets
from palaver.room.values import Placement, Region, StreamId, Template

A, B, C, D, E = (StreamId(name) for name in "abcde")


def sizes(base: Template, max_input: int) -> list[int]:
    return [len(regions) for regions in region_sets(base, max_input)]


def boxes(regions: RegionSet) -> list[tuple[Fraction, ...]]:
    return [tuple(map(Fraction, (r.left, r.top, r.width, r.height))) for r in regions]


def overlap(one: tuple[Fraction, ...], other: tuple[Fraction, ...]) -> bool:
    return all(one[i] < other[i] + other[i + 2] and other[i] < one[i] + one[i + 2] for i in (0, 1))


def arrangement(*streams: StreamId, base: Template = "fluid", max_input: int = 16) -> Arrangement:
    made = Arrangement(region_sets(base, max_input), max_input)
    for stream in streams:
        made.add(stream)
    return made


def seats(made: Arrangement) -> dict[str, StreamId | None]:
    return {placement.region.id: placement.stream for placement in made.placements}


@pytest.mark.parametrize(
    ("max_input", "wanted"),
    [(1, [1]), (2, [1, 4]), (4, [1, 4]), (5, [1, 4, 9]), (16, [1, 4, 9, 16]), (17, [1, 4, 9, 16, 25])],
)
def test_a_fluid_view_has_square_grids_up_to_its_inputs(max_input: int, wanted: list[int]) -> None:
    assert sizes("fluid", max_input) == wanted


@pytest.mark.parametrize(
    ("max_input", "wanted"),
    [
        (1, [1, 6]),
        (6, [1, 6]),
        (7, [1, 6, 8]),
        (14, [1, 6, 8, 10, 12, 14]),
        (15, [1, 6, 8, 10, 12, 13, 14, 17]),
        (18, [1, 6, 8, 10, 12, 13, 14, 17, 21]),
        (256, [1, 6, 8, 10, 12, 13, 14, 17, 21, 25]),
    ],
)
def test_a_lecture_has_the_sets_that_its_inputs_need(max_input: int, wanted: list[int]) -> None:
    assert sizes("lecture", max_input) == wanted


@pytest.mark.parametrize("base", ["fluid", "lecture"])
def test_generated_regions_cover_the_picture_exactly(base: Template) -> None:
    for regions in region_sets(base, 25):
        assert [region.id for region in regions] == [str(n + 1) for n in range(len(regions))]
        tiles = boxes(regions)
        assert sum(width * height for _, _, width, height in tiles) == 1
        assert not any(overlap(a, b) for i, a in enumerate(tiles) for b in tiles[:i])


def test_a_lecture_of_six_and_of_thirteen_look_as_clients_know_them() -> None:
    six, thirteen = (next(r for r in region_sets("lecture", 25) if len(r) == n) for n in (6, 13))
    assert six[0] == Region("1", "0/1", "0/1", "2/3", "2/3")
    assert [(r.left, r.top) for r in six[1:]] == [
        ("2/3", "0/3"), ("2/3", "1/3"), ("2/3", "2/3"), ("1/3", "2/3"), ("0/3", "2/3"),
    ]  # fmt: skip
    assert (thirteen[0].width, thirteen[1].left, thirteen[1].width) == ("2/4", "2/4", "1/4")
    assert [(r.left, r.top) for r in thirteen[4:7]] == [("1/4", "2/4"), ("0/4", "2/4"), ("3/4", "0/4")]


def test_a_custom_set_replaces_the_generated_one_of_its_size() -> None:
    own = [Region(name, "0/1", "0/1", "1/1", "1/1") for name in ("x", "y", "z", "w")]
    pair = own[:2]
    sets = region_sets("fluid", 9, [own, pair])
    assert [len(regions) for regions in sets] == [1, 2, 4, 9]
    assert sets[2][0].id == "x"
    assert region_sets("void", 16) == ()


@pytest.mark.parametrize(
    ("text", "written"), [("0.5", "1/2"), ("1", "1/1"), ("0", "0/1"), ("2/4", "2/4"), (".25", "1/4")]
)
def test_fractions_are_written_as_clients_expect_them(text: str, written: str) -> None:
    assert fraction(text) == written


def test_regions_are_filled_in_order_by_the_smallest_set() -> None:
    made = arrangement()
    assert made.placements == ()
    made.add(A)
    assert seats(made) == {"1": A}
    made.add(B)
    assert seats(made) == {"1": A, "2": B, "3": None, "4": None}
    made.add(B)
    assert made.inputs == [A, B]


def test_those_behind_move_up_when_somebody_goes() -> None:
    made = arrangement(A, B, C, D, E)
    assert len(made.placements) == 9
    made.remove(B)
    assert seats(made) == {"1": A, "2": C, "3": D, "4": E}
    for stream in (A, C, D, E):
        made.remove(stream)
    assert made.placements == ()


def test_who_is_too_many_waits_and_is_promoted() -> None:
    made = arrangement(A, B, C, max_input=2)
    assert (made.region_of(C), made.inputs) == (None, [A, B, C])
    made.remove(A)
    assert seats(made) == {"1": B, "2": C, "3": None, "4": None}


def test_without_regions_everybody_waits() -> None:
    made = arrangement(A, base="void")
    assert (made.placements, made.inputs) == ((), [A])
    made.remove(A)
    assert made.inputs == []


def test_two_inputs_exchange_their_regions() -> None:
    made = arrangement(A, B, C)
    made.move(C, "1")
    assert seats(made) == {"1": C, "2": B, "3": A, "4": None}
    made.move(B, "4")
    assert seats(made) == {"1": C, "2": None, "3": A, "4": B}
    made.add(D)
    assert seats(made)["2"] == D


def test_one_that_waits_takes_the_place_of_another() -> None:
    made = arrangement(A, B, C, max_input=2)
    made.exchange(0, C)
    assert (seats(made)["1"], made.inputs) == (C, [C, B, A])


def test_an_unknown_region_or_a_stranger_is_refused() -> None:
    made = arrangement(A)
    before = made.placements
    for fault, region, stream in [(Fault.REGION_NOT_FOUND, "9", A), (Fault.NOT_IN_VIEW, "1", B)]:
        with pytest.raises(RoomError) as refused:
            made.move(stream, region)
        assert refused.value.fault is fault
    assert made.placements == before


def test_the_speaker_comes_first() -> None:
    made = arrangement(A, B)
    assert made.put_first(B)
    assert not made.put_first(B)
    assert not made.put_first(C)
    assert seats(made)["1"] == B


def test_a_given_layout_replaces_all_sets() -> None:
    made = arrangement(A, B, C)
    left, right = (Region(name, at, "0/1", "1/2", "1/1") for name, at in (("l", "0/1"), ("r", "1/2")))
    made.replace([Placement(left, B), Placement(right)])
    assert (seats(made), made.inputs) == ({"l": B, "r": A}, [B, A, C])
    made.add(D)
    assert made.region_of(D) is None
    for stream in (A, B, C, D):
        made.remove(stream)
    assert seats(made) == {"l": None, "r": None}
    with pytest.raises(RoomError):
        made.replace([Placement(left, E)])


@given(
    st.lists(st.tuples(st.sampled_from("+-=*"), st.sampled_from("abcdefgh"), st.integers(0, 5)), max_size=40)
)
def test_nobody_is_lost_or_seated_twice(steps: list[tuple[str, str, int]]) -> None:
    made, here = arrangement(max_input=4), set()
    for step, name, number in steps:
        stream = StreamId(name)
        if step == "+":
            made.add(stream)
            here.add(stream)
        elif step == "-":
            made.remove(stream)
            here.discard(stream)
        elif step == "*":
            made.put_first(stream)
        elif stream in here and number < len(made.placements):
            made.exchange(number, stream)
        seated = [placement.stream for placement in made.placements if placement.stream is not None]
        assert len(made.inputs) == len(here)
        assert set(made.inputs) == here
        assert len(seated) == min(4, len(here))
        assert len(seated) <= len(made.placements)
