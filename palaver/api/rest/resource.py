"""A path of the API and its methods: authorise, find the room, read the body, call the handler, answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from palaver.api.http.answers import ApiError, error
from palaver.api.http.body import read_body
from palaver.api.http.failures import store_failed
from palaver.api.http.ids import is_object_id
from palaver.api.rest.operations import Api, Call, Operation, Version
from palaver.api.wire import errors
from palaver.api.wire.errors import OWT_ERRORS, ProtocolError
from palaver.jobs.opening import RoomNotFound
from palaver.room.errors import Fault, RoomError
from palaver.store import RoomDefinition, StoreError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from palaver.api.auth.mauth import Caller

CALLER: Final = "palaver.caller"
"""Where in the ASGI scope the gate leaves who signed the request."""

_SAID: Final = {
    Fault.PARTICIPANT_NOT_FOUND: "Participant not found",
    Fault.STREAM_NOT_FOUND: "Stream not found",
    Fault.FORBIDDEN: "Permission denied",
    Fault.ROOM_CLOSED: "Room not found",
}
"""OWT's own words, where it has some."""


class Resource:
    """All methods of one path; an ASGI application."""

    def __init__(self, api: Api, version: Version, operations: list[Operation]) -> None:
        self._api, self._version = api, version
        self._methods: dict[str, Operation] = {operation.method: operation for operation in operations}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer: ASGIApp
        try:
            answer = await self._answer(scope, receive)
        except ApiError as refusal:
            answer = refusal.answer()
        except ProtocolError as refusal:
            answer = error(errors.BAD_REQUEST, str(refusal))
        except RoomError as refusal:
            answer = error(OWT_ERRORS[refusal.fault], _SAID.get(refusal.fault) or _sentence(refusal))
        except RoomNotFound:
            answer = error(errors.ROOM_NOT_FOUND, "Room not found")
        except StoreError as failure:
            answer = store_failed(failure, scope)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGIApp:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        operation = self._methods.get(method)
        if operation is None:
            raise ApiError(errors.NOT_FOUND, "Resource not found")
        caller: Caller = scope[CALLER]
        if operation.super_only and not caller.service.is_super:
            raise ApiError(errors.FORBIDDEN, "Permission denied")
        call = Call(self._api, caller, self._version, scope["path_params"], query_of(scope), scope)
        if operation.in_room:
            call.room = await self._owned(caller, call.path["room"])
        if operation.takes is not None:
            call.body = operation.parsed(await self._body(scope, receive))
        return await operation.handler(call)

    async def _body(self, scope: Scope, receive: Receive) -> Any:
        settings = self._api.settings
        return await read_body(scope, receive, settings.body_limit, settings.body_timeout_s)

    async def _owned(self, caller: Caller, room: str) -> RoomDefinition:
        definition = await self._api.store.rooms.get(room) if is_object_id(room) else None
        if definition is None or definition.service != caller.service.id:
            raise ApiError(errors.ROOM_NOT_FOUND, "Room not found")
        return definition


def query_of(scope: Scope) -> dict[str, str]:
    """The query parameters; of repeated ones the last."""
    query = scope["query_string"]
    return dict(parse_qsl(query.decode("latin-1"), errors="replace")) if query else {}


def _sentence(refusal: RoomError) -> str:
    return str(refusal)[:1].upper() + str(refusal)[1:]
