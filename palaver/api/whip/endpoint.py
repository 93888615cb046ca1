"""A path of WHIP or WHEP: authorises, reads the body, answers; the methods are in subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from palaver.api.http.answers import Answer, ApiError, Headers
from palaver.api.http.body import media_type, read_bytes
from palaver.api.http.failures import store_failed
from palaver.api.whip import refusals
from palaver.api.wire import errors
from palaver.jobs.opening import RoomNotFound
from palaver.media.ports import EngineError, NegotiationError
from palaver.room.errors import RoomError
from palaver.store import StoreError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from palaver.api.whip.settings import WhipSettings

SDP: Final = b"application/sdp"
FRAGMENT: Final = b"application/trickle-ice-sdpfrag"

_EXPOSED: Final = (
    b"access-control-expose-headers",
    b"accept-patch, etag, link, location, retry-after, www-authenticate",
)


class Endpoint(ABC):
    """An ASGI application. ``methods`` are those beside OPTIONS, GET and HEAD."""

    methods: tuple[str, ...]
    accept: tuple[bytes, bytes]
    """The header that names the body's type."""

    def __init__(self, settings: WhipSettings) -> None:
        self._settings = settings
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._route(scope, receive)
        except ApiError as refusal:
            answer = self._refuse(refusal)
        except RoomError as refusal:
            answer = self._refuse(refusals.of_room(refusal))
        except RoomNotFound:
            answer = self._refuse(ApiError(errors.ROOM_NOT_FOUND, "Room not found"))
        except NegotiationError as refusal:
            answer = self._refuse(ApiError(refusals.UNUSABLE, str(refusal)))
        except EngineError as refusal:
            answer = self._refuse(ApiError(refusals.UNAVAILABLE, str(refusal), refusals.RETRY))
        except StoreError as failure:
            answer = store_failed(failure, scope)
        answer.headers = (*answer.headers, _EXPOSED)
        await answer(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive) -> Answer:
        method = scope["method"]
        if method in self.methods:
            return await self.answer(scope, receive)
        if method == "OPTIONS":
            return Answer(200, b"", SDP, self._options())
        if method in ("GET", "HEAD"):  # RFC 9725 §4.1: success, and nothing to see
            return Answer(204, b"", SDP)
        allow = ", ".join(("GET", "HEAD", "OPTIONS", *self.methods))
        raise ApiError(refusals.METHOD_NOT_ALLOWED, "Method not allowed", ((b"allow", allow.encode()),))

    @abstractmethod
    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer one of ``methods``."""

    def _options(self) -> Headers:
        """For browsers (Fetch, CORS protocol) and whoever wants to know what is possible."""
        methods = ", ".join((*self.methods, "OPTIONS")).encode()
        return (
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", b"authorization, content-type, if-match"),
            (b"allow", methods),
            self.accept,
        )

    def _refuse(self, refusal: ApiError) -> Answer:
        self.refused += 1
        return refusal.answer()

    async def text(self, scope: Scope, receive: Receive) -> str:
        """The body, if it is of the accepted type. Raises ApiError."""
        if media_type(scope) != self.accept[1]:
            message = f"Content-Type: expected {self.accept[1].decode()}"
            raise ApiError(refusals.UNSUPPORTED_TYPE, message, (self.accept,))
        settings = self._settings
        body = await read_bytes(scope, receive, settings.max_body_bytes, settings.body_timeout_s)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise ApiError(errors.BAD_REQUEST, "body: expected UTF-8") from None
        if not text.strip():
            raise ApiError(errors.BAD_REQUEST, "body: required")
        return text
