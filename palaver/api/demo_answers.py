"""How the page's own endpoints read bodies and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import structlog
from starlette.responses import Response

from palaver.api.http.answers import ApiError
from palaver.api.http.body import Disconnected, read_bytes
from palaver.api.wire.errors import OWT_ERRORS, ROOM_NOT_FOUND, ProtocolError
from palaver.jobs.opening import RoomNotFound
from palaver.room.errors import RoomError
from palaver.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

_MAX_BODY: Final = 4096
_BODY_S: Final = 30.0
_Body = TypeVar("_Body")


class Refused(ApiError):
    """An answer other than 200: HTTP status, OWT's code, words for people."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__((status, code), message)


async def body_of(request: Request, kind: type[_Body]) -> _Body:
    """The JSON body. Raises ApiError for one that is too long, too slow or something else."""
    body = await read_bytes(request.scope, request.receive, _MAX_BODY, _BODY_S)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, 1301, f"body: {error}") from error


def answered(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint whose refusals are answers."""

    async def endpoint(request: Request) -> Response:
        try:
            return await work(request)
        except ApiError as refused:
            return _error(refused.status, refused.code, refused.message)
        except Disconnected:
            return Response(status_code=400)  # nobody reads it
        except ProtocolError as error:
            return _error(400, 1301, str(error))
        except RoomNotFound:
            return _error(*ROOM_NOT_FOUND, "Room not found")
        except RoomError as refusal:
            return _error(*OWT_ERRORS[refusal.fault], str(refusal))
        except StoreError:
            structlog.get_logger("palaver.demo").exception("the database failed")
            return _error(500, 1401, "The server cannot reach its database; try again soon.")

    return endpoint


def json_answer(status: int, body: object) -> Response:
    """A JSON answer that nobody keeps."""
    return Response(
        msgspec.json.encode(body), status, {"cache-control": "no-store"}, "application/json; charset=utf-8"
    )


def _error(status: int, code: int, message: str) -> Response:
    return json_answer(status, {"error": {"code": code, "message": message}})
