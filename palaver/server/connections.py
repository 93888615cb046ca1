"""Bounds of one connection: what it may cost before anybody knows what it wants, and how long each of its states lasts.

uvicorn's protocols parse and answer; these subclasses count bytes before a parser sees them, and keep the deadlines.
"""
# ruff: noqa: D102  # the methods are uvicorn's

from __future__ import annotations

import asyncio
import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from palaver.api.portal.socket_guard import TRUST
from palaver.api.sources import Sources, Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_REASONS: Final = {
    400: b"Bad Request",
    413: b"Content Too Large",
    431: b"Request Header Fields Too Large",
}
_MAX_FRAMING: Final = 16 * 1024
"""Bytes of a chunked body in a row that are not content: sizes, extensions, trailers."""
_APP_FIRST_S: Final = 1.0
"""The application, which has the same limit for a body, answers first where it reads the body itself."""
_COUNTERS: Final = (
    *("refused", "source_refused", "accept_failed"),
    *("handshakes_failed", "headers_timed_out", "bodies_timed_out", "readers_timed_out"),
    *("headers_oversized", "bodies_oversized", "frames_oversized", "malformed"),
)


@dataclass(slots=True)
class Limits:
    """Bounds of all connections of a server, who holds which, and how often each bound was met."""

    header_timeout_s: float
    body_timeout_s: float
    write_timeout_s: float
    keep_alive_s: float
    max_header_bytes: int
    max_body_bytes: int
    max_frame_bytes: int
    max_early_frame_bytes: int
    max_connections: int
    max_per_source: int
    sources: Sources = field(default_factory=Sources)
    counts: Counter[str] = field(default_factory=Counter)
    held: set[Connected] = field(default_factory=set)
    by_source: Tally = field(init=False)
    waiting: int = 0
    """Connections that were not upgraded."""

    def __post_init__(self) -> None:
        self.by_source = Tally(self.max_per_source)

    def admit(self, address: str, now: float) -> Connected | None:
        """A place for a connection from ``address``, or None if there is none left."""
        source = self.sources.of(address)
        if self.waiting >= self.max_connections:
            self.counts["refused"] += 1
            return None
        if self.by_source.full(source):
            self.counts["source_refused"] += 1
            return None
        return Connected(self, source, now)

    def close_stale(self, now: float) -> None:
        """Abort what was closed and does not end since its client reads nothing."""
        for one in list(self.held):
            one.check(now)

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name."""
        return {
            "connections": len(self.held),
            "connections_upgraded": len(self.held) - self.waiting,
            "connections_of_busiest_source": self.by_source.most,
            **{f"{name}_total": self.counts[name] for name in _COUNTERS},
        }


class Connected:
    """One accepted connection, from then until it is lost. ``accepted`` is the loop's time."""

    def __init__(self, limits: Limits, source: str | None, accepted: float) -> None:
        self.limits, self.accepted = limits, accepted
        self.transport: asyncio.Transport | None = None
        self._source = source
        self._upgraded = self._left = False
        self._closing_since: float | None = None
        limits.held.add(self)
        limits.waiting += 1
        limits.by_source.take(source)

    def upgrade(self) -> None:
        """It speaks another protocol now, with limits of its own."""
        if not self._upgraded:
            self._upgraded = True
            self.limits.waiting -= 1

    def leave(self) -> None:
        """The connection is gone."""
        if self._left:
            return
        self._left = True
        self.upgrade()
        self.limits.held.discard(self)
        self.limits.by_source.give(self._source)

    def check(self, now: float) -> None:
        """See Limits.close_stale."""
        if self.transport is None or not self.transport.is_closing():
            return
        if self._closing_since is None:
            self._closing_since = now
        elif now - self._closing_since > self.limits.write_timeout_s:
            self.limits.counts["readers_timed_out"] += 1
            self._closing_since = now
            self.transport.abort()


class _Writing:
    """A deadline for a client that does not read what was written to it."""

    def __init__(self, transport: asyncio.Transport, limits: Limits) -> None:
        self._transport, self._limits = transport, limits
        self._timer: asyncio.TimerHandle | None = None

    def paused(self) -> None:
        """Too much waits to be read."""
        self.resumed()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._limits.write_timeout_s, self._give_up)

    def resumed(self) -> None:
        """The client read, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._limits.counts["readers_timed_out"] += 1
        self._transport.abort()


class Reading(enum.Enum):
    """What is awaited from a client."""

    NOTHING = enum.auto()
    HEADER = enum.auto()
    BODY = enum.auto()


class BoundedHttp(HttpToolsProtocol):
    """One connection that speaks HTTP; ``place`` is set before it is connected."""

    place: Connected
    writing: _Writing
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
        self.writing = _Writing(transport, self.limits)
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
    _writing: _Writing | None = None
    _limit = 0
    _pending = 0  # bytes since the last whole message

    def hold(self, place: Connected) -> None:
        """Go on as the connection that has ``place``."""
        self._place, self._limit, self._pending = place, place.limits.max_early_frame_bytes, 0
        self._writing = _Writing(self.transport, place.limits)

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
