"""What lets people at the page join without a management key: a room by its name, made if there is none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from starlette.routing import BaseRoute, Route

from palaver.api.demo_answers import Refused, answered, body_of, json_answer
from palaver.api.demo_session import DemoSessions, same_origin
from palaver.api.http.ids import ObjectIds
from palaver.api.http.portal_address import is_loopback
from palaver.api.sources import source_of
from palaver.api.visitors import Visitors, printable
from palaver.api.wire.rooms import new_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.http.portal_address import PortalAddress
    from palaver.store import RoomDefinition, Store

_ROLE: Final = "presenter"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class JoinRequest(msgspec.Struct):
    """Who wants to join which room, by its name."""

    room: Name
    user: Name


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """``service`` owns the page's rooms. ``everybody`` may join; else, ``here``, only people at this machine.

    No more rooms are made once the service has ``max_rooms``.
    """

    everybody: bool
    here: bool
    service: str
    version: str
    max_rooms: int
    record: Literal["everybody", "invited", "nobody"]
    streams: Literal["everybody", "invited", "here", "nobody"]


class Demo:
    """Makes rooms by name in the sample service and tokens for them."""

    def __init__(
        self,
        store: Store,
        tokens: TokenDesk,
        portal: PortalAddress,
        settings: DemoSettings,
        sessions: DemoSessions,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._tokens, self._settings, self._clock = store, tokens, settings, clock
        self._sessions = sessions
        self._portal = portal
        self._ids = ObjectIds(clock)
        self._making = asyncio.Lock()
        self._visitors = Visitors(clock)

    def routes(self) -> list[BaseRoute]:
        """``POST /demo/join`` and ``GET /demo/config``."""
        return [
            Route("/demo/join", answered(self._join), methods=["POST"]),
            Route("/demo/config", self._config, methods=["GET"]),
        ]

    async def _config(self, request: Request) -> Response:
        return json_answer(200, {"demo": self._open_to(request), "version": self._settings.version})

    def _open_to(self, request: Request) -> bool:
        """Whether somebody may join without a token. What a proxy passes on from elsewhere is not from here."""
        from_here = request.client is not None and is_loopback(request.client.host)
        return self._settings.everybody or (self._settings.here and from_here)

    def _may(self, who: str) -> bool:
        """Unless everybody may join, whoever is here is at this machine."""
        return who == "everybody" or (who != "nobody" and not self._settings.everybody)

    async def _join(self, request: Request) -> Response:
        wanted = await self._wanted(request)
        room = await self._room(wanted.room)
        place = self._portal.seen_from(request.scope)
        token = await self._tokens.issue(
            room, wanted.user, _ROLE, host=place.host, secure=place.secure, path=place.path
        )
        answer = json_answer(200, {"token": token, "room": {"id": room.id, "name": room.name}})
        self._sessions.begin(
            request,
            answer,
            room.id,
            may_record=self._may(self._settings.record),
            may_stream=self._may(self._settings.streams),
        )
        return answer

    async def _wanted(self, request: Request) -> JoinRequest:
        if not self._open_to(request):
            raise Refused(403, 1102, "Joining without an invitation is switched off on this server.")
        if not same_origin(request):
            raise Refused(403, 1102, "Only this server's own page may ask for this.")
        self._visitors.come(source_of(request.client.host if request.client else ""))
        wanted = await body_of(request, JoinRequest)
        printable("room", wanted.room)
        printable("user", wanted.user)
        return wanted

    async def _room(self, name: str) -> RoomDefinition:
        """The sample service's oldest room of this name, made now if there is none."""
        name = " ".join(name.split())
        async with self._making:  # two people who come at once meet in one room
            rooms = await self._store.rooms.of(self._settings.service)
            for room in rooms:
                if room.name == name:
                    return room
            if len(rooms) >= self._settings.max_rooms:
                raise Refused(429, 1301, "This server has no place for another room; choose one that exists.")
            now_ms = int(self._clock() * 1000)
            document = new_room({"name": name, "options": {"views": _VIEWS}})
            return await self._store.rooms.create(
                self._ids.mint(), self._settings.service, document, created_ms=now_ms
            )


# Screens and cameras are wide, and OWT's default view is not.
_VIEWS: Final = [{"label": "common", "video": {"parameters": {"resolution": {"width": 1280, "height": 720}}}}]
