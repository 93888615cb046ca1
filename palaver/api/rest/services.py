"""/services: the accounts of applications, for the super service."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.http.ids import is_object_id
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.services import NewService, Service, service_info
from palaver.events.feed import ROOM_DELETED
from palaver.room.values import RoomId
from palaver.store import Conflict

if TYPE_CHECKING:
    from palaver.store import Service as StoredService


async def list_services(call: Call) -> Answer:
    """All services, in the order of their creation."""
    owned = await call.api.store.rooms.ids()
    services = await call.api.store.services.all()
    return json([service_info(one.id, one.name, one.cipher, owned.get(one.id, [])) for one in services])


async def create_service(call: Call) -> Answer:
    """A new service. Its answer shows the key encrypted: remember what you sent."""
    wanted: NewService = call.body
    try:
        service = await call.api.store.services.create(
            call.api.ids.mint(), wanted.name, wanted.key, created_ms=call.api.now_ms()
        )
    except Conflict:
        raise ProtocolError(f"name: there is a service called {wanted.name} already") from None
    return json(service_info(service.id, service.name, service.cipher, []))


async def get_service(call: Call) -> Answer:
    """One service; every service may ask for itself."""
    if not call.caller.service.is_super and call.path["service"] != call.caller.service.id:
        raise ApiError(errors.FORBIDDEN, "Permission denied")
    service = await _service(call)
    owned = await call.api.store.rooms.ids(service.id)
    return json(service_info(service.id, service.name, service.cipher, owned.get(service.id, [])))


async def delete_service(call: Call) -> Answer:
    """Ends a service with its rooms, which drop their participants. The super service cannot be deleted."""
    service = await _service(call)
    if service.is_super:
        raise ApiError(errors.FORBIDDEN, "Super service not permitted to be deleted")
    rooms = await call.api.store.services.delete(service.id)
    if rooms is None:
        raise _not_found()
    call.api.webhooks.forget_service(service.id)
    for room in rooms:
        call.api.phones.room_changed(room, None)
    closing = [
        call.api.rooms.tasks.start(partial(call.api.rooms.close, RoomId(room)), "end") for room in rooms
    ]
    if closing:
        await asyncio.wait(closing)
    for room in rooms:
        call.api.feed.tell(room, ROOM_DELETED, {})
    return text("Service deleted")


async def _service(call: Call) -> StoredService:
    wanted = call.path["service"]
    service = await call.api.store.services.get(wanted) if is_object_id(wanted) else None
    if service is None:
        raise _not_found()
    return service


def _not_found() -> ApiError:
    return ApiError(errors.SERVICE_NOT_FOUND, "Service not found")


OPERATIONS: Final = (
    Operation("GET", "/services", list_services, gives=list[Service], super_only=True, versions=("",)),
    Operation(
        "POST",
        "/services",
        create_service,
        takes=NewService,
        gives=Service,
        super_only=True,
        versions=("",),
        example={"name": "my-application", "key": "a long secret"},
    ),
    Operation(
        "GET",
        "/services/{service}",
        get_service,
        gives=Service,
        versions=("",),
        errors=(errors.FORBIDDEN, errors.SERVICE_NOT_FOUND),
    ),
    Operation(
        "DELETE",
        "/services/{service}",
        delete_service,
        says="Service deleted",
        super_only=True,
        versions=("",),
        errors=(errors.SERVICE_NOT_FOUND,),
    ),
)
