"""Server-sent events (WHATWG HTML, section 9.2): an answer that goes on while its client listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

PING_S: Final = 15.0
"""After so much silence a comment is sent: proxies close what says nothing, and a client that is gone is noticed."""
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def written(kind: str, data: str, event: str = "") -> bytes:
    """One event: its type, its data (one line), and the id after which a client that comes back wants to hear."""
    name = f"id: {event}\n" if event else ""
    return f"{name}event: {kind}\ndata: {data}\n\n".encode()


class EventStream:
    """Sends what ``events`` gives until it ends or the client goes away; an ASGI application."""

    def __init__(self, events: AsyncGenerator[bytes], *, ping_s: float = PING_S) -> None:
        self._events, self._ping_s = events, ping_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        try:
            if scope["method"] != "HEAD":
                await send({"type": "http.response.body", "body": b": palaver\n\n", "more_body": True})
                await self._send(receive, send)
        finally:
            await self._events.aclose()
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, receive: Receive, send: Send) -> None:
        async with asyncio.TaskGroup() as tasks:
            leaving = tasks.create_task(_gone(receive))
            coming = tasks.create_task(self._next())
            while leaving not in (await self._either(coming, leaving)):
                text: bytes | None = b": ping\n\n"
                if coming.done():
                    if (text := coming.result()) is None:
                        break
                    coming = tasks.create_task(self._next())
                await send({"type": "http.response.body", "body": text, "more_body": True})
            coming.cancel()
            leaving.cancel()

    async def _either(self, *tasks: asyncio.Task[Any]) -> set[asyncio.Task[Any]]:
        done, _ = await asyncio.wait(tasks, timeout=self._ping_s, return_when=asyncio.FIRST_COMPLETED)
        return done

    async def _next(self) -> bytes | None:
        """The next event, None after the last."""
        return await anext(self._events, None)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
