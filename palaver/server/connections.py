"""Bounds of connections: what one may cost before anybody knows what it wants, and how long each of its states lasts.

``http.py`` keeps them, inside of uvicorn.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from palaver.api.sources import Sources, Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class Writing:
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
