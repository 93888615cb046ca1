"""/v1/rooms: the definitions of rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest.operations import Call, Operation
from palaver.api.rest.paging import PAGED, asked_page, page_headers
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.room_document import NewRoom, Room, RoomUpdate
from palaver.api.wire.rooms import new_room, room_info, updated_room
from palaver.events.feed import ROOM_DELETED
from palaver.room.values import RoomId
from palaver.store import Conflict

if TYPE_CHECKING:
    from palaver.store import RoomDefinition


async def list_rooms(call: Call) -> Answer:
    """The caller's rooms, oldest first: all, or one page of ``per_page``. ``page`` alone is ignored."""
    store, service, page = call.api.store.rooms, call.caller.service.id, asked_page(call)
    definitions = await store.of(service, **(page.window if page else {}))
    total = len(definitions) if page is None else await store.count(service)
    return json([_shown(call, one) for one in definitions], page_headers(call, "/rooms", page, total))


async def create_room(call: Call) -> Answer:
    """A new room. What ``options`` leave out gets its default; null counts as left out."""
    document: dict[str, Any] = call.body
    try:
        definition = await call.api.store.rooms.create(
            call.api.ids.mint(), call.caller.service.id, document, created_ms=call.api.now_ms()
        )
    except Conflict:
        raise ApiError(errors.SERVICE_NOT_FOUND, "Service not found") from None
    call.api.phones.room_changed(definition.id, definition)
    return json(_shown(call, definition))


async def get_room(call: Call) -> Answer:
    """One room."""
    return json(_shown(call, call.room))


async def update_room(call: Call) -> Answer:
    """Replaces the given members of a room. A running room goes on with its old definition until it has stopped."""
    body = call.body
    definition = await call.api.store.rooms.update(
        call.room.id, lambda document: updated_room(call.room.id, document, body)
    )
    if definition is None:
        raise ApiError(errors.ROOM_NOT_FOUND, "Room not found")
    call.api.phones.room_changed(definition.id, definition)
    return json(_shown(call, definition))


async def patch_room(call: Call) -> Answer:
    """Replaces the given members of a room, as PUT does."""
    return await update_room(call)


async def delete_room(call: Call) -> Answer:
    """Deletes a room: its participants are dropped, its tokens revoked."""
    if not await call.api.store.rooms.delete(call.room.id):
        raise ApiError(errors.ROOM_NOT_FOUND, "Room not found")
    call.api.phones.room_changed(call.room.id, None)
    await call.api.rooms.close(RoomId(call.room.id))
    call.api.webhooks.know(call.room.id, call.room.service)
    call.api.feed.tell(call.room.id, ROOM_DELETED, {})
    return text("Room deleted")


def _shown(call: Call, definition: RoomDefinition) -> dict[str, Any]:
    """A room, and how its account at a SIP server stands."""
    info, account = room_info(definition), call.api.phones.account(definition.id)
    if account is not None and info.get("sip"):
        status = {"status": account.status, **({"reason": account.reason} if account.reason else {})}
        info["sip"] = {**info["sip"], **status}
    return info


def _given(body: Any) -> Any:
    """A body that is checked by the handler, against the stored room."""
    if not isinstance(body, dict):
        raise ProtocolError("body: expected object")
    return body


OPERATIONS: Final = (
    Operation("GET", "/rooms/{room}", get_room, gives=Room),
    Operation(
        "GET",
        "/rooms",
        list_rooms,
        gives=list[Room],
        query=PAGED,
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
