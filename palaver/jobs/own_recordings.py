"""Rooms that record themselves: the recording begins with what comes into the room first, and ends with the room."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING

import structlog

from palaver.backoff import Backoff
from palaver.containment import OwnedTasks
from palaver.jobs.kinds import JobFailed
from palaver.jobs.opening import RoomNotFound
from palaver.jobs.recording import Recording, of_view
from palaver.recording.formats import CONTAINERS
from palaver.room.errors import RoomError
from palaver.room.messages import ParticipantJoined, StreamAdded
from palaver.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.host import RoomHost
    from palaver.jobs.jobs import Jobs
    from palaver.room.messages import Event


class OwnRecordings:
    """Starts the recordings that rooms have by themselves. ``clock`` tells seconds since the epoch."""

    def __init__(
        self, jobs: Jobs, clock: Callable[[], float], *, backoff: Callable[[], Backoff] = Backoff
    ) -> None:
        self._jobs, self._clock, self._backoff = jobs, clock, backoff
        self.tasks = OwnedTasks("palaver.recordings")
        self._tasks: OwnedTasks | None = None
        self._log = structlog.get_logger("palaver.recordings")

    def room_started(self, host: RoomHost) -> None:
        """Record the room, if it is to be recorded, from the moment at which somebody or something is in it."""
        if host.room.config.recording is None:
            return

        def hear(event: Event) -> None:
            if isinstance(event, ParticipantJoined | StreamAdded):
                remove()
                if self._tasks is not None:
                    again = partial(self.tasks.kept, partial(self._record, host), "own recording")
                    self._tasks.start(again, "own recording")

        remove = host.listen(hear)

    async def run(self) -> None:
        """Start what is to be recorded until cancelled."""
        self._tasks = self.tasks
        try:
            await asyncio.Event().wait()
        finally:
            self._tasks = None
            await self.tasks.close()

    async def _record(self, host: RoomHost) -> None:
        """Try until it works, or until the room is over."""
        await self._jobs.resumed.wait()
        room, pause = str(host.room.config.id), self._backoff()
        log = self._log.bind(room=room)
        while not (host.room.closed or self._has_one(room)):
            now_ms = int(self._clock() * 1000)
            try:
                await self._jobs.start(room, order(host, now_ms), created_ms=now_ms)
            except (JobFailed, RoomError, StoreError) as problem:
                pause_s = pause.after(0)
                log.error("room is not recorded", reason=str(problem), again_s=pause_s)
                await _pause(host, pause_s)
            except RoomNotFound:
                return

    def _has_one(self, room: str) -> bool:
        """Whether it goes on already: a server before this one may have begun it."""
        requests = (job.request for job in self._jobs.of(room))
        return any(isinstance(request, Recording) and request.by == "room" for request in requests)


async def _pause(host: RoomHost, seconds: float) -> None:
    """Wait, but not for a room that is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await host.released.wait()


def order(host: RoomHost, now_ms: int) -> Recording:
    """What to record of a room whose definition says that it records itself."""
    config = host.room.config
    assert config.recording is not None
    container = config.recording.container
    known = container if container in CONTAINERS else "auto"
    return of_view(config, config.recording.label, known, now_ms, by="room")
