"""Recording at the page: whoever may records the room's view, pauses and ends that, and plays what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.routing import BaseRoute, Route

from palaver.api.demo_answers import Refused, answered, body_of, json_answer
from palaver.api.page_rooms import changed_room
from palaver.api.wire.recordings import part_urls, state_of
from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import apply
from palaver.jobs.recording import Recording, of_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from palaver.api.demo_session import DemoSessions
    from palaver.api.rest.recorded import Recorded
    from palaver.host import RoomHost, Rooms
    from palaver.jobs.job import Job
    from palaver.jobs.jobs import Jobs
    from palaver.recording.index import Entry
    from palaver.store import Store

_ALL: Final = "/demo/rooms/{room}/recordings"
_ONE: Final = _ALL + "/{recording}"
_MOST: Final = 50
"""The latest recordings of a room, among which those of the page are listed."""


class Pausing(msgspec.Struct, forbid_unknown_fields=True):
    """Whether to pause a recording, or to go on."""

    paused: bool


class _Change(msgspec.Struct):
    path: str
    value: str


class PageRecordings:
    """Acts for whoever has the cookie of the room and may record. Recordings that others began are not shown."""

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        jobs: Jobs,
        recorded: Recorded,
        sessions: DemoSessions,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._rooms, self._jobs, self._recorded = store, rooms, jobs, recorded
        self._sessions, self._clock = sessions, clock

    def routes(self) -> list[BaseRoute]:
        """``/demo/rooms/{room}/recordings``, and one of them."""
        return [
            Route(_ALL, answered(self._list), methods=["GET"]),
            Route(_ALL, answered(self._start), methods=["POST"]),
            Route(_ONE, answered(self._pause), methods=["PATCH"]),
            Route(_ONE, answered(self._stop), methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        room = self._room(request)
        await self._recorded.index.save(self._store, self._jobs.knows)
        latest = await self._store.recordings.latest(room, _MOST)
        return json_answer(200, {"recordings": [self._shown(one) for one in latest if one.by == "page"]})

    async def _start(self, request: Request) -> Response:
        host = self._host(request)
        config = host.room.config
        if self._going_on(config.id):
            raise Refused(500, 1201, "The room is being recorded already.")
        if not config.views:
            raise Refused(500, 1201, "The room has no view that could be recorded.")
        now_ms = int(self._clock() * 1000)
        order = of_view(config, config.views[0].label, "mp4", now_ms, by="page")
        try:
            job = await self._jobs.start(config.id, order, created_ms=now_ms)
        except JobFailed as failure:
            raise Refused(500, 1201, f"The recording cannot begin: {failure}.") from None
        self._recorded.index.began_by(job.id, "page")
        return await self._list(request)

    async def _pause(self, request: Request) -> Response:
        host, job = self._host(request), self._job(request)
        wanted = await body_of(request, Pausing)
        change = _Change("/media/status", "inactive" if wanted.paused else "active")
        await apply(self._jobs, host, job, [change])
        return await self._list(request)

    async def _stop(self, request: Request) -> Response:
        self._host(request)
        job = self._job(request)
        await self._jobs.stop(job.id)
        await self._recorded.index.settled(job.id)
        return await self._list(request)

    # ── who and what ────────────────────────────────────────────────────────────────────────────────

    def _room(self, request: Request) -> str:
        room = str(request.path_params["room"])
        if not self._sessions.may_record(request, room):
            raise Refused(403, 1102, "You may not record here.")
        return room

    def _host(self, request: Request) -> RoomHost:
        """The running room of which the cookie is, for changes."""
        return changed_room(request, self._rooms, self._room(request))

    def _going_on(self, room: str) -> list[Job]:
        jobs = self._jobs.of(room)
        return [job for job in jobs if isinstance(job.request, Recording) and job.request.by == "page"]

    def _job(self, request: Request) -> Job:
        recording = request.path_params["recording"]
        for job in self._going_on(request.path_params["room"]):
            if job.id == recording:
                return job
        raise Refused(404, 1001, "This recording does not go on.")

    def _shown(self, entry: Entry) -> dict[str, Any]:
        files = self._recorded.files
        return {
            "id": entry.id,
            "state": state_of(entry),
            "started": entry.started_ms,
            "seconds": round(entry.seconds, 1),
            "parts": [part_urls(entry, number, files) for number in range(1, len(entry.parts) + 1)],
        }
