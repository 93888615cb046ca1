"""Altered streams, descriptions and playlists end in an error that is said: no hang, no end of the process."""

from __future__ import annotations

import pytest

from tests.streaming.fuzz import Outcome, fuzz

CASES = 200


@pytest.mark.timeout(400)
def test_altered_streams_are_errors() -> None:
    outcome = fuzz(CASES, "a test")
    assert outcome == Outcome(run=CASES)
    assert outcome.frames > CASES, "most streams can be read in part"
