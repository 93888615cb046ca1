"""What the test source shows and lets hear."""

from __future__ import annotations

import numpy as np
import pytest

from palaver.mixing.canvas import planes
from palaver.streaming.bars import FLASH_NS, SECOND_NS, Bars, beep, clock, is_flash

BEGIN_NS = 1_700_000_000 * SECOND_NS  # 22:13:20 UTC


@pytest.mark.parametrize(
    ("after_ns", "drawn"),
    [(0, "22:13:20.000"), (1_999_999, "22:13:20.001"), (6_400 * SECOND_NS, "00:00:00.000")],
)
def test_the_clock_tells_the_time_of_day(after_ns: int, drawn: str) -> None:
    assert clock(BEGIN_NS + after_ns) == drawn


def test_seven_bars_stand_side_by_side_and_the_clock_runs_below() -> None:
    bars = Bars(320, 180)
    luma = planes(bars.picture(BEGIN_NS + SECOND_NS // 2))[0]
    shades = [int(luma[20, at]) for at in range(20, 320, 46)]
    assert shades == sorted(shades, reverse=True)
    assert len(set(shades)) == 7
    later = planes(bars.picture(BEGIN_NS + SECOND_NS // 2 + 7_000_000))[0]
    assert np.array_equal(later[:90], luma[:90])
    assert not np.array_equal(later[90:], luma[90:])


def test_the_picture_is_white_as_long_as_the_tone_sounds() -> None:
    rate = 48_000
    sound = beep(BEGIN_NS, rate, rate)[:, 0]
    loud = np.flatnonzero(np.abs(sound) > 0.1)
    assert loud[-1] == pytest.approx(FLASH_NS * rate / SECOND_NS, abs=rate / 1000)
    spectrum = np.abs(np.fft.rfft(sound[: rate // 10]))
    assert int(np.argmax(spectrum)) == 100  # 1000 Hz in steps of 10
    bars = Bars(320, 180)
    for after_ns, white in ((0, True), (FLASH_NS - 1, True), (FLASH_NS, False), (SECOND_NS, True)):
        assert is_flash(BEGIN_NS + after_ns) is white
        darkest = int(planes(bars.picture(BEGIN_NS + after_ns))[0][:90].min())
        assert (darkest == 235) is white


def test_blocks_of_sound_follow_each_other_without_a_seam() -> None:
    step_ns = 20_000_000
    parts = [beep(BEGIN_NS + number * step_ns, 960, 48_000) for number in range(10)]
    assert np.allclose(np.concatenate(parts), beep(BEGIN_NS, 9600, 48_000), atol=1e-4)
