"""Stands between the web server and the Socket.IO library: for limits before a login, frames it stumbles over and
closings it forgets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from palaver.api.portal.library import Scope, is_of_ended_session
from palaver.api.portal.packets import well_formed

if TYPE_CHECKING:
    from palaver.api.portal.early import EarlySessions

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FAREWELLS: Final = frozenset({1000, 1001, 1005})
"""Codes of a close frame that the client sent itself (RFC 6455, section 7.4.1): what was sent before it arrived."""


TRUST: Final = "palaver.trust"
"""Extension in a websocket's scope: a function to call when its client may send messages of full size."""


class SocketGuard:
    """Wraps the application, and remembers which websockets their clients closed properly.

    While ``shut``, and while there is no room for another session, new connections are refused below Socket.IO: a
    client that is refused by it never tries again.
    """

    def __init__(self, path: str, early: EarlySessions, max_early_bytes: int) -> None:
        self._prefix = f"/{path.strip('/')}/"
        self._early, self._max_early_bytes = early, max_early_bytes
        self._closed: set[str] = set()
        self._trusted: set[str] = set()
        self._websockets: dict[str, Scope] = {}
        self.oversized = 0
        self.shut = False

    def wrap(self, app: App) -> App:
        """``app``, where a malformed websocket frame on the portal's path ends that socket like a loss would.

        The library parses frames outside of its own error handling: an empty one would be a traceback.
        """

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            ours = scope["type"] != "lifespan" and f"{scope['path']}/".startswith(self._prefix)
            if ours and await self._refused(scope, send):
                return
            if not ours:
                await app(scope, receive, send)
                return
            if scope["type"] != "websocket":
                await _polled(app, scope, receive, send)
                return
            self._websocket_begins(scope)

            async def checked() -> Message:
                message = await receive()
                if message["type"] == "websocket.disconnect" and _goodbye(message):
                    self._note(scope)
                if message["type"] == "websocket.receive" and not well_formed(message.get("text")):
                    return {"type": "websocket.disconnect", "code": 1002}
                return message

            try:
                await app(scope, checked, send)
            finally:
                self._closed.discard(_engine_sid(scope))
                self._websockets.pop(_engine_sid(scope), None)

        return guarded

    def said_goodbye(self, engine_sid: str, connect_scope: Scope) -> bool:
        """Whether the client closed its websocket itself; asked while the socket's end is handled."""
        return engine_sid in self._closed or bool(connect_scope.get("palaver.goodbye"))

    def trust(self, engine_sid: str, connect_scope: Scope) -> None:
        """The client of this session logged in."""
        self._trusted.add(engine_sid)
        for scope in (connect_scope, self._websockets.get(engine_sid, {})):
            _trust(scope)

    def forget(self, engine_sid: str) -> None:
        """The session ended."""
        self._trusted.discard(engine_sid)

    async def _refused(self, scope: Scope, send: Send) -> bool:
        """Whether the request was refused."""
        sid = _engine_sid(scope)
        if not sid and self.shut:
            await _refuse(scope, send, "The server is stopping")
            return True
        if not sid and scope.get("method") != "OPTIONS" and not self._early.admit(_address(scope)):
            await _refuse(scope, send, "Too many sessions; try again")
            return True
        if scope["type"] == "http" and sid not in self._trusted and _length(scope) > self._max_early_bytes:
            self.oversized += 1
            await _answer(send, 413, f"Expected at most {self._max_early_bytes} bytes before the login")
            return True
        return False

    def _websocket_begins(self, scope: Scope) -> None:
        """Remember it until its client logs in, if that did not happen over polling already."""
        if sid := _engine_sid(scope):
            self._websockets[sid] = scope
        if sid in self._trusted:
            _trust(scope)

    def _note(self, scope: Scope) -> None:
        """A websocket that continues a polling connection names it; one that began by itself is its scope."""
        if sid := _engine_sid(scope):
            self._closed.add(sid)
        else:
            scope["palaver.goodbye"] = True


async def _polled(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a poll. The library raises where a session has ended and is not forgotten yet."""
    try:
        await app(scope, receive, send)
    except KeyError as error:
        if not is_of_ended_session(error):
            raise
        await _answer(send, 400, "The session has ended")


def _goodbye(message: Message) -> bool:
    """Whether a close frame came; uvicorn says 1005 also when the connection is lost, but then gives no reason."""
    return message.get("code") in _FAREWELLS and "reason" in message


async def _refuse(scope: Scope, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1012})
        return
    await _answer(send, 503, why, (b"retry-after", b"1"))


async def _answer(send: Send, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
    all_headers = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": text.encode()})


def _trust(scope: Scope) -> None:
    trust = scope.get("extensions", {}).get(TRUST)
    if trust is not None:
        trust()


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:15])
    return 0


def _engine_sid(scope: Scope) -> str:
    query = parse_qs(bytes(scope.get("query_string", b"")).decode("latin-1"))
    return query.get("sid", [""])[0]
