"""/v1/rooms/{room}/invites: links that let people in at the page, beyond OWT."""

from __future__ import annotations

import secrets
from typing import Final

from msgspec import UnsetType

from palaver.api.auth.invitations import MAX_PER_ROOM
from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.invites import InviteInfo, InviteRequest, invite_info
from palaver.api.wire.rooms import role_names
from palaver.store import Conflict, Invite


async def list_invites(call: Call) -> Answer:
    """The invitations of the room, the oldest first, those that expired or are used up too."""
    return json([_info(call, invite) for invite in await call.api.store.invites.of(call.room.id)])


async def create_invite(call: Call) -> Answer:
    """An invitation. Whoever opens its ``url`` gives a name and is in the room as ``role``."""
    wanted: InviteRequest = call.body
    if wanted.role not in role_names(call.room.document):
        raise ProtocolError("role: not a role of this room")
    now_ms = call.api.now_ms()
    expires = None if isinstance(wanted.ttl_seconds, UnsetType) else now_ms + wanted.ttl_seconds * 1000
    uses = None if isinstance(wanted.uses, UnsetType) else wanted.uses
    invite = Invite(secrets.token_hex(12), call.room.id, wanted.role, now_ms, expires, uses)
    try:
        kept = await call.api.invitations.add(invite)
    except Conflict:
        raise ApiError(errors.ROOM_NOT_FOUND, "Room not found") from None
    if not kept:
        raise ApiError(errors.REFUSED, f"The room has {MAX_PER_ROOM} invitations; revoke some first")
    return json(_info(call, invite))


async def delete_invite(call: Call) -> Answer:
    """Revokes an invitation. Who came by it stays in the room, and cannot come again by it."""
    if not await call.api.store.invites.delete(call.room.id, call.path["invite"]):
        raise ApiError(errors.NOT_FOUND, "Resource not found")
    return text()


def _info(call: Call, invite: Invite) -> dict[str, object]:
    server = call.api.portal.seen_from(call.scope).url
    return invite_info(invite, f"{server}/#invite={call.api.invitations.code(invite.id)}")


_ALL: Final = "/rooms/{room}/invites"

OPERATIONS: Final = (
    Operation("GET", _ALL, list_invites, gives=list[InviteInfo]),
    Operation(
        "POST",
        _ALL,
        create_invite,
        takes=InviteRequest,
        gives=InviteInfo,
        nulls=True,
        errors=(errors.REFUSED,),
        empty_body={},
        example={"role": "presenter", "ttlSeconds": 604_800, "uses": 5},
    ),
    Operation("DELETE", _ALL + "/{invite}", delete_invite, errors=(errors.NOT_FOUND,)),
)
