"""How the test runner reads what the runners print, and what it makes of a second run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pytest

from tools import run_tests
from tools.run_tests import (
    MARK,
    Outcome,
    cargo_failures,
    closing_line,
    left_running,
    pytest_counts,
    pytest_failures,
    vitest_failures,
    with_a_second_run,
)

CARGO = """
running 3 tests
..F
failures:

---- moving::a_client_moves stdout ----
thread panicked

failures:
    moving::a_client_moves
    tcp::a_slow_reader_is_cut

test result: FAILED. 1 passed; 2 failed
"""
PYTEST = """
FAILED tests/net/test_whip.py::test_a_player[vp8] - AssertionError: not within 10 s
ERROR tests/net/test_relay.py::test_a_relay - OSError
2 failed, 2141 passed, 3 skipped, 1 error in 812.55s (0:13:32)
"""


def test_failures_are_read_from_each_runner() -> None:
    assert cargo_failures(CARGO) == ["moving::a_client_moves", "tcp::a_slow_reader_is_cut"]
    assert vitest_failures(" FAIL  web/tests/page.test.ts > the page > opens\n") == ["web/tests/page.test.ts"]
    assert pytest_failures(PYTEST) == [
        "tests/net/test_relay.py::test_a_relay",
        "tests/net/test_whip.py::test_a_player[vp8]",
    ]


def test_the_closing_line_counts_the_second_run_in() -> None:
    counts = pytest_counts(PYTEST)
    assert counts == Counter(failed=2, passed=2141, skipped=3, error=1)
    held = with_a_second_run(counts, Counter(passed=3))
    assert closing_line(held, 900) == "2144 passed, 3 skipped in 900.00s"
    assert closing_line(with_a_second_run(counts, Counter(passed=2, failed=1)), 1).startswith("1 failed, ")


@pytest.mark.parametrize(
    ("second", "failed", "unsteady"), [(0, [], ["tests/a.py::test_b"]), (1, ["tests/a.py::test_b"], [])]
)
def test_what_fails_twice_fails(
    monkeypatch: pytest.MonkeyPatch, second: int, failed: list[str], unsteady: list[str]
) -> None:
    results = [(1, "FAILED tests/a.py::test_b - no\n1 failed, 4 passed in 1.00s\n")]
    results += [(second, "1 failed in 1.00s\n" if second else "1 passed in 1.00s\n")]
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> tuple[int, str]:
        commands.append(command)
        return results.pop(0)

    monkeypatch.setattr(run_tests, "run", run)
    outcome = Outcome()
    run_tests.run_pytest(outcome, ["tests"])
    assert (outcome.failed, outcome.unsteady) == (failed, unsteady)
    assert commands[1][-1] == "--last-failed"


def test_a_run_that_breaks_off_fails_without_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_tests, "run", lambda command: (3, "INTERNALERROR\n"))
    outcome = Outcome()
    run_tests.run_pytest(outcome, [])
    assert len(outcome.failed) == 1


def test_a_process_that_a_test_left_running_is_found() -> None:
    mark = "one-run-of-this-test"
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, MARK: mark},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert list(left_running(mark)) == [process.pid]
        process.communicate(b"\n")
    assert left_running(mark) == {}
