"""Stamps to positions: by properties, and each trap that recordings elsewhere fell into."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.media.timeline import SECOND_NS, Filler, TrackTimeline, Unwrapper

MS = SECOND_NS // 1000
HOUR = 3600
VIDEO, AUDIO = 90_000, 48_000
TURN = 1 << 32


@given(
    st.sampled_from([32, 33]), st.integers(0, 1 << 40), st.lists(st.integers(-90_000, 900_000), max_size=60)
)
def test_unwrapped_stamps_keep_their_distances(bits: int, first: int, steps: list[int]) -> None:
    unwrapper, turn = Unwrapper(bits), 1 << bits
    true = [first]
    for step in steps:
        true.append(max(true) + step)
    extended = [unwrapper.extend(stamp % turn) for stamp in true]
    assert [one - extended[0] for one in extended] == [one - first for one in true]


@given(st.integers(0, TURN - 1), st.permutations(range(12)))
def test_reordering_around_the_wrap_is_no_jump(first: int, order: list[int]) -> None:
    unwrapper = Unwrapper(32)
    base = unwrapper.extend(first)
    assert [unwrapper.extend((first + n * 3000) % TURN) - base for n in order] == [n * 3000 for n in order]


@pytest.mark.parametrize(("bits", "wraps_after_s"), [(32, 13 * HOUR + 14 * 60), (33, 26.5 * HOUR)])
def test_a_track_goes_on_where_its_stamps_wrap(bits: int, wraps_after_s: float) -> None:
    turn = 1 << bits
    assert turn / VIDEO == pytest.approx(wraps_after_s, rel=0.01)
    unwrapper, timeline = Unwrapper(bits), TrackTimeline()
    first = turn - 5 * VIDEO  # five seconds before the wrap
    for n in range(300):
        position = timeline.place(
            unwrapper.extend((first + n * VIDEO // 30) % turn), VIDEO, SECOND_NS + n * SECOND_NS // 30
        )
        assert position.at_ns == pytest.approx(SECOND_NS + n * SECOND_NS / 30, abs=2)
        assert not position.jumped


def test_tracks_that_start_apart_keep_their_distance() -> None:
    sound, picture = TrackTimeline(), TrackTimeline()
    heard = [sound.place(4_000_000 + n * 960, AUDIO, 10 * SECOND_NS + n * 20 * MS).at_ns for n in range(400)]
    seen = [
        picture.place(77 + n * 3000, VIDEO, 13 * SECOND_NS + n * SECOND_NS // 30).at_ns for n in range(90)
    ]
    assert abs((seen[0] - heard[0]) - 3 * SECOND_NS) < MS
    assert abs((seen[-1] - heard[0]) - (3 * SECOND_NS + 89 * SECOND_NS // 30)) < MS


@given(st.integers(0, 1 << 30))
def test_sound_that_arrives_in_jerks_is_placed_by_its_own_clock(seed: int) -> None:
    chance, timeline = random.Random(seed), TrackTimeline()
    placed = [
        timeline.place(n * 960, AUDIO, n * 20 * MS + chance.choice((0, 3, 15, 60)) * MS).at_ns
        for n in range(300)
    ]
    steps = [after - before for before, after in itertools.pairwise(placed)]
    assert all(abs(step - 20 * MS) <= 1.01 * MS for step in steps)  # a correction of 5 % at most


def test_the_first_report_moves_a_track_without_a_step() -> None:
    timeline, before = TrackTimeline(), 0
    for n in range(1500):
        late = 120 * MS if n < 100 else 0  # by arrival; then the sender says when it was
        at = timeline.place(n * 960, AUDIO, SECOND_NS + n * 20 * MS + late).at_ns
        assert n == 0 or 18 * MS < at - before < 22 * MS
        before = at
    assert abs(before - (SECOND_NS + 1499 * 20 * MS)) <= 3 * MS


def test_drift_of_20_s_in_104_minutes_is_made_up_for_slowly() -> None:
    timeline, worst, before = TrackTimeline(), 0, 0
    count = 104 * 60 * 10
    for n in range(count):  # ten frames a second; the sender's clock is too slow
        true = n * 100 * MS + 20 * SECOND_NS * n // count
        at = timeline.place(n * 4800, AUDIO, true).at_ns
        worst = max(worst, abs(at - true))
        assert n == 0 or abs(at - before - 100 * MS) <= 5 * MS
        before = at
    assert worst < 20 * MS
    assert timeline.corrected_ns == pytest.approx(20 * SECOND_NS, rel=0.01)


def test_beep_and_flash_stay_together_for_an_hour() -> None:
    sound, picture, chance = TrackTimeline(), TrackTimeline(), random.Random(4)
    for second in range(HOUR):  # a beep and a flash per second, each clock wrong by another 200 ppm
        true = SECOND_NS * (second + 1)
        reported = second > 3
        late = [0 if reported else chance.randrange(40) * MS for _ in range(2)]
        beep = sound.place(round(second * AUDIO * 1.0002), AUDIO, true + late[0]).at_ns
        flash = picture.place(round(second * VIDEO * 0.9998), VIDEO, true + late[1]).at_ns
        assert abs(beep - flash) <= 40 * MS


def test_a_camera_of_16_frames_a_second_does_not_play_fast() -> None:
    timeline = TrackTimeline()
    first, *_, last = [timeline.place(n * 5625, VIDEO, n * 62_500_000).at_ns for n in range(161)]
    assert last - first == 10 * SECOND_NS


@given(st.integers(-(1 << 50), 1 << 50).filter(lambda jump: abs(jump) > 2 * VIDEO))
def test_a_jump_of_stamps_makes_no_long_file(jump: int) -> None:
    timeline, jumps = TrackTimeline(), 0
    for n in range(120):
        stamp = n * 3000 + (jump if n >= 60 else 0)
        position = timeline.place(stamp, VIDEO, n * SECOND_NS // 30)
        assert position.at_ns == pytest.approx(n * SECOND_NS / 30, abs=MS)
        jumps += position.jumped
    assert jumps == 1


def test_a_single_wrong_stamp_does_not_move_the_track() -> None:
    timeline = TrackTimeline()
    for n in range(90):
        stamp = (1 << 45) if n == 50 else n * 3000
        assert not timeline.place(stamp, VIDEO, n * SECOND_NS // 30).jumped
        assert timeline.place(n * 3000, VIDEO, n * SECOND_NS // 30).at_ns == pytest.approx(
            n * SECOND_NS / 30, abs=2
        )


def test_drift_is_never_taken_for_a_jump() -> None:
    timeline = TrackTimeline()
    assert not any(timeline.place(n * 960, AUDIO, round(n * 20 * MS * 1.004)).jumped for n in range(20_000))


@given(st.lists(st.tuples(st.integers(0, 2000), st.sampled_from([10, 20, 60])), max_size=80))
def test_holes_in_sound_are_filled_up_to_less_than_a_frame(frames: list[tuple[int, int]]) -> None:
    filler, end = Filler(), 0
    filler.begin(0)
    for gap, duration in frames:
        at = end + gap * MS
        silence = filler.take(at, duration * MS)
        assert silence == [end + n * 20 * MS for n in range(gap // 20)]
        end = at + duration * MS
        assert filler.end_ns == end


def test_silence_that_is_not_sent_is_not_squeezed_out() -> None:
    filler = Filler()
    assert filler.take(0, 20 * MS) == []
    assert filler.take(400 * MS, 20 * MS) == [n * 20 * MS for n in range(1, 20)]


def test_a_frame_for_which_there_was_silence_already_is_left_out() -> None:
    filler = Filler()
    filler.begin(0)
    assert len(filler.until(SECOND_NS)) == 50
    assert filler.take(500 * MS, 20 * MS) is None
    assert filler.take(SECOND_NS, 20 * MS) == []
