"""Cameras by URL and live streams at the page: whoever may adds and ends them. Those of others are not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from starlette.routing import BaseRoute, Route

from palaver.api.demo_answers import Refused, answered, body_of, json_answer
from palaver.api.live import new_name
from palaver.api.page_rooms import changed_room
from palaver.api.wire.streaming_outs import protocol_of
from palaver.api.wire.urls import check_source_url, check_url
from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import WantedPicture, WantedSound
from palaver.jobs.streaming_in import StreamingIn
from palaver.jobs.streaming_out import KEY_FRAMES_S, StreamingOut
from palaver.room.ids import view_id
from palaver.room.messages import Mix
from palaver.room.values import StreamId
from palaver.streaming.urls import UrlRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from palaver.api.demo_session import DemoSessions
    from palaver.host import RoomHost, Rooms
    from palaver.jobs.job import Job
    from palaver.jobs.jobs import Jobs
    from palaver.room.values import View
    from palaver.streaming.targets import TargetStates

_ALL: Final = "/demo/rooms/{room}/streams"
_ONE: Final = _ALL + "/{stream}"
_MOST: Final = 8
"""Cameras and live streams that a room may have by the page."""
_BY: Final = "page"


class NewStream(msgspec.Struct, forbid_unknown_fields=True):
    """A camera to fetch, and what to call it; or where to send the room's view: without ``url`` we serve it."""

    kind: Literal["camera", "live"]
    url: str = ""
    name: Annotated[str, msgspec.Meta(max_length=64)] = ""

    def __post_init__(self) -> None:
        if self.kind == "camera":
            check_source_url(self.url)
        elif self.url:
            check_url(self.url)
            protocol_of(self.url)


class PageStreams:
    """Acts for whoever has the cookie of the room and may."""

    def __init__(
        self,
        rooms: Rooms,
        jobs: Jobs,
        targets: TargetStates,
        sessions: DemoSessions,
        clock: Callable[[], float],
    ) -> None:
        self._rooms, self._jobs, self._targets = rooms, jobs, targets
        self._sessions, self._clock = sessions, clock

    def routes(self) -> list[BaseRoute]:
        """``/demo/rooms/{room}/streams``, and one of them."""
        return [
            Route(_ALL, answered(self._list), methods=["GET"]),
            Route(_ALL, answered(self._start), methods=["POST"]),
            Route(_ONE, answered(self._stop), methods=["DELETE"]),
        ]

    async def _list(self, request: Request) -> Response:
        room = self._room(request)
        return json_answer(200, {"streams": [self._shown(job) for job in self._ours(room)]})

    async def _start(self, request: Request) -> Response:
        host = changed_room(request, self._rooms, self._room(request))
        wanted = await body_of(request, NewStream)
        if len(self._ours(host.room.config.id)) >= _MOST:
            raise Refused(500, 1201, f"There are {_MOST} of them already.")
        now_ms = int(self._clock() * 1000)
        order = _camera(wanted) if wanted.kind == "camera" else _live(wanted, _view(host), f"{now_ms}")
        try:
            job = await self._jobs.start(host.room.config.id, order, created_ms=now_ms)
            if wanted.kind == "camera" and host.room.config.views:
                host.submit(Mix(None, StreamId(job.id), host.room.config.views[0].label))
        except (JobFailed, UrlRefused) as failure:
            raise Refused(500, 1201, f"It cannot begin: {failure}.") from None
        self._jobs.look(job.id)
        return await self._list(request)

    async def _stop(self, request: Request) -> Response:
        host = changed_room(request, self._rooms, self._room(request))
        for job in self._ours(host.room.config.id):
            if job.id == request.path_params["stream"]:
                await self._jobs.stop(job.id)
                return await self._list(request)
        raise Refused(404, 1004, "There is no such stream any more.")

    def _room(self, request: Request) -> str:
        room = str(request.path_params["room"])
        if not self._sessions.may_stream(request, room):
            raise Refused(403, 1102, "You may not do this here.")
        return room

    def _ours(self, room: str) -> list[Job]:
        kinds = (StreamingIn, StreamingOut)
        return [
            job for job in self._jobs.of(room) if isinstance(job.request, kinds) and job.request.by == _BY
        ]

    def _shown(self, job: Job) -> dict[str, Any]:
        """Without what is secret: of a URL its beginning is enough to know it again."""
        request = job.shown()
        if isinstance(request, StreamingIn):
            return {
                "id": job.id,
                "kind": "camera",
                "name": (request.attributes or {}).get("name", ""),
                "url": request.url,
                "state": "connected" if job.status == "running" else "retrying",
                "error": job.error,
            }
        state = next(iter(self._targets.of(job.id)), None)
        return {
            "id": job.id,
            "kind": "live",
            "url": next(iter(request.urls), ""),
            "page": f"live/{job.request.live}" if job.request.live else "",
            "state": state.state if state else "connecting",
            "error": job.error or (state.error if state else ""),
        }


def _view(host: RoomHost) -> tuple[View, str]:
    views = host.room.config.views
    if not views:
        raise Refused(500, 1201, "The room has no view that could be sent.")
    return views[0], view_id(host.room.config.id, views[0].label)


def _camera(wanted: NewStream) -> StreamingIn:
    attributes = {"name": wanted.name} if wanted.name else None
    return StreamingIn(wanted.url, attributes=attributes, by=_BY)


def _live(wanted: NewStream, of: tuple[View, str], name: str) -> StreamingOut:
    view, stream = of
    picture = WantedPicture(stream, "h264", key_frame_interval=KEY_FRAMES_S)
    return StreamingOut(
        WantedSound(stream),
        picture if view.video_format is not None else None,
        protocol=protocol_of(wanted.url) if wanted.url else "hls",
        urls=(wanted.url,) if wanted.url else (),
        live="" if wanted.url else new_name(name),
        by=_BY,
    )
