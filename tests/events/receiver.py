"""A web server that takes events as a test says, and remembers them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@dataclass
class Receiver:
    """``answer`` gives the status for each request; None hangs."""

    url: str = ""
    answer: Callable[[dict[str, Any]], int | None] = lambda _: 200
    attempts: list[dict[str, Any]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        """One request."""
        raw = await request.read()
        event = msgspec.json.decode(raw)
        async with self._changed:
            self.attempts.append(event)
            self.requests.append(({k.lower(): v for k, v in request.headers.items()}, raw))
            status = self.answer(event)
            if status is not None and 200 <= status < 300:
                self.taken.append(event)
            self._changed.notify_all()
        if status is None:
            await asyncio.Event().wait()
        return web.Response(status=status or 500, headers={"location": "/elsewhere"})

    async def until(self, condition: Callable[[], object], timeout_s: float = 20) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: bool(condition()))


@contextlib.asynccontextmanager
async def receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """A running one."""
    one = Receiver()
    app = web.Application()
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = one.handle
    app.router.add_post("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server: Any = site._server
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield one
    finally:
        await runner.cleanup()
