"""The list of what an analysis has seen: bounded, in sessions, and for whoever waits."""

from __future__ import annotations

import asyncio

from palaver.analytics.names import FAILURE
from palaver.analytics.results import ENDED_KEPT, MAX_BYTES, AnalysisLog, Results, SeenEvent


def results(kept: int = 1000) -> Results:
    return Results(lambda: 1000.0, kept=kept)


def test_the_oldest_events_go() -> None:
    log = (made := results(kept=10)).begin("a", "room", "motion", "s")
    for number in range(25):
        made.seen(log, "n", {"n": number})
    assert [one.id for one in log.events] == list(range(16, 26))
    assert [one.id for one in log.after(20)] == list(range(21, 26))
    for _ in range(200):
        made.seen(log, "large", {"text": "x" * 15_000})
    assert sum(len(str(one.data)) for one in log.events) <= MAX_BYTES
    made.seen(log, "n", {}, age_s=0.25)
    assert log.events[-1].time == 999_750


def test_another_start_is_another_session() -> None:
    log = (made := results()).begin("a", "room", "motion", "s")
    made.seen(log, "n", {})
    log.shows.set()
    made.failed(log, "ValueError: no", "Traceback …", 1.0)
    assert log.status == "restarting"
    again = made.begin("a", "room", "motion", "s")
    assert again is log
    assert not again.shows.is_set()
    made.seen(again, "n", {})
    assert [(one.name, one.session) for one in log.events] == [("n", 1), (FAILURE, 1), ("n", 2)]
    assert log.events[1].data == {"error": "ValueError: no", "traceback": "Traceback …", "restart_s": 1.0}


def test_what_has_ended_can_be_read_for_a_while_by_its_own_room() -> None:
    made = results()
    for number in range(ENDED_KEPT + 1):
        made.end(made.begin(str(number), "room", "motion", "s"))
    assert made.of("room", "0") is None
    assert made.of("room", "1") is not None
    assert made.of("other", "1") is None
    log = made.begin("x", "room", "motion", "s")
    log.given_up = "it failed too often"
    made.end(log)
    assert log.status == "stopped"
    assert made.given_up("x") == "it failed too often"
    assert made.given_up("1") == ""


async def test_whoever_waits_is_woken_by_an_event_and_by_the_end() -> None:
    log = (made := results()).begin("a", "room", "motion", "s")
    waiting = asyncio.ensure_future(log.newer(0, 60))
    await asyncio.sleep(0)
    made.seen(log, "n", {})
    assert [one.name for one in await waiting] == ["n"]
    assert [one.name for one in await log.newer(0, 60)] == ["n"]
    assert await log.newer(1, 0.01) == []
    waiting = asyncio.ensure_future(log.newer(1, 60))
    await asyncio.sleep(0)
    made.end(log)
    assert await waiting == []
    assert log.over


def test_every_event_is_told_and_counted() -> None:
    told: list[str] = []

    def tell(_: AnalysisLog, seen: SeenEvent) -> None:
        told.append(seen.name)

    log = (made := results()).begin("a", "room", "motion", "s")
    made.tell = tell
    made.seen(log, "n", {})
    made.failed(log, "no", "", None)
    assert told == ["n", FAILURE]
    log.counters = {"handled": 7.0, "skipped": 2.0}
    stats = made.stats()
    assert (stats["analyses"], stats["analyses_handled"], stats["analyses_skipped"]) == (1, 7.0, 2.0)
    assert (stats["analysis_events_total"], stats["analysis_failures_total"]) == (1, 1)
    assert [log.tellable(5_000, 2), log.tellable(5_999, 2), log.tellable(5_999, 2), log.tellable(6_000, 2)] == [
        True, True, False, True,
    ]  # fmt: skip
