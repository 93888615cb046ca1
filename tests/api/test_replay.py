"""The guard against replays: once, while fresh, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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
    ahead = NOW + 300_000
    assert guard.first("service", ahead, "n", NOW)
    for later in range(0, 600_001, 60_000):
        assert guard.fresh(ahead, NOW + later)
        assert not guard.first("service", ahead, "n", NOW + later)
    assert not guard.fresh(ahead, NOW + 600_001)


def test_what_is_no_longer_fresh_costs_no_memory() -> None:
    guard = ReplayGuard(300)
    for second in range(2000):
        guard.first("service", NOW + second * 1000, "n", NOW + second * 1000)
    assert guard._remembered == sum(map(len, guard._slices.values())) <= 310


def test_beyond_its_capacity_the_oldest_are_refused_rather_than_accepted_again() -> None:
    guard = ReplayGuard(300, capacity=100)
    early, late = NOW - 200_000, NOW
    assert guard.first("service", early, "n", NOW)
    for number in range(100):
        assert guard.first("service", late, str(number), NOW)
    assert guard._remembered <= 101
    assert not guard.fresh(early, NOW)
    assert not guard.first("service", early, "n", NOW)
    assert guard.fresh(NOW + 10_000, NOW)


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
        if guard.fresh(timestamp, now) and guard.first("service", timestamp, str(nonce), now):
            assert (timestamp, nonce) not in accepted
            accepted.add((timestamp, nonce))
        assert guard._remembered <= 11
