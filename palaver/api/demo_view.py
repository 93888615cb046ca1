"""What people at the page may do with the view of their room: choose a template, and show somebody in a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from starlette.routing import BaseRoute, Route

from palaver.api.demo_answers import Refused, answered, body_of, json_answer
from palaver.api.page_rooms import changed_room, running_room
from palaver.room.errors import RoomError
from palaver.room.ids import view_id
from palaver.room.messages import SetRegion, SetTemplate
from palaver.room.values import GeneratedTemplate, StreamId

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from palaver.api.demo_session import DemoSessions
    from palaver.host import RoomHost, Rooms

_PATH: Final = "/demo/rooms/{room}/views/{view:path}"


class Shown(msgspec.Struct, forbid_unknown_fields=True):
    """Which stream to show in which region."""

    stream: str
    region: str


class ViewChange(msgspec.Struct, forbid_unknown_fields=True):
    """Either ``template``, with ``speakerFirst``, or ``show``."""

    template: GeneratedTemplate | None = None
    speakerFirst: bool = False  # noqa: N815  # as the page writes it
    show: Shown | None = None


class DemoView:
    """Acts in running rooms for whoever has the cookie of that room."""

    def __init__(self, rooms: Rooms, sessions: DemoSessions) -> None:
        self._rooms, self._sessions = rooms, sessions

    def routes(self) -> list[BaseRoute]:
        """``GET`` and ``PATCH /demo/rooms/{room}/views/{view}``."""
        return [
            Route(_PATH, answered(self._read), methods=["GET"]),
            Route(_PATH, answered(self._change), methods=["PATCH"]),
        ]

    async def _read(self, request: Request) -> Response:
        return self._shown(running_room(self._rooms, self._room(request)), request)

    async def _change(self, request: Request) -> Response:
        host = changed_room(request, self._rooms, self._room(request))
        wanted = await body_of(request, ViewChange)
        if (wanted.template is None) is (wanted.show is None):
            raise Refused(400, 1301, "body: expected either template or show")
        label = request.path_params["view"]
        if wanted.template is not None:
            view = view_id(host.room.config.id, label)
            host.submit(SetTemplate(view, wanted.template, wanted.speakerFirst))
        if wanted.show is not None:
            host.submit(SetRegion(None, StreamId(wanted.show.stream), label, wanted.show.region))
        return self._shown(host, request)

    def _room(self, request: Request) -> str:
        room = str(request.path_params["room"])
        if not self._sessions.admits(request, room):
            raise Refused(403, 1102, "Only who joined this room at the page may ask for this.")
        return room

    def _shown(self, host: RoomHost, request: Request) -> Response:
        try:
            view = host.room.template(request.path_params["view"])
        except RoomError as refusal:
            raise Refused(404, 1001, str(refusal)) from refusal
        template = None if view.base == "void" else view.base
        return json_answer(200, {"template": template, "speakerFirst": view.speaker_first})
