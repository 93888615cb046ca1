"""Reads a request's body: bounded in size and time, JSON or a form."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from palaver.api.http.answers import ApiError
from palaver.api.http.form import parse_form
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

_CLOSE: Final = ((b"connection", b"close"),)
"""The rest of the body is not wanted."""

_MARK: Final = "\ufeff".encode()
"""A byte order mark, with which some editors begin a file; RFC 8259, section 8.1, lets us ignore it."""


class Disconnected(Exception):
    """The client went away before its request was complete; nobody waits for an answer."""


async def read_body(scope: Scope, receive: Receive, limit: int, timeout_s: float) -> Any:
    """The decoded body of ``limit`` bytes at most, None if it is empty.

    Raises ApiError, ProtocolError, Disconnected.
    """
    content_type = media_type(scope)
    body = await read_bytes(scope, receive, limit, timeout_s)
    if not body:
        return None
    if content_type == b"application/json":
        return _decode(body)
    if content_type == b"application/x-www-form-urlencoded":
        return parse_form(body)
    raise ProtocolError("body: expected Content-Type application/json")


async def read_bytes(scope: Scope, receive: Receive, limit: int, timeout_s: float) -> bytes:
    """The whole body, of ``limit`` bytes at most. Raises ApiError, Disconnected."""
    too_large = ApiError(errors.TOO_LARGE, f"body: expected at most {limit} bytes", _CLOSE)
    announced = header(scope, b"content-length")
    if announced.isdigit() and (len(announced) > 15 or int(announced) > limit):
        raise too_large
    chunks: list[bytes] = []
    left = limit
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise Disconnected
                chunks.append(message.get("body", b""))
                left -= len(chunks[-1])
                if left < 0:
                    raise too_large
                if not message.get("more_body"):
                    return b"".join(chunks)
    except TimeoutError:
        raise ApiError(errors.BAD_REQUEST, "body: did not arrive in time", _CLOSE) from None


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body.removeprefix(_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"body: failed to parse JSON: {error}") from None
    except RecursionError:
        raise ProtocolError("body: nested too deeply") from None


def media_type(scope: Scope) -> bytes:
    """What the body is, in lower case and without parameters."""
    return header(scope, b"content-type").partition(b";")[0].strip().lower()


def header(scope: Scope, wanted: bytes) -> bytes:
    """The first header of this lower-case name, or nothing."""
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value)
    return b""
