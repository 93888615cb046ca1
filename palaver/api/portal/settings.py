"""What can be configured about the portal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from palaver.api.clock import wall_clock
from palaver.api.http.ice_servers import no_servers
from palaver.api.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.api.http.ice_servers import IceServer


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSettings:
    """Times are seconds. ``ticket_key`` must be the same after a restart, for clients to survive it.

    ``origins``: pages that may connect, "*" for any; empty: no CORS headers at all.
    """

    ticket_key: bytes = field(repr=False)
    origins: tuple[str, ...] = ("*",)
    path: str = "socket.io"
    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    ticket_lifetime_s: float = 600.0
    reconnection_timeout_s: float = 60.0
    idle_timeout_s: float = 180.0
    """A connection that is not in service for this long is closed."""
    body_timeout_s: float = 30.0
    request_timeout_s: float = 10.0
    """How long the store or the media plane may take; OWT's client waits as long for an answer."""
    stream_delay_s: float = 0.015
    """Between a session's "ready" and its stream's "add": applications install their listener in between."""
    requests_per_s: float = 100.0
    request_burst: int = 500
    texts_per_s: float = 20.0
    text_deliveries_per_s: float = 20_000.0
    """Per room, counted once per receiver."""
    max_offer_bytes: int = 1024 * 1024
    max_early_bytes: int = 65_536
    """Of one message before the login."""
    max_early_sessions: int = 5_000
    max_early_sessions_per_source: int = 500
    max_waiting: int = 1000
    """Notifications kept for a client that is away, and those sent that may have to be repeated."""
    max_waiting_texts: int = 100
    """Texts among them; more are dropped."""
    clock: Callable[[], float] = time.monotonic
    sources: Sources = field(default_factory=Sources)
    wall_clock: Callable[[], float] = wall_clock
    ice_servers: Callable[[str], tuple[IceServer, ...]] = no_servers
    """The STUN and TURN servers for a client, by a name of it."""

    @property
    def max_message_bytes(self) -> int:
        """Half as much again as an offer: for JSON's escapes, and so that a refusal can be an answer."""
        return self.max_offer_bytes * 3 // 2
