"""/v1/rooms/{room}/tokens: tickets for joining a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import UnsetType

from palaver.api.auth.tokens import TTL_S
from palaver.api.http.answers import Answer, ApiError, text
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.rooms import role_names
from palaver.api.wire.services import MAX_USER, TokenRequest
from palaver.store import Conflict

if TYPE_CHECKING:
    from palaver.api.rest.settings import RestSettings


async def create_token(call: Call) -> Answer:
    """A token: base64 of JSON, of which clients read ``host`` and ``secure``. It admits once, within three minutes."""
    wanted: TokenRequest = call.body
    user, role = call.caller.user or str(wanted.user), call.caller.role or wanted.role
    if not user:
        raise ProtocolError("user: expected a non-empty string")
    if len(user) > MAX_USER:
        raise ProtocolError(f"user: expected at most {MAX_USER} characters")
    if role not in role_names(call.room.document):
        raise ProtocolError("role: not a role of this room")
    place = call.api.portal.seen_from(call.scope)
    try:
        token = await call.api.tokens.issue(
            call.room,
            user,
            role,
            host=place.host,
            secure=place.secure,
            path=place.path,
            reusable=wanted.reusable,
            ttl_s=_ttl_s(wanted, call.api.settings),
        )
    except Conflict:
        raise ApiError(errors.ROOM_NOT_FOUND, "Room not found") from None
    return text(token)


def _ttl_s(wanted: TokenRequest, settings: RestSettings) -> int:
    if not wanted.reusable:
        return TTL_S
    return settings.reusable_token_ttl_s if isinstance(wanted.ttl_seconds, UnsetType) else wanted.ttl_seconds


OPERATIONS: Final = (
    Operation(
        "POST",
        "/rooms/{room}/tokens",
        create_token,
        takes=TokenRequest,
        nulls=True,
        says="eyJ0b2tlbklkIjogIjY3NDM…",
        empty_body={},
        example={"user": "ann", "role": "presenter"},
    ),
)
