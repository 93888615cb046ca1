"""Rooms that record themselves, with a store and rooms that are real and files in which nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from palaver.api.wire.rooms import config_of, new_room
from palaver.backoff import Backoff
from palaver.host import RoomHost, Rooms
from palaver.jobs.jobs import Jobs
from palaver.jobs.kinds import JobFailed
from palaver.jobs.opening import RoomOpener
from palaver.jobs.own_recordings import OwnRecordings, order
from palaver.jobs.recording import Recording
from palaver.jobs.recording_index import RecordingIndex
from palaver.media.fake import FakeEngine
from palaver.recording.storage import Storage
from palaver.room.endpoints import FileSink
from palaver.room.messages import Join, Leave
from palaver.room.values import ParticipantId, RoomId
from palaver.store import Store
from tests.compat.silent_files import FreeRecordings, silent_files
from tests.jobs.stage import MASTER, ROOM, SERVICE, until

ANN = ParticipantId("ann")


class FullDisk(FreeRecordings):
    """No space, at first."""

    refusals = 0

    async def check(self, request: Recording) -> None:
        """Refuse twice."""
        self.refusals += 1
        if self.refusals < 3:
            raise JobFailed("no space")


class Node:
    """What runs until it is killed."""

    def __init__(self, store: Store, kind: FreeRecordings) -> None:
        self.store, self.kind = store, kind
        self.index = RecordingIndex(lambda: 1_700_000_000.0)
        self.rooms = Rooms(FakeEngine({FileSink: silent_files(self.index)}), empty_timeout_s=0.05)
        self.opener = RoomOpener(store, self.rooms, config_of)
        self.jobs = Jobs(store, self.opener, [kind], backoff=quick)
        self.own = OwnRecordings(self.jobs, lambda: 1_700_000_000.0, backoff=quick)
        self.rooms.watch(self.own.room_started)

    def recordings(self) -> list[Recording]:
        return [job.request for job in self.jobs.of(ROOM) if job.begun.done()]

    async def joined(self) -> RoomHost:
        host = await self.opener.open(ROOM)
        host.submit(Join(ANN, "Ann", "presenter"))
        return host

    async def ended(self) -> None:
        await until(lambda: self.rooms.get(RoomId(ROOM)) is None and not self.jobs.of(ROOM))


def quick() -> Backoff:
    return Backoff(first_s=0.005, most_s=0.02, good_s=1000)


async def store_with(**options: Any) -> Store:
    store = await Store.open("sqlite://", master_key=MASTER)
    await store.services.create(SERVICE, "service", "key", created_ms=1)
    document = new_room({"name": "standup", "options": options})
    await store.rooms.create(ROOM, SERVICE, document, created_ms=1)
    return store


@asynccontextmanager
async def running(store: Store, kind: FreeRecordings | None = None) -> AsyncIterator[Node]:
    node = Node(store, kind or FreeRecordings(Storage(Path("/recordings"))))
    async with asyncio.TaskGroup() as tasks:
        parts = [tasks.create_task(part.run()) for part in (node.rooms, node.jobs, node.own)]
        await node.jobs.resumed.wait()
        try:
            yield node
        finally:
            for part in reversed(parts):
                part.cancel()


async def test_a_room_is_recorded_from_the_first_join_until_it_ends() -> None:
    async with running(await store_with(recording={"auto": True})) as node:
        host = await node.joined()
        await until(lambda: bool(node.recordings()))
        (request,) = node.recordings()
        assert request.video is not None
        assert (request.by, request.video.stream) == ("room", f"{ROOM}-common")
        host.submit(Leave(ANN))
        await node.ended()


async def test_a_room_that_nobody_enters_is_not_recorded_and_ends() -> None:
    async with running(await store_with(recording={"auto": True})) as node:
        await node.opener.open(ROOM)
        await node.ended()
        assert node.index.stats()["parts_total"] == 0


@pytest.mark.parametrize("options", [{}, {"recording": {"auto": False}}])
async def test_other_rooms_are_not_recorded(options: dict[str, Any]) -> None:
    async with running(await store_with(**options)) as node:
        host = await node.joined()
        host.submit(Leave(ANN))
        await node.ended()
        assert node.index.stats()["parts_total"] == 0


async def test_one_that_somebody_ended_does_not_begin_again() -> None:
    async with running(await store_with(recording={})) as node:
        host = await node.joined()
        await until(lambda: bool(node.recordings()))
        await node.jobs.stop(node.jobs.of(ROOM)[0].id)
        host.submit(Join(ParticipantId("ben"), "Ben", "presenter"))
        host.submit(Leave(ParticipantId("ben")))
        host.submit(Leave(ANN))
        await node.ended()
        assert node.index.stats()["parts_total"] == 1


async def test_each_time_that_the_room_runs_is_another_recording() -> None:
    async with running(await store_with(recording={})) as node:
        for number in (1, 2):
            host = await node.joined()
            await until(lambda: bool(node.recordings()))
            host.submit(Leave(ANN))
            await node.ended()
            assert node.index.stats()["parts_total"] == number


async def test_it_begins_when_there_is_space_again() -> None:
    kind = FullDisk(Storage(Path("/recordings")))
    async with running(await store_with(recording={}), kind) as node:
        await node.joined()
        await until(lambda: bool(node.recordings()))
        assert kind.refusals == 3


async def test_after_a_restart_it_goes_on_and_no_second_one_begins() -> None:
    store = await store_with(recording={})
    async with running(store) as node:
        await node.joined()
        await until(lambda: bool(node.recordings()))
        (job,) = node.jobs.of(ROOM)
        await node.jobs.close()
    async with running(store) as node:
        host = await node.joined()
        await until(lambda: bool(node.recordings()))
        assert [one.id for one in node.jobs.of(ROOM)] == [job.id]
        host.submit(Leave(ANN))
        await node.ended()
    async with running(store) as node:
        assert node.jobs.of(ROOM) == []


@pytest.mark.parametrize(
    ("recording", "audio", "video"),
    [
        ({}, None, None),
        ({"container": "mkv"}, None, None),
        ({"container": "mp4"}, "aac", "h264"),
        ({"container": "ogg"}, None, False),
        ({"container": "m4a"}, "aac", False),
    ],
)
async def test_a_view_is_recorded_in_a_form_that_the_container_holds(
    recording: dict[str, Any], audio: str | None, video: str | bool | None
) -> None:
    async with running(await store_with(recording=recording)) as node:
        made = order(await node.opener.open(ROOM), 1)
        assert made.container == recording.get("container", "auto")
        assert made.audio is not None
        assert made.audio.codec == audio
        assert (made.video.codec if made.video else False) == video
