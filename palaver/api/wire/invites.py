"""Invitations as REST takes and answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from palaver.api.wire.formats import Shape

if TYPE_CHECKING:
    from palaver.store import Invite

_TEN_YEARS_S: Final = 315_360_000


class InviteRequest(Shape):
    """Makes a link into the room. Without ``ttlSeconds`` it does not expire, without ``uses`` any number may use it."""

    role: Annotated[str, Meta(min_length=1, max_length=512)] = "presenter"
    ttl_seconds: Annotated[int, Meta(ge=1, le=_TEN_YEARS_S)] | UnsetType = UNSET
    uses: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET


class InviteInfo(Shape):
    """An invitation. ``url`` opens the page; ``used`` people came by it. Times are milliseconds since the epoch."""

    id: str
    room: str
    role: str
    url: str
    created: int
    used: int
    expires: int | UnsetType = UNSET
    uses: int | UnsetType = UNSET


def invite_info(invite: Invite, url: str) -> dict[str, Any]:
    """``{id, room, role, url, created, used, expires?, uses?}``."""
    info: dict[str, Any] = {
        "id": invite.id,
        "room": invite.room,
        "role": invite.role,
        "url": url,
        "created": invite.created_ms,
        "used": invite.uses,
    }
    if invite.expires_ms is not None:
        info["expires"] = invite.expires_ms
    if invite.max_uses is not None:
        info["uses"] = invite.max_uses
    return info
