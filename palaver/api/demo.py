"""What lets people at the page join without a management key: a demo session, bound to one room by a cookie."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import structlog
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from palaver.api.rest.ids import ObjectIds
from palaver.api.rest.tokens import PortalAddress
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.rooms import new_room
from palaver.store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.rest.settings import RestSettings
    from palaver.store import RoomDefinition

COOKIE: Final = "palaver_demo"
_MAX_BODY: Final = 4096
_PER_MINUTE: Final = 60
_ADDRESSES: Final = 10_000
_DAY_S: Final = 86_400
_ROLE: Final = "presenter"
# Not "printable", yet part of how Persian, Hindi and emoji are written.
_JOINERS: Final = dict.fromkeys((0x200C, 0x200D))

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class JoinRequest(msgspec.Struct):
    """Who wants to join which room, by its name."""

    room: Name
    user: Name


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """``service`` owns the page's rooms; ``cookie_key`` signs cookies; not ``enabled``: every join is refused."""

    enabled: bool
    service: str
    version: str
    cookie_key: bytes = field(repr=False)


class Refused(Exception):
    """An answer other than 200: HTTP status, OWT's code, words for people."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Demo:
    """Makes rooms by name in the sample service and tokens for them."""

    def __init__(
        self,
        store: Store,
        tokens: TokenDesk,
        rest: RestSettings,
        settings: DemoSettings,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._tokens, self._settings, self._clock = store, tokens, settings, clock
        self._portal = PortalAddress(rest)
        self._secure = rest.secure
        self._ids = ObjectIds(clock)
        self._making = asyncio.Lock()
        self._visits: OrderedDict[str, list[float]] = OrderedDict()
        self._log = structlog.get_logger("palaver.demo")

    def routes(self) -> list[BaseRoute]:
        """``POST /demo/join`` and ``GET /demo/config``."""
        return [
            Route("/demo/join", self._join, methods=["POST"]),
            Route("/demo/config", self._config, methods=["GET"]),
        ]

    async def _config(self, _request: Request) -> Response:
        return _json(200, {"demo": self._settings.enabled, "version": self._settings.version})

    async def _join(self, request: Request) -> Response:
        try:
            wanted = await self._wanted(request)
            room = await self._room(wanted.room)
            host, secure = self._portal.seen_from(request.headers.get("host", ""))
            token = await self._tokens.issue(room, wanted.user, _ROLE, host=host, secure=secure)
        except Refused as refused:
            return _error(refused.status, refused.code, refused.message)
        except ProtocolError as error:
            return _error(400, 1301, str(error))
        except StoreError:
            self._log.exception("the database failed")
            return _error(500, 1401, "The server cannot reach its database; try again soon.")
        answer = _json(200, {"token": token, "room": {"id": room.id, "name": room.name}})
        answer.set_cookie(
            COOKIE,
            self._sealed(room.id),
            max_age=_DAY_S,
            httponly=True,
            samesite="strict",
            secure=self._secure,
        )
        return answer

    async def _wanted(self, request: Request) -> JoinRequest:
        if not self._settings.enabled:
            raise Refused(403, 1102, "Joining without an invitation is switched off on this server.")
        origin = request.headers.get("origin")
        if origin is not None and origin.split("://", 1)[-1] != request.headers.get("host"):
            raise Refused(403, 1102, "Only this server's own page may ask for this.")
        self._limit(request.client.host if request.client else "")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY:
                raise Refused(413, 1301, "The request is too long.")
        try:
            wanted = msgspec.json.decode(bytes(body), type=JoinRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, 1301, f"body: {error}") from error
        for name, text in (("room", wanted.room), ("user", wanted.user)):
            visible = text.translate(_JOINERS)
            if not visible.strip() or not visible.isprintable():
                raise Refused(400, 1301, f"{name}: expected 1 to 64 printable characters")
        return wanted

    def _limit(self, address: str) -> None:
        """So many joins a minute from one address."""
        now = self._clock()
        visits = [t for t in self._visits.pop(address, []) if now - t < 60]
        self._visits[address] = [*visits, now]
        if len(self._visits) > _ADDRESSES:
            self._visits.popitem(last=False)
        if len(visits) >= _PER_MINUTE:
            self._visits[address] = visits
            raise Refused(429, 1301, "Too many joins from your address; wait a minute.")

    async def _room(self, name: str) -> RoomDefinition:
        """The sample service's oldest room of this name, made now if there is none."""
        name = " ".join(name.split())
        async with self._making:  # two people who come at once meet in one room
            for room in await self._store.rooms.of(self._settings.service):
                if room.name == name:
                    return room
            now_ms = int(self._clock() * 1000)
            return await self._store.rooms.create(
                self._ids.mint(), self._settings.service, new_room({"name": name}), created_ms=now_ms
            )

    def _sealed(self, room: str) -> str:
        """A demo session's cookie: room, expiry, nonce and their HMAC-SHA256."""
        text = f"{room}.{int(self._clock()) + _DAY_S}.{secrets.token_hex(8)}"
        return f"{text}.{hmac.new(self._settings.cookie_key, text.encode(), hashlib.sha256).hexdigest()}"


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, {"cache-control": "no-store"}, "application/json")


def _error(status: int, code: int, message: str) -> Response:
    return _json(status, {"error": {"code": code, "message": message}})
