"""The guard against replays: once, while fresh, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.api.auth.refusals import NotAuthenticated, Refusals
from palaver.api.auth.replay import ReplayGuard

NOW = 1_700_000_000_000


def test_a_request_is_the_first_of_its_kind_once() -> None:
    guard = ReplayGuard(300)
    assert guard.first("service", NOW, "n", NOW)
    assert not guard.first("service", NOW, "n", NOW)
    assert guard.first("service", NOW, "m", NOW)
    assert guard.first("service", NOW + 1, "n", NOW)
    assert guard.first("other", NOW, "n", NOW)


def test_it_is_remembered_as_long_as_it_is_fresh() -> None:
    guard = ReplayGuard(300)
    ahead = NOW + 60_000
    assert guard.first("service", ahead, "n", NOW)
    for later in range(0, 360_001, 60_000):
        assert fresh(guard, ahead, NOW + later)
        assert not guard.first("service", ahead, "n", NOW + later)
    assert guard.stale(ahead, NOW + 360_001)


def test_little_is_accepted_from_the_future() -> None:
    guard = ReplayGuard(300)
    assert not guard.ahead(NOW + 60_000, NOW)
    assert guard.ahead(NOW + 60_001, NOW)


def test_what_is_no_longer_fresh_costs_no_memory() -> None:
    guard = ReplayGuard(300)
    for second in range(2000):
        guard.first("service", NOW + second * 1000, "n", NOW + second * 1000)
    assert guard.remembered <= 310
    guard.purge(NOW + 3_000_000)
    assert not guard._seen


def test_beyond_its_capacity_the_oldest_are_refused_rather_than_accepted_again() -> None:
    guard = ReplayGuard(300, capacity=100)
    early, late = NOW - 200_000, NOW
    assert guard.first("service", early, "n", NOW)
    for number in range(100):
        assert guard.first("service", late, str(number), NOW)
    assert guard.remembered <= 101
    assert guard.forgotten("service", early)
    assert not guard.first("service", early, "n", NOW)
    assert not guard.forgotten("service", NOW + 10_000)


def test_one_service_over_its_capacity_locks_out_no_other() -> None:
    guard = ReplayGuard(300, capacity=100)
    for number in range(1000):
        guard.first("busy", NOW + number * 10, str(number), NOW + number * 10)
    assert guard.forgotten("busy", NOW)
    assert not guard.forgotten("quiet", NOW)
    assert guard.first("quiet", NOW, "n", NOW + 10_000)


def test_a_clock_that_was_an_hour_ahead_refuses_nobody_afterwards() -> None:
    guard = ReplayGuard(300)
    hour = 3_600_000
    assert guard.first("service", NOW + hour, "n", NOW + hour)
    assert guard.first("service", NOW + hour + 400_000, "m", NOW + hour + 400_000)
    assert guard.first("service", NOW, "o", NOW)


def fresh(guard: ReplayGuard, timestamp: int, now: int) -> bool:
    return not (guard.stale(timestamp, now) or guard.ahead(timestamp, now))


@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(-400_000, 400_000), st.integers(0, 3)), max_size=60
    )
)
def test_nothing_is_ever_accepted_twice(requests: list[tuple[int, int, int]]) -> None:
    guard = ReplayGuard(300, capacity=10)
    now, accepted = NOW, set()
    for pause, offset, nonce in requests:
        now += pause
        timestamp = now + offset - offset % 1000
        if fresh(guard, timestamp, now) and guard.first("service", timestamp, str(nonce), now):
            assert (timestamp, nonce) not in accepted
            accepted.add((timestamp, nonce))
        assert guard.remembered <= 11


def test_refusals_are_counted_by_cause_and_logged_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    for _ in range(1000):
        refusals.count(NotAuthenticated("old", "stale"), "/v1/rooms")
    refusals.count(NotAuthenticated("used", "replayed"), "/v1/rooms")
    now = 11.0
    refusals.count(NotAuthenticated("old", "stale"), "/v1/rooms")
    assert refusals.stats()["auth_refused_stale_total"] == 1001
    assert refusals.stats()["auth_refused_replayed_total"] == 1
    assert refusals.stats()["auth_refused_unknown_total"] == 0
    logged = capsys.readouterr().out
    assert logged.count("not authenticated") == 3
    assert "requests=1000" in logged
