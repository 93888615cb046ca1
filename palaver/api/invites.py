"""Where guests come in by an invitation: the page shows the room's name, asks for theirs, and gets a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from starlette.routing import BaseRoute, Route

from palaver.api.auth.invitations import InvitationRefused
from palaver.api.demo_answers import Refused, answered, body_of, json_answer
from palaver.api.demo_session import DemoSessions, same_origin
from palaver.api.sources import source_of
from palaver.api.visitors import Visitors, printable
from palaver.api.wire.rooms import publishes, role_names
from palaver.store import Conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from palaver.api.auth.invitations import Invitations
    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.http.portal_address import PortalAddress
    from palaver.store import Invite, RoomDefinition, Store

_PATH: Final = "/invites/{code}"


class GuestRequest(msgspec.Struct):
    """Who comes; ``returning`` is what an earlier answer gave as ``guest``."""

    user: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    returning: Annotated[str, msgspec.Meta(max_length=128)] = ""


class InvitedGuests:
    """Lets guests in; the number of attempts from one source is bounded."""

    def __init__(
        self,
        store: Store,
        invitations: Invitations,
        tokens: TokenDesk,
        portal: PortalAddress,
        sessions: DemoSessions,
        clock: Callable[[], float],
        *,
        record: bool,
        streams: bool,
    ) -> None:
        """``record``, ``streams``: what guests may do in rooms in which they may publish."""
        self._guests_record, self._guests_stream = record, streams
        self._store, self._invitations, self._tokens = store, invitations, tokens
        self._portal, self._sessions = portal, sessions
        self._visitors = Visitors(clock)

    def routes(self) -> list[BaseRoute]:
        """``GET /invites/{code}``, which uses nothing up, and ``POST /invites/{code}``, which lets a guest in."""
        return [
            Route(_PATH, answered(self._refusing(self._show)), methods=["GET"]),
            Route(_PATH, answered(self._refusing(self._enter)), methods=["POST"]),
        ]

    def _refusing(
        self, work: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self._visitors.come(source_of(request.client.host if request.client else ""))
            try:
                return await work(request)
            except InvitationRefused as refused:
                status, code = (410, 1003) if refused.gone else (404, 1001)
                raise Refused(status, code, str(refused)) from None

        return endpoint

    async def _show(self, request: Request) -> Response:
        invite = await self._invitations.look(request.path_params["code"])
        room = await self._room(invite)
        return json_answer(200, {"room": {"name": room.name}, "role": invite.role, "usedUp": invite.used_up})

    async def _enter(self, request: Request) -> Response:
        if not same_origin(request):
            raise Refused(403, 1102, "Only this server's own page may ask for this.")
        wanted = await body_of(request, GuestRequest)
        printable("user", wanted.user)
        invite = await self._invitations.look(request.path_params["code"])
        room = await self._room(invite)
        if invite.role not in role_names(room.document):
            raise Refused(
                410, 1003, f"The room has no role {invite.role} any more; ask for another invitation."
            )
        guest = await self._invitations.use(invite, wanted.returning)
        place = self._portal.seen_from(request.scope)
        try:
            token = await self._tokens.issue(
                room, wanted.user, invite.role, host=place.host, secure=place.secure, path=place.path
            )
        except Conflict:
            raise Refused(410, 1003, "The room is gone.") from None
        answer = json_answer(
            200, {"token": token, "guest": guest, "room": {"id": room.id, "name": room.name}}
        )
        may = publishes(room.document, invite.role)
        self._sessions.begin(
            request,
            answer,
            room.id,
            may_record=may and self._guests_record,
            may_stream=may and self._guests_stream,
        )
        return answer

    async def _room(self, invite: Invite) -> RoomDefinition:
        room = await self._store.rooms.get(invite.room)
        if room is None:
            raise Refused(410, 1003, "The room is gone.")
        return room
