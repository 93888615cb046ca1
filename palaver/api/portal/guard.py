"""Keeps frames that the Socket.IO library stumbles over away from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from palaver.api.portal.packets import well_formed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def guarded(app: App, path: str) -> App:
    """``app``, where a malformed websocket frame on the portal's path ends that socket like a loss would.

    The library parses frames outside of its own error handling: an empty one would be a traceback of the server.
    """
    prefix = f"/{path.strip('/')}/"

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket" or not f"{scope['path']}/".startswith(prefix):
            await app(scope, receive, send)
            return

        async def checked() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and not well_formed(message.get("text")):
                return {"type": "websocket.disconnect", "code": 1002}
            return message

        await app(scope, checked, send)

    return guard
