"""Decoding begins early enough for the next picture, by what it took lately."""

from __future__ import annotations

import pytest

from palaver.mixing.video import Lead


def test_a_longer_batch_counts_at_once_and_is_forgotten_slowly() -> None:
    lead = Lead()
    assert 0 < lead.seconds < 0.01
    lead.note(0.02)
    assert lead.seconds == pytest.approx(0.023)
    for _ in range(5):
        lead.note(0.002)
    assert 0.015 < lead.seconds < 0.023
    for _ in range(100):
        lead.note(0.002)
    assert lead.seconds == pytest.approx(0.005)


def test_it_is_never_longer_than_pictures_may_wait() -> None:
    lead = Lead()
    lead.note(3.0)
    assert lead.seconds == pytest.approx(0.05)
