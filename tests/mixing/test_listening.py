"""An audio input: jitter, loss, and clocks that do not agree. Time is given, nothing waits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from palaver.mixing.listening import DELAY_S, AudioInput, loudness
from palaver.mixing.sound import BLOCK, RATE, Samples
from tests.mixing.scenes import packets, strength, tone


@dataclass
class Playing:
    """An input that is fed and drained on virtual time."""

    codec: str = "opus"
    heard: list[Samples | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.input = AudioInput(1, self.codec)

    def run(self, arrivals: list[float], samples: Samples, *, until: float, step: float = 0.02) -> Samples:
        """Packet n arrives at ``arrivals[n]`` (negative: lost); a block is taken every ``step``."""
        sent = packets(samples, codec=self.codec)
        waiting = sorted((at, n) for n, at in enumerate(arrivals) if at >= 0)
        now = 0.0
        while now < until:
            while waiting and waiting[0][0] <= now:
                at, n = waiting.pop(0)
                self.input.receive(sent[n], at)
            self.heard.append(self.input.block(now, wanted=True))
            now += step
        return np.concatenate([block for block in self.heard if block is not None])


def steady(count: int) -> list[float]:
    return [n * 0.02 for n in range(count)]


@pytest.mark.parametrize("codec", ["opus", "pcmu", "pcma", "g722"])
def test_a_tone_is_heard_without_a_break(codec: str) -> None:
    playing = Playing(codec)
    heard = playing.run(steady(99), tone(440, 2.0), until=1.9)
    assert playing.input.concealed == 0
    assert strength(heard[-RATE:], [440, 900]) == pytest.approx([0.2, 0.0], abs=0.02)


def test_nothing_is_heard_before_the_delay() -> None:
    playing = Playing()
    playing.run(steady(20), tone(440, 0.5), until=0.3)
    first = next(n for n, block in enumerate(playing.heard) if block is not None)
    assert first == round(DELAY_S / 0.02)


def test_jitter_and_reordering_below_the_delay_are_not_heard() -> None:
    late = [0.02 * n + (0.03 if n % 3 == 0 else 0.0) for n in range(99)]
    playing = Playing()
    heard = playing.run(late, tone(440, 2.0), until=1.9)
    assert playing.input.dropped == 0
    assert strength(heard[-RATE:], [440]) == pytest.approx([0.2], abs=0.03)


def test_a_lost_packet_is_concealed_and_the_next_one_is_in_its_place() -> None:
    arrivals = steady(99)
    arrivals[40] = -1.0
    playing = Playing()
    heard = playing.run(arrivals, tone(440, 2.0), until=1.9)
    assert playing.input.concealed == BLOCK
    assert np.abs(heard[RATE // 2 :]).max() < 0.45
    assert strength(heard[-RATE // 2 :], [440]) == pytest.approx([0.2], abs=0.02)


def test_silence_follows_when_packets_stop_and_sound_when_they_return() -> None:
    arrivals = [n * 0.02 + (1.0 if n >= 20 else 0.0) for n in range(60)]
    playing = Playing()
    playing.run(arrivals, tone(440, 1.5), until=2.2)
    quiet = [block for block in playing.heard[30:65] if block is not None]
    assert all(np.abs(block).max() < 1e-3 for block in quiet)
    assert any(block is not None and np.abs(block).max() > 0.15 for block in playing.heard[75:])


@pytest.mark.parametrize("drift", [0.99, 1.01])
def test_a_clock_that_runs_wrong_does_not_add_delay(drift: float) -> None:
    arrivals = [n * 0.02 * drift for n in range(1400)]
    playing = Playing("pcmu")
    playing.run(arrivals, tone(440, 28.2), until=27.0)
    waiting = len(playing.input._waiting) * 0.02
    assert waiting < 0.2


def test_a_burst_after_a_stall_is_not_played_late() -> None:
    arrivals = [n * 0.02 if n < 20 else max(1.4, n * 0.02) for n in range(99)]
    playing = Playing()
    playing.run(arrivals, tone(440, 2.0), until=1.9)
    assert playing.input.dropped > 30
    assert len(playing.input._waiting) * 0.02 < 0.2


def test_what_is_not_wanted_passes_unheard_and_comes_back_in_time() -> None:
    sent = packets(tone(440, 2.0), level=30)
    one = AudioInput(1, "opus")
    for n, message in enumerate(sent):
        one.receive(message, n * 0.02)
        block = one.block(n * 0.02, wanted=n >= 50)
    assert block is not None
    assert len(one._waiting) <= 4
    assert one.told


def test_loudness_is_counted_in_dbov() -> None:
    assert loudness(np.zeros((BLOCK, 2), np.float32)) == 127
    assert loudness(np.ones((BLOCK, 2), np.float32)) == 0
    assert loudness(tone(400, 0.02, level=1.0)) == pytest.approx(3.0, abs=0.2)
