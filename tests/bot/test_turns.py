"""Turns: who speaks from when to when, whatever the noise around."""

from __future__ import annotations

from typing import Any

import numpy as np

from palaver.bot.hearing import TurnFinder
from palaver.bot.values import RATE

BLOCK = RATE // 50


def tone(seconds: float, amplitude: float = 0.3) -> np.ndarray[Any, Any]:
    wave: np.ndarray[Any, Any] = amplitude * np.sin(np.arange(int(seconds * RATE)) * 0.05)
    return wave.astype(np.float32)


def noise(seconds: float, amplitude: float) -> np.ndarray[Any, Any]:
    return (amplitude * np.random.default_rng(1).standard_normal(int(seconds * RATE))).astype(np.float32)


def found(sound: np.ndarray[Any, Any], finder: TurnFinder | None = None) -> list[float]:
    """How long each turn in a sound took, in seconds."""
    finder = finder or TurnFinder()
    turns = (finder.hear(sound[at : at + BLOCK]) for at in range(0, len(sound), BLOCK))
    return [len(turn) / RATE for turn in turns if turn is not None]


def test_a_sentence_is_one_turn_with_its_first_sound_and_its_pauses() -> None:
    sound = np.concatenate([noise(1, 1e-4), tone(0.8), noise(0.3, 1e-4), tone(0.5), noise(2, 1e-4)])
    (seconds,) = found(sound)
    assert 1.6 + 0.6 - 0.05 <= seconds <= 1.6 + 0.6 + 0.3


def test_silence_noise_and_clicks_are_no_turns() -> None:
    assert found(np.zeros(3 * RATE, np.float32)) == []
    assert found(noise(5, 0.02)) == []
    clicks = np.concatenate([noise(1, 1e-4), tone(0.02), noise(1, 1e-4), tone(0.03), noise(1, 1e-4)])
    assert found(clicks) == []


def test_a_voice_above_noise_is_a_turn() -> None:
    assert len(found(np.concatenate([noise(4, 0.003), tone(1), noise(2, 0.003)]))) == 1


def test_who_is_muted_in_the_middle_of_a_word_has_finished() -> None:
    finder = TurnFinder()
    assert found(np.concatenate([noise(1, 1e-4), tone(0.5)]), finder) == []
    assert finder.speaking
    turns = [finder.silent(0.1) for _ in range(7)]
    assert [turn is not None for turn in turns].count(True) == 1
    assert not finder.speaking


def test_who_never_stops_is_heard_a_minute_at_a_time() -> None:
    assert found(np.concatenate([noise(1, 1e-4), tone(130)]))[0] < 61


def test_nothing_of_one_turn_is_in_the_next() -> None:
    finder = TurnFinder()
    sound = np.concatenate([noise(1, 1e-4), tone(0.5), noise(1.5, 1e-4)])
    first, second = found(sound, finder), found(sound, finder)
    assert abs(first[0] - second[0]) < 0.05
