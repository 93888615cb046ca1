"""What can be configured about WHIP and WHEP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from palaver.api.http.ice_servers import no_servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.api.http.ice_servers import IceServer


@dataclass(frozen=True, slots=True, kw_only=True)
class WhipSettings:
    """``ice_servers`` gives those for a client, by a name of it; ``realm`` is what a 401 names."""

    ice_servers: Callable[[str], tuple[IceServer, ...]] = no_servers
    realm: str = "palaver"
    max_body_bytes: int = 65536
    """Browsers' offers have about 10 kB."""
    body_timeout_s: float = 30.0
    arrival_timeout_s: float = 5.0
    """How long a player waits for a stream whose publisher is still connecting."""
    verdict_timeout_s: float = 5.0
    """How long the reason may take for which an answer has a closed section."""
