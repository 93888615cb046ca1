"""HTTP as uvicorn speaks it, over connections that are accepted, counted and bounded here.

uvicorn parses and answers; the subclasses count bytes before its parser sees them, and keep the deadlines. They reach
into parts of it that it does not promise, in this file alone: its protocol classes, and how its server begins to
accept. This would end with options of its own for deadlines of headers and bodies, for sizes and for connections per
source (Kludex/uvicorn#157 asked for the first ones and was closed without them), and for the TLS handshake.
"""
# ruff: noqa: D102  # the methods are uvicorn's

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import socket
from typing import TYPE_CHECKING, Any, Final

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from palaver.api.portal.socket_guard import TRUST
from palaver.containment import OwnedTasks
from palaver.server.connections import Limits, Writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from palaver.server.connections import Connected

_SWEEP_TICKS: Final = 10
"""Ticks of uvicorn, ten a second, between two looks at connections that do not end."""
_ACCEPT_AGAIN_S: Final = 0.1
_REASONS: Final = {
    400: b"Bad Request",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
}
_MAX_FRAMING: Final = 16 * 1024
"""Bytes of a chunked body in a row that are not content: sizes, extensions, trailers."""
_APP_FIRST_S: Final = 1.0
"""The application, which has the same limit for a body, answers first where it reads the body itself."""


class Reading(enum.Enum):
    """What is awaited from a client."""

    NOTHING = enum.auto()
    HEADER = enum.auto()
    BODY = enum.auto()


class BoundedHttp(HttpToolsProtocol):
    """One connection that speaks HTTP; ``place`` is set before it is connected."""

    place: Connected
    writing: Writing
    _reading = Reading.NOTHING
    _watched = Reading.NOTHING
    _deadline: asyncio.TimerHandle | None = None
    _pending = 0  # bytes since the parser last made something of them
    _body_bytes = 0
    _header_bytes = 0

    @property
    def limits(self) -> Limits:
        """Those of the server."""
        return self.place.limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self.place.transport = transport
        self.writing = Writing(transport, self.limits)
        elapsed = self.loop.time() - self.place.accepted
        self._reading = Reading.HEADER
        self._watch(self.limits.header_timeout_s - elapsed)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        self.writing.resumed()
        self.place.leave()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.writing.paused()

    def resume_writing(self) -> None:
        self.writing.resumed()
        super().resume_writing()

    # ── deadlines of what is read ───────────────────────────────────────────────────────────────────

    def _watch(self, seconds: float) -> None:
        self._unwatch()
        self._watched = self._reading
        self._deadline = self.loop.call_later(max(0.0, seconds), self._too_slow)

    def _unwatch(self) -> None:
        self._watched = Reading.NOTHING
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._reading is Reading.BODY:
            self.limits.counts["bodies_timed_out"] += 1
            self._refuse(400, "body: did not arrive in time")
        else:
            self.limits.counts["headers_timed_out"] += 1
            self.transport.abort()

    # ── bytes, before the parser sees them ──────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._pending += len(data)
        if self._reading is Reading.BODY:
            self._body_bytes += len(data)
        super().data_received(data)
        if not self.transport.is_closing() and self.transport.get_protocol() is self:
            self._check()

    def _check(self) -> None:
        """After bytes were parsed: whether what is still incomplete is within its bounds and has a deadline."""
        limits = self.limits
        if self._reading is Reading.BODY:
            if self._body_bytes > limits.max_body_bytes:
                limits.counts["bodies_oversized"] += 1
                self._refuse(413, f"body: expected at most {limits.max_body_bytes} bytes")
            elif self._pending > _MAX_FRAMING:
                limits.counts["bodies_oversized"] += 1
                self._refuse(400, f"body: expected at most {_MAX_FRAMING} bytes around a chunk")
            elif self._watched is not Reading.BODY:
                self._watch(limits.body_timeout_s + _APP_FIRST_S)
            return
        if self._pending:  # of a header, or blank lines before one
            self._reading = Reading.HEADER
        if self._pending > limits.max_header_bytes:
            self._header_too_long()
        elif self._reading is Reading.NOTHING:
            self._unwatch()
        elif self._watched is not Reading.HEADER:
            self._watch(limits.header_timeout_s)

    def on_message_begin(self) -> None:
        self._reading = Reading.HEADER
        self._pending = self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is Reading.BODY:
            self.send_400_response("trailers: expected none")
            return
        self._measure(len(name) + len(value))
        super().on_header(name, value)

    def _measure(self, size: int) -> None:
        """Count what was parsed: a header may come whole, in one piece that is too long."""
        self._header_bytes += size
        if self._header_bytes > self.limits.max_header_bytes and not self.transport.is_closing():
            self._header_too_long()

    def _header_too_long(self) -> None:
        self.limits.counts["headers_oversized"] += 1
        self._refuse(431, f"header: expected at most {self.limits.max_header_bytes} bytes")

    def on_headers_complete(self) -> None:
        self._reading = Reading.BODY
        self._watched = Reading.NOTHING
        self._pending = self._body_bytes = 0
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._pending = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading = self._watched = Reading.NOTHING
        self._pending = 0
        if not self.transport.is_closing():
            super().on_message_complete()

    # ── other protocols, and the end ────────────────────────────────────────────────────────────────

    def handle_websocket_upgrade(self) -> None:
        self._unwatch()
        self.place.upgrade()
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if isinstance(protocol, BoundedWebSocket):
            protocol.hold(self.place)

    def send_400_response(self, msg: str) -> None:
        self.limits.counts["malformed"] += 1
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        """Answer in the shape of all our errors, unless an answer is under way, and close."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
        elif cycle is not None and self._reading is Reading.BODY:  # it was answered before it was complete
            self.transport.abort()
            return
        body = b'{"error":{"code":1301,"message":"%s"}}' % message.encode("ascii", "replace")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (status, _REASONS[status], len(body), body)
        )
        self.transport.close()


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """One websocket: its messages are small until the application trusts it, and it must read."""

    _place: Connected | None = None
    _writing: Writing | None = None
    _limit = 0
    _pending = 0  # bytes since the last whole message

    def hold(self, place: Connected) -> None:
        """Go on as the connection that has ``place``."""
        self._place, self._limit, self._pending = place, place.limits.max_early_frame_bytes, 0
        self._writing = Writing(self.transport, place.limits)

    def _trust(self) -> None:
        if self._place is not None:
            self._limit = self._place.limits.max_frame_bytes

    async def run_asgi(self) -> None:
        extensions: dict[Any, Any] = self.scope["extensions"]
        extensions[TRUST] = self._trust
        await super().run_asgi()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._place is not None:
            self._place.leave()
        if self._writing is not None:
            self._writing.resumed()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Read no more either: pings are answered without waiting for the client to read."""
        super().pause_writing()
        self.transport.pause_reading()
        if self._writing is not None:
            self._writing.paused()

    def resume_writing(self) -> None:
        if self._writing is not None:
            self._writing.resumed()
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._pending += len(data)
        super().data_received(data)
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()  # the application may have begun to read again
        if self._place is None or self._pending <= self._limit:
            return
        if not self.transport.is_closing():
            self._place.limits.counts["frames_oversized"] += 1
            self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        self._pending = 0
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        self._between_messages()
        super().handle_ping()

    def handle_pong(self, event: Any) -> None:
        self._between_messages()
        super().handle_pong(event)

    def _between_messages(self) -> None:
        """A ping or pong is no part of a message; within one it does not make room for more."""
        if not self.frames:
            self._pending = 0


class HttpServer(uvicorn.Server):
    """uvicorn inside our loop: signals are ours, and ``listening`` is set once requests are answered.

    Connections are accepted here, so that a TLS handshake counts and has a deadline like all that follows.
    """

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.servers: list[Any] = []
        self._limits = limits
        self.tasks = OwnedTasks("palaver.server")
        self._accepting: list[asyncio.Task[None]] = []

    def use_certificate(self, cert: str, key: str) -> None:
        """Begin new connections with the certificate in these files. Raises OSError, and keeps the one before."""
        assert self.config.ssl is not None, "this server speaks no TLS"
        self.config.ssl.load_cert_chain(cert, key)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        try:
            await super().serve(sockets)
        finally:
            await self.tasks.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept; takes uvicorn's place, which has no limits where TLS begins."""
        for one in sockets or []:
            one.setblocking(False)
            again = functools.partial(self.tasks.kept, functools.partial(self._accept, one), "accept")
            self._accepting.append(self.tasks.start(again, "accept"))
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
            close = functools.partial(self._limits.close_stale, asyncio.get_running_loop().time())
            self.tasks.guard(close, "stale connections")
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no handlers."""
        yield

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
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
                self.tasks.start(functools.partial(self._begin, accepted, place), "handshake")

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
