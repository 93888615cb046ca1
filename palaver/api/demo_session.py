"""The cookie of a demo session: whoever joined a room at the page may act in that room, for a day."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from palaver.api.http.edge import base_of, is_secure

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

COOKIE: Final = "palaver_demo"
_DAY_S: Final = 86_400
_RECORDS: Final = "records"
_STREAMS: Final = "streams"


@dataclass(frozen=True, slots=True)
class DemoSessions:
    """Seals and opens cookies. ``clock`` gives seconds since the epoch."""

    key: bytes = field(repr=False)
    clock: Callable[[], float]

    def begin(
        self, request: Request, answer: Response, room: str, *, may_record: bool, may_stream: bool
    ) -> None:
        """Let ``answer`` carry the cookie for a room. Each room has its own: its path is that of the room."""
        answer.set_cookie(
            COOKIE,
            self._sealed(room, [*[_RECORDS] * may_record, *[_STREAMS] * may_stream]),
            max_age=_DAY_S,
            path=f"{base_of(request.scope)}/demo/rooms/{room}",
            httponly=True,
            samesite="strict",
            secure=is_secure(request.scope),
        )

    def admits(self, request: Request, room: str) -> bool:
        """Whether ``request`` carries a cookie for ``room`` that is ours and not too old."""
        return self._opened(request, room) is not None

    def may_record(self, request: Request, room: str) -> bool:
        """Whether it carries one of somebody who may record."""
        return _RECORDS in (self._opened(request, room) or ())

    def may_stream(self, request: Request, room: str) -> bool:
        """Whether it carries one of somebody who may bring streams into the room, and send it elsewhere."""
        return _STREAMS in (self._opened(request, room) or ())

    def _opened(self, request: Request, room: str) -> list[str] | None:
        """What the cookie says beside the room; None if it admits nobody."""
        text, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            return None
        named, until, _nonce, *more = text.split(".")  # older ones have no more
        return "".join(more).split("-") if named == room and self.clock() < int(until) else None

    def _sealed(self, room: str, rights: list[str]) -> str:
        """Room, expiry, nonce, what its bearer may do, and their HMAC-SHA256."""
        until, nonce = int(self.clock()) + _DAY_S, secrets.token_hex(8)
        text = f"{room}.{until}.{nonce}.{'-'.join(rights)}"
        return f"{text}.{self._signature(text)}"

    def _signature(self, text: str) -> str:
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()


def same_origin(request: Request) -> bool:
    """Whether the server's own page asks, or somebody without a page.

    Browsers tell it themselves on secure pages, also where a proxy asks us by another name than they asked it.
    """
    if site := request.headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.split("://", 1)[-1] == request.headers.get("host")
