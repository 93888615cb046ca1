"""The running room in which somebody at the page wants to change something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.api.demo_answers import Refused
from palaver.api.demo_session import same_origin
from palaver.api.wire.errors import ROOM_NOT_FOUND
from palaver.room.values import RoomId

if TYPE_CHECKING:
    from starlette.requests import Request

    from palaver.host import RoomHost, Rooms


def changed_room(request: Request, rooms: Rooms, room: str) -> RoomHost:
    """``room``, for a change that a page of this server asks for. Raises Refused."""
    if not same_origin(request):
        raise Refused(403, 1102, "Only this server's own page may ask for this.")
    return running_room(rooms, room)


def running_room(rooms: Rooms, room: str) -> RoomHost:
    """``room``, while it runs. Raises Refused."""
    host = rooms.get(RoomId(room))
    if host is None:
        raise Refused(*ROOM_NOT_FOUND, "Room not found")
    return host
