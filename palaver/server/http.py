"""HTTP as uvicorn speaks it, over connections that are accepted, counted and bounded here."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvicorn

from palaver.server.connections import BoundedHttp, BoundedWebSocket, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.server.connections import Connected

_SWEEP_TICKS: Final = 10
"""Ticks of uvicorn, ten a second, between two looks at connections that do not end."""
_ACCEPT_AGAIN_S: Final = 0.1


class HttpServer(uvicorn.Server):
    """uvicorn inside our loop: signals are ours, and ``listening`` is set once requests are answered.

    Connections are accepted here, so that a TLS handshake counts and has a deadline like all that follows.
    """

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.servers: list[Any] = []
        self._limits = limits
        self._tasks: asyncio.TaskGroup | None = None
        self._accepting: list[asyncio.Task[None]] = []

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        async with asyncio.TaskGroup() as self._tasks:
            await super().serve(sockets)
            for task in self._accepting:
                task.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept; takes uvicorn's place, which has no limits where TLS begins."""
        assert self._tasks is not None
        for one in sockets or []:
            one.setblocking(False)
            self._accepting.append(self._tasks.create_task(self._accept(one), name="accept"))
        self.started = True
        self.listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; nothing is accepted any more, handshakes under way included."""
        for task in self._accepting:
            task.cancel()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn."""
        if counter % _SWEEP_TICKS == 0:
            self._limits.close_stale(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no handlers."""
        yield

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as beginning:
            while True:
                try:
                    accepted, address = await loop.sock_accept(listening)
                except OSError:  # the client is gone already, or descriptors ran out
                    self._limits.counts["accept_failed"] += 1
                    await asyncio.sleep(_ACCEPT_AGAIN_S)
                    continue
                place = self._limits.admit(address[0], loop.time())
                if place is None:
                    accepted.close()
                else:
                    beginning.create_task(self._begin(accepted, place))

    async def _begin(self, accepted: socket.socket, place: Connected) -> None:
        """Make a connection of an accepted socket, TLS first if the server speaks it."""

        def protocol() -> BoundedHttp:
            made = BoundedHttp(self.config, self.server_state, {}, None)
            made.place = place
            return made

        tls, loop = self.config.ssl, asyncio.get_running_loop()
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                protocol,
                accepted,
                ssl=tls,
                ssl_handshake_timeout=self._limits.header_timeout_s if tls else None,
                ssl_shutdown_timeout=self._limits.write_timeout_s if tls else None,
            )
        except OSError:  # ssl.SSLError and a handshake that takes too long are some
            self._limits.counts["handshakes_failed"] += 1
            place.leave()
            accepted.close()
        except Exception:  # whatever it is, it is the end of this connection alone
            structlog.get_logger("palaver.server").exception("a connection could not begin")
            place.leave()
            accepted.close()
        except asyncio.CancelledError:
            place.leave()
            accepted.close()
            raise


def server(app: Any, limits: Limits, *, certificate: tuple[str, str] | None, grace_s: float) -> HttpServer:
    """A server for ``app``; ``certificate``: its file and its key's; ``grace_s``: what a stop leaves requests."""
    cert, key = certificate or (None, None)
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws=BoundedWebSocket,
        ws_per_message_deflate=False,
        ws_max_size=limits.max_frame_bytes,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # Edge reads them
        server_header=False,
        timeout_keep_alive=limits.keep_alive_s,  # type: ignore[arg-type]  # any number will do
        timeout_graceful_shutdown=max(1, int(grace_s)),
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    return HttpServer(config, limits)
