"""What the management API sends back: JSON, text, errors."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Headers = tuple[tuple[bytes, bytes], ...]

JSON: Final = b"application/json; charset=utf-8"
TEXT: Final = b"text/html; charset=utf-8"
"""OWT calls its texts so; tokens and "Room deleted" hold no markup."""

PLAIN: Final = b"text/plain; charset=utf-8"

_ENCODER: Final = msgspec.json.Encoder()


class Answer:
    """A complete response; an ASGI application that can be sent any number of times."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(self, status: int, body: bytes, content_type: bytes, headers: Headers = ()) -> None:
        self.status, self.body, self.content_type, self.headers = status, body, content_type, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; to HEAD without the body, to an ``If-None-Match`` that fits as 304."""
        status, body = self.status, self.body
        headers = [(b"content-type", self.content_type), *self.headers]
        if status == 200 and self.content_type is JSON and scope["method"] in {"GET", "HEAD"}:
            tag = b'W/"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"'
            headers.append((b"etag", tag))
            if _matches(scope, tag):
                status, body = 304, b""
        if status != 304:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class ApiError(Exception):
    """A refusal with its HTTP status and OWT's code."""

    def __init__(self, error: tuple[int, int], message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status, self.code = error
        self.message, self.headers = message, headers

    def answer(self) -> Answer:
        """The refusal as a response."""
        return error((self.status, self.code), self.message, self.headers)


def json(value: Any, headers: Headers = ()) -> Answer:
    """200 with ``value``."""
    return Answer(200, _ENCODER.encode(value), JSON, headers)


def text(words: str = "") -> Answer:
    """200 with plain words, or nothing."""
    return Answer(200, words.encode(), TEXT)


def error(kind: tuple[int, int], message: str, headers: Headers = ()) -> Answer:
    """``{"error": {"code", "message"}}`` with its status."""
    status, code = kind
    return Answer(status, _ENCODER.encode({"error": {"code": code, "message": message}}), JSON, headers)


def _matches(scope: Scope, tag: bytes) -> bool:
    """RFC 9110 §13.1.2, by weak comparison."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            return tag.removeprefix(b"W/") in value
    return False
