"""What the algorithms for sound hear, and what they must not."""

from __future__ import annotations

import numpy as np
import pytest

from palaver.analytics.algorithms.sounds import Loudness, Silence
from palaver.analytics.algorithms.voice import Voice
from tests.analytics.clips import Sound, audio, hiss, nothing, said, speech, tone

RATE = 16_000


def test_speech_is_told_from_its_beginning_to_its_end() -> None:
    words = speech("Good morning, can everybody hear me well?", RATE)
    clip = np.concatenate([nothing(1, RATE), words, nothing(2, RATE), words, nothing(2, RATE)])
    told = said(Voice, audio(Voice, clip, RATE))
    assert [one.name for _, one in told] == ["voice", "voice-over", "voice", "voice-over"]
    begun, seconds = told[0][0], told[1][1].data["seconds"]
    assert 1.0 <= begun <= 1.6
    assert abs(seconds - len(words) / RATE) < 0.8


def test_a_muted_word_ends_by_the_silence_that_follows() -> None:
    words = speech("This sentence is cut off in the middle of it", RATE)
    told = said(Voice, audio(Voice, np.concatenate([words[:RATE], nothing(2, RATE)]), RATE))
    assert [one.name for _, one in told] == ["voice", "voice-over"]


@pytest.mark.parametrize("sound", [tone(4, RATE), hiss(4, RATE), nothing(4, RATE), tone(4, RATE, 100, 0.5)])
def test_what_is_no_speech_is_none(sound: Sound) -> None:
    assert said(Voice, audio(Voice, sound, RATE)) == []


def test_loudness_is_told_in_decibels_of_full_scale() -> None:
    clip = np.concatenate([tone(1, 48_000, level=0.1), nothing(1, 48_000)])
    told = [one.data for _, one in said(Loudness, audio(Loudness, clip, 48_000))]
    assert [(one["mean"], one["peak"]) for one in told] == [(-23.0, -20.0), (-96.0, -96.0)]
    often = said(Loudness, audio(Loudness, clip, 48_000), every_s=0.5)
    assert len(often) == 4


def test_silence_is_told_after_a_while_and_a_pause_is_none() -> None:
    loud, pause, silent = tone(1, RATE), nothing(1, RATE), nothing(3, RATE)
    clip = np.concatenate([loud, pause, loud, silent, loud])
    told = said(Silence, audio(Silence, clip, RATE))
    assert [one.name for _, one in told] == ["silence", "silence-over"]
    assert [round(time) for time, _ in told] == [5, 6]
    assert said(Silence, audio(Silence, hiss(4, RATE, 0.01), RATE)) == []
    assert [one.name for _, one in said(Silence, audio(Silence, hiss(4, RATE, 0.01), RATE), below=-30)] == [
        "silence"
    ]
