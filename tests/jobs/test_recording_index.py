"""The index of recordings tells what there is, also after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from palaver.jobs.recording_index import RecordingIndex
from palaver.recording.index import Attendance, Mark, Part
from palaver.store import Store

ROOM, SERVICE = "1" * 24, "a" * 24


class Index:
    """An index whose recordings go on as long as they are in ``jobs``."""

    def __init__(self, store: Store) -> None:
        self.store, self.now, self.jobs = store, 1000.0, {"42"}
        self.index = RecordingIndex(lambda: self.now)

    async def save(self) -> None:
        await self.index.save(self.store, lambda room, recording: room == ROOM and recording in self.jobs)

    def begin(self, file: str = "r/42.mkv") -> None:
        self.index.began("42", ROOM, file, "mkv", ("opus", "vp8"))

    def end(self) -> None:
        """Nobody records it any more."""
        self.index.closed("42")
        self.jobs.clear()


@pytest.fixture
async def here() -> AsyncIterator[Index]:
    store = await Store.open("sqlite://", master_key=b"master key of 32 bytes, or more..")
    await store.services.create(SERVICE, "anna", "key", created_ms=1)
    await store.rooms.create(ROOM, SERVICE, {"name": "r"}, created_ms=1)
    yield Index(store)
    await store.close()


async def test_a_recording_is_in_the_store_while_it_goes_on(here: Index) -> None:
    here.begin()
    here.index.grew("42", 5000, 2.5)
    await here.save()
    (entry,) = await here.store.recordings.of(SERVICE, ROOM)
    assert (entry.started_ms, entry.ended_ms, entry.seconds, entry.size) == (1_000_000, None, 2.5, 5000)
    assert entry.parts == [
        Part(file="r/42.mkv", started_ms=1_000_000, seconds=2.5, size=5000, zero_ms=997_500)
    ]
    here.index.grew("42", 9000, 4.5)
    await here.save()
    assert (await here.store.recordings.of(SERVICE))[0].size == 9000


async def test_it_has_ended_once_nobody_records_it(here: Index) -> None:
    here.begin()
    await here.save()
    here.index.finished("42", 9000, 4.5)
    here.end()
    here.now = 1010.0
    await here.save()
    (entry,) = await here.store.recordings.ended()
    assert (entry.ended_ms, entry.reason, entry.parts[0].complete) == (1_010_000, "", True)
    assert here.index.get("42") is None
    assert here.index.stats()["completed_total"] == 1


async def test_what_went_wrong_is_told(here: Index) -> None:
    here.begin()
    here.index.failed("42", "too little space is left")
    here.end()
    await here.save()
    assert (await here.store.recordings.ended())[0].reason == "too little space is left"


async def test_marks_count_all_parts(here: Index) -> None:
    here.begin()
    here.index.grew("42", 1, 10.0)
    here.begin("r/42.part2.mkv")
    here.index.marked("42", "paused", 3.0)
    entry = here.index.get("42")
    assert entry is not None
    assert entry.marks == [Mark(what="paused", at_ms=1_000_000, seconds=13.0)]
    assert entry.paused
    here.index.marked("42", "resumed", 3.0)
    assert not entry.paused


async def test_after_a_crash_it_goes_on_with_another_part(here: Index) -> None:
    here.begin()
    here.index.grew("42", 5000, 2.5)
    await here.save()
    after = Index(here.store)
    await after.index.load(here.store)
    after.begin("r/42.part2.mkv")
    await after.save()
    (entry,) = await here.store.recordings.going_on()
    assert [(part.file, part.complete) for part in entry.parts] == [
        ("r/42.mkv", False),
        ("r/42.part2.mkv", False),
    ]


async def test_one_that_is_not_resumed_after_a_crash_has_ended(here: Index) -> None:
    here.begin()
    await here.save()
    after = Index(here.store)
    after.jobs.clear()
    await after.index.load(here.store)
    await after.save()
    assert len(await here.store.recordings.ended()) == 1
    assert await here.store.recordings.going_on() == []


async def test_nothing_recorded_is_no_part(here: Index) -> None:
    here.begin()
    here.index.finished("42", 0, 0.0)
    entry = here.index.get("42")
    assert entry is not None
    assert entry.parts == []


async def test_who_joined_and_left_is_remembered(here: Index) -> None:
    here.begin()
    entry = here.index.get("42")
    assert entry is not None
    entry.joined("p1", "ann", 1)
    entry.joined("p2", "ben", 2)
    entry.left("p1", 3)
    await here.save()
    (stored,) = await here.store.recordings.going_on()
    assert stored.participants == [
        Attendance(participant="p1", user="ann", joined_ms=1, left_ms=3),
        Attendance(participant="p2", user="ben", joined_ms=2),
    ]


async def test_it_has_not_ended_while_its_last_part_is_written(here: Index) -> None:
    here.begin()
    here.jobs.clear()
    await here.save()
    assert await here.store.recordings.ended() == []
    waiting = asyncio.ensure_future(here.index.settled("42"))
    here.index.finished("42", 9000, 4.5)
    here.index.closed("42")
    await waiting
    await here.save()
    assert (await here.store.recordings.ended())[0].parts[0].complete
