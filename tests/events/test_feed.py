"""Who follows the events of a room hears all of them, in order, or that some are missing."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from palaver.events.feed import KEPT_PER_ROOM, KEPT_ROOMS, EventFeed, Missed, RoomEvent


def feed(now: float = 1_700_000_000.0) -> EventFeed:
    return EventFeed(lambda *_: None, lambda: now)


async def heard(of: EventFeed, count: int, *, room: str = "r", after: str | None = None) -> list[object]:
    """The types of the next ``count`` events, or Missed."""
    found: list[object] = []
    async with asyncio.timeout(5), aclosing(of.follow(room, after)) as events:
        async for event in events:
            found.append(event.type if isinstance(event, RoomEvent) else event)
            if len(found) == count:
                break
    return found


def told(of: EventFeed, *types: str, room: str = "r") -> list[RoomEvent]:
    """The events as somebody hears them who watches all rooms."""
    seen: list[RoomEvent] = []
    of.watch(seen.append)
    for one in types:
        of.tell(room, one, {})
    return seen


async def later(of: EventFeed, *types: str) -> None:
    told(of, *types)


async def test_a_follower_hears_what_happens_from_now_on() -> None:
    one = feed()
    told(one, "before")
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(heard(one, 2))  # runs until it waits, before the next task runs
        tasks.create_task(later(one, "a", "b"))
    assert following.result() == ["a", "b"]
    assert one.stats()["followers"] == 0


async def test_a_follower_that_comes_back_hears_what_it_missed() -> None:
    one = feed()
    events = told(one, "a", "b", "c")
    assert await heard(one, 2, after=events[0].id) == ["b", "c"]


async def test_other_rooms_are_not_heard_and_leave_no_gap() -> None:
    one = feed()
    (first,) = told(one, "a")
    told(one, "x", "y", room="other")
    told(one, "b")
    assert await heard(one, 1, after=first.id) == ["b"]


async def test_events_that_are_not_kept_any_more_are_said_to_be_missing() -> None:
    one = feed()
    (first,) = told(one, "first")
    for number in range(KEPT_PER_ROOM + 1):
        one.tell("r", str(number), {})
    assert await heard(one, 2, after=first.id) == [Missed(), "1"]


async def test_what_happened_exactly_since_then_is_kept() -> None:
    one = feed()
    (first,) = told(one, "first")
    for number in range(KEPT_PER_ROOM):
        one.tell("r", str(number), {})
    assert await heard(one, 1, after=first.id) == ["0"]


async def test_after_a_restart_a_follower_is_told_that_it_missed_something() -> None:
    before, now = feed(), feed(1_700_000_100.0)
    (last,) = told(before, "a")
    told(now, "b")
    assert await heard(now, 2, after=last.id) == [Missed(), "b"]
    assert await heard(now, 2, after="nonsense") == [Missed(), "b"]


async def test_a_slow_follower_is_told_and_goes_on_with_what_is_kept() -> None:
    one = feed()
    (start,) = told(one, "start")
    async with asyncio.timeout(5), aclosing(one.follow("r", start.id)) as events:
        one.tell("r", "first", {})
        first = await anext(events)
        for number in range(KEPT_PER_ROOM + 5):
            one.tell("r", str(number), {})
        found = [await anext(events), await anext(events)]
    assert isinstance(first, RoomEvent)
    assert first.type == "first"
    assert found[0] == Missed()
    assert isinstance(found[1], RoomEvent)
    assert found[1].type == "5"


async def test_the_rooms_that_are_remembered_are_bounded() -> None:
    one = feed()
    (first,) = told(one, "a")
    for number in range(KEPT_ROOMS):
        one.tell(f"room {number}", "x", {})
    one.tell("r", "b", {})
    assert await heard(one, 2, after=first.id) == [Missed(), "b"]
