"""HTTP as uvicorn speaks it, with bounds on what a connection may cost before anybody knows what it wants."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

_REASONS: Final = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


@dataclass(slots=True)
class Limits:
    """Bounds of all connections of a server, and how often each was met."""

    header_timeout_s: float
    max_header_bytes: int
    max_connections: int
    refused: int = 0
    timed_out: int = 0
    oversized: int = 0
    malformed: int = 0

    def stats(self) -> Mapping[str, float]:
        """Counters by metric name."""
        return {
            "refused_total": self.refused,
            "headers_timed_out_total": self.timed_out,
            "headers_oversized_total": self.oversized,
            "malformed_total": self.malformed,
        }


class HttpServer(uvicorn.Server):
    """uvicorn inside our loop: signals are ours, and ``listening`` is set once requests are answered."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no handlers."""
        yield


class _Bounded(HttpToolsProtocol):
    """One connection. The header of a request must arrive whole within its time and size."""

    limits: Limits  # of the server; set by `bounded`
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        if len(self.connections) > self.limits.max_connections:
            self.limits.refused += 1
            transport.abort()
            return
        self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_arrived()
        super().connection_lost(exc)

    def _expect_header(self) -> None:
        self._header_arrived()
        self._deadline = self.loop.call_later(self.limits.header_timeout_s, self._too_slow)

    def _header_arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self.limits.timed_out += 1
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def on_message_begin(self) -> None:
        self._header_bytes = 0
        self._expect_header()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(len(name) + len(value))
        super().on_header(name, value)

    def _measure(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self.limits.max_header_bytes and not self.transport.is_closing():
            self.limits.oversized += 1
            self._refuse(431, f"header: expected at most {self.limits.max_header_bytes} bytes")

    def on_headers_complete(self) -> None:
        self._header_arrived()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self.limits.malformed += 1
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        """Answer in the shape of all our errors, and close."""
        body = b'{"error":{"code":1301,"message":"%s"}}' % message.encode("ascii", "replace")
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (status, _REASONS[status], len(body), body)
        )
        self.transport.close()


def bounded(limits: Limits) -> type[HttpToolsProtocol]:
    """The protocol under ``limits``: uvicorn makes its connections from a class."""
    return type("Bounded", (_Bounded,), {"limits": limits})


def server(app: Any, limits: Limits, *, certificate: tuple[str, str] | None, grace_s: float) -> HttpServer:
    """A server for ``app``; ``certificate``: its file and its key's; ``grace_s``: what a stop leaves requests."""
    cert, key = certificate or (None, None)
    return HttpServer(
        uvicorn.Config(
            app,
            http=bounded(limits),
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, int(grace_s)),
            ssl_certfile=cert,
            ssl_keyfile=key,
        )
    )
