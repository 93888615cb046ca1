"""Jobs: started, kept, ended; and there again after the server was killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from palaver.api.wire.rooms import config_of
from palaver.backoff import Backoff
from palaver.jobs import jobs as jobs_module
from palaver.jobs.job import JobStatus
from palaver.jobs.jobs import GONE_S, MAX_JOBS, Jobs
from palaver.jobs.kinds import JobFailed
from palaver.jobs.opening import RoomNotFound, RoomOpener
from palaver.jobs.outgoing import Outgoing, WantedSound
from palaver.jobs.streaming_in import StreamingIn, StreamingIns
from palaver.room.endpoints import PushSink
from palaver.room.errors import RoomError
from palaver.room.messages import OpenSink, SetStreamActive, SinkReady, Subscribe, Unpublish
from palaver.room.values import RoomId, StreamId, SubscriptionId
from palaver.store import JobRecord, Store
from palaver.streaming.urls import UrlPolicy, UrlRefused
from tests.jobs.stage import BARS, OTHER, ROOM, Node, fails, hangs, open_store, until, works


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = await open_store()
    yield store
    await store.close()


@pytest.fixture
async def node(store: Store) -> AsyncIterator[Node]:
    async with Node(store).running() as node:
        yield node


async def stored(store: Store) -> list[str]:
    return [record.id for record in (await store.jobs.all())[0]]


async def test_a_job_starts_its_room_and_is_there_when_it_works(node: Node) -> None:
    job = await node.jobs.start(ROOM, BARS, created_ms=5)
    assert (job.status, job.error) == (JobStatus.RUNNING, "")
    assert len(job.id) == 18
    assert job.id.isdecimal()
    host = node.host()
    assert host is not None
    stream = host.room.streams[StreamId(job.id)]
    assert (stream.owner, stream.origin) == (None, "streaming")
    assert (await node.store.jobs.all())[0] == [job.record()]
    assert node.jobs.of(ROOM) == [job]
    assert node.jobs.of(OTHER) == []
    assert node.jobs.get(OTHER, job.id) is None


async def test_of_one_that_does_not_start_nothing_remains_but_its_reason(node: Node) -> None:
    node.engine.answer = fails
    with pytest.raises(JobFailed, match="the camera is off"):
        await node.jobs.start(ROOM, BARS, created_ms=5)
    assert (await stored(node.store), node.jobs.of(ROOM)) == ([], [])
    await until(lambda: node.host() is None)
    assert node.engine.open == {}


async def test_a_request_that_is_refused_is_never_stored(node: Node) -> None:
    with pytest.raises(UrlRefused, match="link-local"):
        await node.jobs.start(ROOM, replace(BARS, url="http://169.254.169.254/x"), created_ms=5)
    with pytest.raises(JobFailed, match="has no address"):
        await node.jobs.start(ROOM, replace(BARS, url="rtsp://camera.invalid/x"), created_ms=5)
    with pytest.raises(RoomNotFound):
        await node.jobs.start("f" * 24, BARS, created_ms=5)
    assert (await stored(node.store), node.engine.opened) == ([], 0)


async def test_what_the_room_refuses_is_told_as_the_room_says_it(store: Store) -> None:
    await store.rooms.update(ROOM, lambda document: {**document, "mediaIn": {"audio": [], "video": []}})
    async with Node(store).running() as node:
        with pytest.raises(RoomError):
            await node.jobs.start(ROOM, replace(BARS, audio=True), created_ms=5)
        assert await stored(store) == []


async def test_a_stopped_job_is_gone_at_once_and_its_room_soon(node: Node) -> None:
    job = await node.jobs.start(ROOM, BARS, created_ms=5)
    assert await node.jobs.stop(job.id)
    assert not await node.jobs.stop(job.id)
    assert (await stored(node.store), node.jobs.of(ROOM)) == ([], [])
    host = node.host()
    assert host is None or StreamId(job.id) not in host.room.streams
    await until(lambda: node.host() is None and not node.engine.open)


async def test_a_job_can_be_stopped_while_it_starts(node: Node) -> None:
    node.engine.answer = hangs
    starting = asyncio.create_task(node.jobs.start(ROOM, BARS, created_ms=5))
    await until(lambda: bool(node.engine.open))
    [job] = node.jobs.of(ROOM)
    assert job.status is JobStatus.STARTING
    assert await node.jobs.stop(job.id)
    with pytest.raises(JobFailed, match="ended while it was starting"):
        await starting
    await until(lambda: not node.engine.open)
    assert await stored(node.store) == []


async def test_a_job_keeps_its_room_running_also_while_it_waits(node: Node) -> None:
    job = await node.jobs.start(ROOM, BARS, created_ms=5)
    host = node.host()
    node.engine.answer = fails
    node.lose(job.id)
    opened = node.engine.opened
    await until(lambda: node.engine.opened > opened + 5)
    await asyncio.sleep(0.1)  # longer than an empty room is kept
    assert node.host() is host


async def test_a_lost_job_says_why_and_is_started_again_until_it_works(node: Node) -> None:
    job = await node.jobs.start(ROOM, BARS, created_ms=5)
    node.engine.answer = fails
    node.lose(job.id, "the cable broke")
    await until(lambda: job.error == "the cable broke")
    await until(lambda: job.error == "the camera is off")
    assert job.status in {JobStatus.WAITING, JobStatus.STARTING}
    assert await stored(node.store) == [job.id]
    node.engine.answer = works
    await until(lambda: job.status is JobStatus.RUNNING)
    assert job.error == ""
    assert node.jobs.stats()["failed_total"] >= 2
    assert await node.jobs.stop(job.id)


async def test_a_stream_that_somebody_ends_ends_its_job(node: Node) -> None:
    job = await node.jobs.start(ROOM, BARS, created_ms=5)
    host = node.host()
    assert host is not None
    host.submit(Unpublish(None, StreamId(job.id)))
    await until(lambda: node.jobs.of(ROOM) == [])
    await until(lambda: not node.engine.open)
    assert await stored(node.store) == []


async def test_a_deleted_room_takes_its_jobs_with_it_whatever_they_do(node: Node) -> None:
    running = await node.jobs.start(ROOM, BARS, created_ms=5)
    other = await node.jobs.start(OTHER, BARS, created_ms=5)
    lost = await node.jobs.start(ROOM, BARS, created_ms=5)
    node.engine.answer = hangs
    node.lose(lost.id)
    await until(lambda: lost.status is not JobStatus.RUNNING)
    starting = asyncio.create_task(node.jobs.start(ROOM, BARS, created_ms=5))
    await until(lambda: len(node.jobs.of(ROOM)) == 3)
    await node.delete_room(ROOM)
    with pytest.raises((JobFailed, RoomNotFound, RoomError)):
        await starting
    await until(lambda: node.jobs.of(ROOM) == [])
    assert running.status is JobStatus.RUNNING or running.error
    assert node.jobs.of(OTHER) == [other]
    assert await stored(node.store) == [other.id]
    assert node.host() is None


async def test_whatever_ends_a_job_its_kind_cleans_up_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned: list[StreamingIn] = []

    async def clean_up(_kind: StreamingIns, request: StreamingIn) -> None:
        cleaned.append(request)

    monkeypatch.setattr(StreamingIns, "clean_up", clean_up)
    stopped, unpublished, with_room = (
        replace(BARS, attributes={"of": of}) for of in ("stop", "stream", "room")
    )
    async with Node(store).running() as node:
        one = await node.jobs.start(ROOM, stopped, created_ms=5)
        other = await node.jobs.start(ROOM, unpublished, created_ms=5)
        await node.jobs.start(ROOM, with_room, created_ms=5)
        assert await node.jobs.stop(one.id)
        assert cleaned == [stopped]
        host = node.host()
        assert host is not None
        host.submit(Unpublish(None, StreamId(other.id)))
        await until(lambda: cleaned == [stopped, unpublished])
        await node.delete_room(ROOM)
        await until(lambda: cleaned == [stopped, unpublished, with_room])


async def test_a_stream_that_was_muted_comes_back_muted(store: Store) -> None:
    async with Node(store).running() as first:
        job = await first.jobs.start(ROOM, BARS, created_ms=5)
        host = first.host()
        assert host is not None
        host.submit(SetStreamActive(None, StreamId(job.id), ("audio",), False))
        await until(lambda: bool(job.state))
        async with asyncio.timeout(20):
            while not (await store.jobs.all())[0][0].state:  # noqa: ASYNC110  # the store tells nobody
                await asyncio.sleep(0.01)
    async with Node(store).running() as second:
        await until(lambda: second.jobs.stats()["running"] == 1)
        host = second.host()
        assert host is not None
        assert [track.active for track in host.room.streams[StreamId(job.id)].tracks] == [False]


async def test_jobs_of_the_store_run_again_after_a_kill(store: Store) -> None:
    async with Node(store).running() as first:
        jobs = [await first.jobs.start(room, BARS, created_ms=5) for room in (ROOM, OTHER, ROOM)]
    async with Node(store).running() as second:
        await until(lambda: len(second.engine.open) == 3)
        await until(lambda: second.jobs.stats()["running"] == 3)
        again = second.jobs.get(ROOM, jobs[0].id)
        assert again is not None
        assert again.record() == jobs[0].record()
    assert len(await stored(store)) == 3


async def test_many_are_started_again_a_few_at_a_time(store: Store) -> None:
    for number in range(3 * jobs_module.STARTS):
        await store.jobs.add(JobRecord(str(number), ROOM, "streaming-in", {"url": "test:bars"}, number))
    node = Node(store)
    node.engine.answer = hangs
    async with node.running():
        await until(lambda: len(node.engine.open) == jobs_module.STARTS)
        for _ in range(20):
            await asyncio.sleep(0.002)
            assert len(node.engine.open) == jobs_module.STARTS
        node.engine.answer = works  # those who somebody waits for need no turn
        job = await node.jobs.start(OTHER, BARS, created_ms=5)
        assert job.status is JobStatus.RUNNING
        for stream in list(node.engine.open):
            if stream != job.id:
                node.lose(stream)
        await until(lambda: node.jobs.stats()["running"] == 3 * jobs_module.STARTS + 1)


async def test_a_stored_job_that_nobody_understands_hides_no_other_and_stays(store: Store) -> None:
    documents: list[tuple[str, dict[str, Any]]] = [
        ("from-the-future", {}),
        ("streaming-in", {"uri": 7}),
        ("streaming-in", {"url": "test:bars"}),
    ]
    for number, (kind, request) in enumerate(documents):
        await store.jobs.add(JobRecord(str(number), ROOM, kind, request, number))
    async with Node(store).running() as node:
        await until(lambda: node.jobs.stats()["running"] == 1)
        assert node.jobs.stats()["unreadable_total"] == 2
    assert len(await stored(store)) == 3


async def test_closing_ends_what_runs_and_keeps_it_stored(node: Node) -> None:
    job = await node.jobs.start(ROOM, BARS, created_ms=5)
    await node.jobs.close()
    await until(lambda: not node.engine.open)
    assert await stored(node.store) == [job.id]
    with pytest.raises(JobFailed, match="stopping"):
        await node.jobs.start(ROOM, BARS, created_ms=5)


async def test_who_waits_for_a_start_learns_that_the_server_stops(store: Store) -> None:
    node = Node(store)
    node.engine.answer = hangs
    async with node.running():
        starting = asyncio.create_task(node.jobs.start(ROOM, BARS, created_ms=5))
        await until(lambda: bool(node.engine.open))
    with pytest.raises(JobFailed, match="stopping"):
        await starting
    assert len(await stored(store)) == 1


async def test_a_room_has_so_many_jobs_and_no_more(node: Node) -> None:
    for _ in range(MAX_JOBS):
        await node.jobs.start(ROOM, BARS, created_ms=5)
    with pytest.raises(JobFailed, match=f"{MAX_JOBS} jobs"):
        await node.jobs.start(ROOM, BARS, created_ms=5)
    await node.jobs.start(OTHER, BARS, created_ms=5)


async def test_a_changed_request_is_what_a_later_start_begins_with(store: Store) -> None:
    async with Node(store).running() as node:
        job = await node.jobs.start(ROOM, BARS, created_ms=5)
        await node.jobs.change(job, replace(BARS, attributes={"name": "gate"}))
    async with Node(store).running() as node:
        await until(lambda: node.jobs.stats()["running"] == 1)
        host = node.host()
        assert host is not None
        assert host.room.streams[StreamId(job.id)].attributes == {"name": "gate"}


async def test_a_job_s_secrets_are_not_shown(node: Node) -> None:
    job = await node.jobs.start(ROOM, BARS, created_ms=5)
    job.request = replace(BARS, url="rtsp://ann:secret@camera.example/x")
    assert job.shown().url == "rtsp://ann:***@camera.example/x"
    assert "secret" not in repr(job)


# ── jobs that take a stream ─────────────────────────────────────────────────────────────────────────


class Outgoings:
    """A kind of job that takes a stream."""

    name = "outgoing"
    request: type[Any] = Outgoing

    async def check(self, request: Outgoing) -> None:
        pass

    def command(self, job: str, request: Outgoing) -> Subscribe:
        return Subscribe(None, SubscriptionId(job), PushSink(()), request.tracks())

    def shown(self, request: Outgoing) -> Outgoing:
        return request

    async def clean_up(self, request: Outgoing) -> None:
        pass


async def test_a_job_is_over_a_while_after_the_stream_that_it_takes(store: Store) -> None:
    now = [0.0]
    node = Node(store)
    opener = RoomOpener(store, node.rooms, config_of)
    node.jobs = Jobs(
        store,
        opener,
        [StreamingIns(UrlPolicy(), allow_test=True), Outgoings()],
        clock=lambda: now[0],
        backoff=lambda: Backoff(first_s=0.005, most_s=0.02, good_s=1000),
    )
    async with node.running():
        camera = await node.jobs.start(ROOM, BARS, created_ms=5)
        starting = asyncio.ensure_future(
            node.jobs.start(ROOM, Outgoing(WantedSound(camera.id), None), created_ms=6)
        )
        await until(lambda: any(isinstance(one, OpenSink) for one in node.engine.done))
        (job,) = (one for one in node.jobs.of(ROOM) if one is not camera)
        node.engine.say(RoomId(ROOM), SinkReady(SubscriptionId(job.id)))
        await starting
        await node.jobs.stop(camera.id)
        await until(lambda: "Requested audio stream" in job.error)
        await asyncio.sleep(0.1)
        assert node.jobs.get(ROOM, job.id) is job, "a camera that comes back at once finds nobody"
        now[0] = GONE_S
        await until(lambda: node.jobs.get(ROOM, job.id) is None)
        assert await stored(store) == []
