"""How the page's own endpoints read bodies and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import structlog
from starlette.responses import Response

from palaver.api.wire.errors import ProtocolError
from palaver.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

_MAX_BODY: Final = 4096
_Body = TypeVar("_Body")


class Refused(Exception):
    """An answer other than 200: HTTP status, OWT's code, words for people."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


async def body_of(request: Request, kind: type[_Body]) -> _Body:
    """The JSON body. Raises Refused for one that is too long or is something else."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Refused(413, 1301, "The request is too long.")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, 1301, f"body: {error}") from error


def answered(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint whose refusals are answers."""

    async def endpoint(request: Request) -> Response:
        try:
            return await work(request)
        except Refused as refused:
            return _error(refused.status, refused.code, refused.message)
        except ProtocolError as error:
            return _error(400, 1301, str(error))
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
