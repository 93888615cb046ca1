"""Stands between the web server and the Socket.IO library: for frames it stumbles over and closings it forgets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs

from palaver.api.portal.packets import well_formed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_FAREWELLS: Final = frozenset({1000, 1001, 1005})
"""Codes of a close frame that the client sent itself (RFC 6455, section 7.4.1): what was sent before it arrived."""


class Guard:
    """Wraps the application, and remembers which websockets their clients closed properly.

    While ``shut``, new connections are refused below Socket.IO: a client that is refused by it never tries again.
    """

    def __init__(self, path: str) -> None:
        self._prefix = f"/{path.strip('/')}/"
        self._closed: set[str] = set()
        self.shut = False

    def wrap(self, app: App) -> App:
        """``app``, where a malformed websocket frame on the portal's path ends that socket like a loss would.

        The library parses frames outside of its own error handling: an empty one would be a traceback.
        """

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            ours = scope["type"] != "lifespan" and f"{scope['path']}/".startswith(self._prefix)
            if ours and self.shut and not _engine_sid(scope):
                await _refuse(scope, send)
                return
            if not ours or scope["type"] != "websocket":
                await app(scope, receive, send)
                return

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

        return guarded

    def said_goodbye(self, engine_sid: str, connect_scope: Scope) -> bool:
        """Whether the client closed its websocket itself; asked while the socket's end is handled."""
        return engine_sid in self._closed or bool(connect_scope.get("palaver.goodbye"))

    def _note(self, scope: Scope) -> None:
        """A websocket that continues a polling connection names it; one that began by itself is its scope."""
        if sid := _engine_sid(scope):
            self._closed.add(sid)
        else:
            scope["palaver.goodbye"] = True


def _goodbye(message: Message) -> bool:
    """Whether a close frame came; uvicorn says 1005 also when the connection is lost, but then gives no reason."""
    return message.get("code") in _FAREWELLS and "reason" in message


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1012})
        return
    headers = [(b"retry-after", b"1"), (b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"The server is stopping"})


def _engine_sid(scope: Scope) -> str:
    query = parse_qs(bytes(scope.get("query_string", b"")).decode("latin-1"))
    return query.get("sid", [""])[0]
