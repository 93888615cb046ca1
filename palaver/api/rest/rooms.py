"""/v1/rooms: the definitions of rooms."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from palaver.api.http.answers import Answer, ApiError, Headers, json, text
from palaver.api.http.edge import base_of
from palaver.api.rest.operations import Call, Operation, Parameter
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.room_document import NewRoom, Room, RoomUpdate
from palaver.api.wire.rooms import new_room, room_info, updated_room
from palaver.room.values import RoomId
from palaver.store import Conflict

_MAX_PAGE: Final = 2**31 - 1


async def list_rooms(call: Call) -> Answer:
    """The caller's rooms, oldest first: all, or one page of ``per_page``. ``page`` alone is ignored."""
    store, service = call.api.store.rooms, call.caller.service.id
    per_page = _positive(call.query.get("per_page"))
    if per_page is None:
        definitions = await store.of(service)
        return json([room_info(one) for one in definitions], _counted(len(definitions)))
    page = _positive(call.query.get("page")) or 1
    total = await store.count(service)
    definitions = await store.of(service, limit=per_page, offset=(page - 1) * per_page)
    headers = (*_counted(total), *_links(call, page, per_page, total))
    return json([room_info(one) for one in definitions], headers)


async def create_room(call: Call) -> Answer:
    """A new room. What ``options`` leave out gets its default; null counts as left out."""
    document: dict[str, Any] = call.body
    try:
        definition = await call.api.store.rooms.create(
            call.api.ids.mint(), call.caller.service.id, document, created_ms=call.api.now_ms()
        )
    except Conflict:
        raise ApiError(errors.SERVICE_NOT_FOUND, "Service not found") from None
    return json(room_info(definition))


async def get_room(call: Call) -> Answer:
    """One room."""
    return json(room_info(call.room))


async def update_room(call: Call) -> Answer:
    """Replaces the given members of a room. A running room goes on with its old definition until it has stopped."""
    body = call.body
    definition = await call.api.store.rooms.update(
        call.room.id, lambda document: updated_room(call.room.id, document, body)
    )
    if definition is None:
        raise ApiError(errors.ROOM_NOT_FOUND, "Room not found")
    return json(room_info(definition))


async def patch_room(call: Call) -> Answer:
    """Replaces the given members of a room, as PUT does."""
    return await update_room(call)


async def delete_room(call: Call) -> Answer:
    """Deletes a room: its participants are dropped, its tokens revoked."""
    if not await call.api.store.rooms.delete(call.room.id):
        raise ApiError(errors.ROOM_NOT_FOUND, "Room not found")
    await call.api.rooms.close(RoomId(call.room.id))
    return text("Room deleted")


def _given(body: Any) -> Any:
    """A body that is checked by the handler, against the stored room."""
    if not isinstance(body, dict):
        raise ProtocolError("body: expected object")
    return body


def _positive(written: str | None) -> int | None:
    """The number in a query parameter; None for what is not a positive one."""
    if written is None or not written.isascii() or not written.isdigit() or len(written) > 20:
        return None
    return min(int(written), _MAX_PAGE) or None


def _counted(total: int) -> Headers:
    return ((b"x-total-count", str(total).encode()),)


def _links(call: Call, page: int, per_page: int, total: int) -> Headers:
    """The RFC 8288 links to the neighbouring pages."""
    last = max(1, -(-total // per_page))
    pages = {"first": 1, "last": last}
    if page > 1:
        pages["prev"] = min(page - 1, last)
    if page < last:
        pages["next"] = page + 1
    path = f"{base_of(call.scope)}{call.version}/rooms"
    links = (
        f'<{path}?{urlencode({"page": number, "per_page": per_page})}>; rel="{relation}"'
        for relation, number in pages.items()
    )
    return ((b"link", ", ".join(links).encode()),)


OPERATIONS: Final = (
    Operation("GET", "/rooms/{room}", get_room, gives=Room),
    Operation(
        "GET",
        "/rooms",
        list_rooms,
        gives=list[Room],
        query=(
            Parameter("page", "Counts from 1; only together with per_page."),
            Parameter("per_page", "How many rooms make a page; all without it."),
        ),
    ),
    Operation(
        "POST",
        "/rooms",
        create_room,
        takes=NewRoom,
        gives=Room,
        parse=new_room,
        nulls=True,
        errors=(errors.SERVICE_NOT_FOUND,),
        example={"name": "standup", "options": {"participantLimit": 20, "views": [{"label": "common"}]}},
    ),
    Operation(
        "PUT",
        "/rooms/{room}",
        update_room,
        takes=RoomUpdate,
        gives=Room,
        parse=_given,
        nulls=True,
        example={"name": "retrospective"},
    ),
    Operation(
        "PATCH",
        "/rooms/{room}",
        patch_room,
        takes=RoomUpdate,
        gives=Room,
        parse=_given,
        nulls=True,
        example={"participantLimit": 5},
    ),
    Operation("DELETE", "/rooms/{room}", delete_room, says="Room deleted"),
)
