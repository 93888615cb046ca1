"""Starts, keeps and ends jobs, and starts the stored ones again when the server does."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from palaver.backoff import Backoff
from palaver.containment import INTERNAL_ERROR, OwnedTasks
from palaver.jobs.job import Job, JobStatus
from palaver.jobs.kinds import JobFailed, RestartRefused, StreamBringingKind
from palaver.jobs.opening import RoomNotFound
from palaver.jobs.session import RoomSession
from palaver.room.errors import RoomError, SourceGone
from palaver.room.messages import Subscribe
from palaver.room.reasons import ROOM_CLOSED
from palaver.store import Conflict, StoreError
from palaver.streaming.urls import UrlRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from palaver.host import RoomHost
    from palaver.jobs.kinds import JobKind
    from palaver.jobs.opening import RoomOpener
    from palaver.room.values import Standing
    from palaver.store import JobRecord, Store

MAX_JOBS: Final = 64
"""Jobs that a room may have."""
STARTS: Final = 8
"""Jobs that are started again at the same time; those that somebody waits for do not count."""
_LEAST_PAUSE_S: Final = 1.0
_ID_DIGITS: Final = 18

GONE_S: Final = 60.0
"""After so long without the stream that it takes a job is over: encoders come back within seconds."""


class Jobs:
    """The jobs of a node. ``run`` must be running for anything to happen; ``clock`` tells monotonic seconds."""

    def __init__(
        self,
        store: Store,
        opener: RoomOpener,
        kinds: Iterable[JobKind],
        *,
        clock: Callable[[], float] = time.monotonic,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._backoff = backoff
        self._store, self._opener, self._clock = store, opener, clock
        kinds = tuple(kinds)
        self._by_name = {kind.name: kind for kind in kinds}
        self._by_request = {kind.request: kind for kind in kinds}
        self._jobs: dict[str, Job] = {}
        self.resumed = asyncio.Event()
        """Set when the stored jobs are known."""
        self._starts = asyncio.Semaphore(STARTS)
        self.tasks = OwnedTasks("palaver.jobs")
        self._tasks: OwnedTasks | None = None
        self._counts: Counter[str] = Counter()
        self._log = structlog.get_logger("palaver.jobs")

    # ── what others ask for ─────────────────────────────────────────────────────────────────────────

    async def start(self, room: str, request: Any, *, created_ms: int) -> Job:
        """A new job that works; its kind is that of its request. If it fails, nothing of it remains.

        Raises JobFailed, UrlRefused, RoomError, RoomNotFound, StoreError.
        """
        kind = self._by_request[type(request)]
        await kind.check(request)
        self._check_room_for_one_more(room)
        job = Job(self._mint(), room, kind, request, created_ms)
        self._jobs[job.id] = job
        try:
            await self._store.jobs.add(job.record())
        except BaseException as problem:
            del self._jobs[job.id]
            if isinstance(problem, Conflict):
                raise RoomNotFound(room) from None
            raise
        self._spawn(job, first=True)
        await asyncio.shield(job.begun)
        return job

    async def stop(self, job_id: str) -> bool:
        """End a job, whatever it is doing; whether there was one. Raises StoreError, and then it goes on."""
        job = self._jobs.get(job_id)
        if job is None:
            return False
        await self._store.jobs.delete(job_id)
        self._forget(job, JobFailed("it was ended while it was starting"))
        if job.task is not None:
            job.task.cancel()
            await asyncio.wait([job.task])
        await job.kind.clean_up(job.request)
        return True

    async def change(self, job: Job, request: Any) -> None:
        """``job`` was changed to ``request``, which a later start begins with. Raises StoreError."""
        before, job.request = job.request, request
        try:
            await self._store.jobs.update(job.record())
        except StoreError:
            job.request = before
            raise

    def look(self, job_id: str) -> None:
        """The stream of this id was changed: if a job brings it, it will come back so."""
        if (job := self._jobs.get(job_id)) is not None and job.look is not None:
            job.look()

    def get(self, room: str, job_id: str) -> Job | None:
        """The job of this id, if it is one of the room."""
        job = self._jobs.get(job_id)
        return job if job is not None and job.room == room else None

    def knows(self, room: str, job_id: str) -> bool:
        """Whether the room has this job; before the stored jobs are known, it may."""
        return not self.resumed.is_set() or self.get(room, job_id) is not None

    def of(self, room: str) -> list[Job]:
        """The jobs of a room, oldest first."""
        return [job for job in self._jobs.values() if job.room == room]

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        statuses = Counter(job.status for job in self._jobs.values())
        return {
            **{str(status): statuses[status] for status in JobStatus},
            "failed_total": self._counts["failed"],
            "unreadable_total": self._counts["unreadable"],
        }

    # ── the life of all ─────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Start the stored jobs again and keep all jobs until cancelled."""
        self._tasks = self.tasks
        try:
            await self.tasks.kept(self.resume, "resumption of jobs")
            await asyncio.Event().wait()
        finally:
            self._tasks = None
            await self.tasks.close()

    async def resume(self) -> None:
        """Begin to start the jobs of the store. A store that does not answer is asked again."""
        pause = self._backoff()
        while True:
            try:
                stored, unreadable = await self._store.jobs.all()
                break
            except StoreError as failure:
                self._log.error("jobs cannot be read", error=str(failure))
                await asyncio.sleep(pause.after(0))
        for job_id in unreadable:
            self._unreadable(job_id, "not encrypted with this master key")
        for record in stored:
            if record.id not in self._jobs and (job := self._job(record)) is not None:
                self._jobs[job.id] = job
                self._spawn(job, first=False)
        self.resumed.set()

    async def close(self) -> None:
        """End the sources and sinks of all jobs, which stay stored; nothing is started afterwards."""
        self._tasks = None
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _job(self, record: JobRecord) -> Job | None:
        kind = self._by_name.get(record.kind)
        if kind is None:
            self._unreadable(record.id, f"no such kind: {record.kind}")
            return None
        try:
            request = msgspec.convert(record.request, kind.request)
        except msgspec.ValidationError as problem:
            self._unreadable(record.id, str(problem))
            return None
        return Job(record.id, record.room, kind, request, record.created_ms, record.state)

    def _unreadable(self, job_id: str, reason: str) -> None:
        """It stays stored: another version of the server may know it."""
        self._counts["unreadable"] += 1
        self._log.error("stored job cannot be started", job=job_id, reason=reason)

    # ── the life of one ─────────────────────────────────────────────────────────────────────────────

    def _spawn(self, job: Job, *, first: bool) -> None:
        if self._tasks is None:
            raise JobFailed("the server is stopping")
        job.task = self._tasks.start(
            partial(self._keep, job, first=first),
            f"{job.kind.name} {job.id}",
            partial(self._forget, job, JobFailed(INTERNAL_ERROR)),
        )
        job.task.add_done_callback(lambda _: job.over(JobFailed("the server is stopping")))

    async def _keep(self, job: Job, *, first: bool) -> None:
        """Start the job, and start it again whenever it fails; until it is over."""
        backoff, hold, worked = self._backoff(), _Hold(), self._clock()
        log = self._log.bind(job=job.id, kind=job.kind.name, room=job.room)
        try:
            while True:
                began, problem = self._clock(), await self._attempt(job, hold, first=first)
                if job.status is JobStatus.RUNNING:
                    worked = self._clock()
                over = problem is None or self._is_over(job, problem, self._clock() - worked)
                if over or (first and not job.begun.done()):
                    log.info("job over", reason=str(problem or "ended"))
                    await self._remove(job, problem or JobFailed("it was ended while it was starting"))
                    return
                self._counts["failed"] += 1
                pause_s = backoff.after(self._clock() - began if job.status is JobStatus.RUNNING else 0)
                first = False
                job.waiting(str(problem))
                log.warning("job failed", reason=str(problem), again_s=pause_s)
                await hold.pause(pause_s)
                job.status = JobStatus.STARTING
        finally:
            hold.release()

    async def _attempt(self, job: Job, hold: _Hold, *, first: bool) -> Exception | None:
        """Let the job work for as long as it does; why it failed, None if somebody ended it."""
        try:
            reason = await self._live(job, hold, first=first)
        except (JobFailed, UrlRefused, RoomError, RoomNotFound, StoreError) as problem:
            return problem
        except Exception:  # a bug of one job ends no other
            self._log.exception("job failed", job=job.id)
            return JobFailed(INTERNAL_ERROR)
        return None if reason is None else JobFailed(reason)

    async def _live(self, job: Job, hold: _Hold, *, first: bool) -> str | None:
        async with contextlib.AsyncExitStack() as life:
            async with contextlib.nullcontext() if first else self._starts:
                if not first:
                    await job.kind.check(job.request)
                command = job.command()
                accompanies = isinstance(command, Subscribe) and command.sink.accompanies
                if accompanies and hold.ended:
                    return None
                host = await self._opener.open(job.room)
                hold.keep(host, running=not accompanies)
                session = RoomSession(host, command, partial(self._stands, job))
                await life.enter_async_context(session)
                await session.ready()
            job.running()
            job.look = session.look
            session.look()
            reason = await self._until_ended(job, host, session)
            return None if accompanies and reason == ROOM_CLOSED else reason

    def _stands(self, job: Job, standing: Standing) -> None:
        """Remember how the stream of a job stands, for its next start."""
        job.remember(standing)
        if self._tasks is not None and job.id in self._jobs:
            self._tasks.start(partial(self._save, job), f"save {job.id}")

    async def _save(self, job: Job) -> None:
        try:
            await self._store.jobs.update(job.record())
        except StoreError as failure:  # it comes back as it stood before
            self._log.error("job not saved", job=job.id, error=str(failure))

    async def _until_ended(self, job: Job, host: RoomHost, session: RoomSession) -> str | None:
        """Wait for the end of a job that works; what it brings beside its session ends before."""
        if not isinstance(job.kind, StreamBringingKind):
            return await session.ended()
        async with asyncio.TaskGroup() as tasks:
            beside = tasks.create_task(job.kind.bring(job.id, job.request, host))
            try:
                return await session.ended()
            finally:
                beside.cancel()

    def _is_over(self, job: Job, problem: Exception, missing_s: float) -> bool:
        """Whether it cannot ever work again: its room is gone, or for a while the stream that it takes."""
        if isinstance(problem, RoomNotFound | RestartRefused):
            return True
        if not isinstance(problem, SourceGone) or missing_s < GONE_S:
            return False
        command = job.kind.command(job.id, job.request)
        # A stream that another job brings will be there again.
        return isinstance(command, Subscribe) and not any(
            track.stream in brought for track in command.tracks for brought in self._brought()
        )

    def _brought(self) -> Iterator[Container[str]]:
        """The ids of all streams that jobs bring."""
        yield self._jobs
        for job in self._jobs.values():
            if isinstance(job.kind, StreamBringingKind):
                yield job.kind.brings(job.id)

    async def _remove(self, job: Job, problem: Exception) -> None:
        try:
            await self._store.jobs.delete(job.id)
        except StoreError as failure:  # it is started again with the server, and is over again
            self._log.error("job not removed", job=job.id, error=str(failure))
        await job.kind.clean_up(job.request)
        self._forget(job, problem)

    def _forget(self, job: Job, problem: Exception) -> None:
        self._jobs.pop(job.id, None)
        job.over(problem)

    def _check_room_for_one_more(self, room: str) -> None:
        if self._tasks is None:
            raise JobFailed("the server is stopping")
        if len(self.of(room)) >= MAX_JOBS:
            raise JobFailed(f"the room has {MAX_JOBS} jobs already")

    def _mint(self) -> str:
        """A new id: 18 decimal digits, as OWT's."""
        least = 10 ** (_ID_DIGITS - 1)
        while (job_id := str(least + secrets.randbelow(9 * least))) in self._jobs:
            pass
        return job_id


class _Hold:
    """Knows a job's room and keeps it running, also between two starts."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._host: RoomHost | None = None

    @property
    def ended(self) -> bool:
        """Whether the room that it knows has ended."""
        return self._host is not None and (self._host.room.closed or self._host.released.is_set())

    def keep(self, host: RoomHost, *, running: bool) -> None:
        """Know ``host`` instead of the one before, and keep it ``running``, or only know it."""
        if host is not self._host:
            self.release()
            if running:
                self._stack.enter_context(host.held())
            self._host = host

    async def pause(self, seconds: float) -> None:
        """Wait; not much longer once the room has ended."""
        await asyncio.sleep(min(seconds, _LEAST_PAUSE_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds - _LEAST_PAUSE_S)):
                await (self._host.released if self._host else asyncio.Event()).wait()

    def release(self) -> None:
        """Let the room stop."""
        self._stack.close()
        self._host = None
