"""What the management API can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from palaver.api.auth.mauth import WINDOW_S
from palaver.api.http.ice_servers import no_servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.api.http.ice_servers import IceServer


@dataclass(frozen=True, slots=True)
class RestSettings:
    """Settings of the management API; the defaults suit one server on loopback.

    ``replay_window_s``: how old a signature may be, each accepted once; 0 turns both off. ``public_url``: where clients
    find the portal, put into tokens; without it, the Host of the request.
    ``on_loopback``: whether nobody else can reach us. ``cors_origins`` holds origins, or "*" for all.
    ``ice_servers`` gives those for a client, by a name of it.
    """

    realm: str = "palaver"
    replay_window_s: float = WINDOW_S
    public_url: str | None = None
    on_loopback: bool = True
    cors_origins: tuple[str, ...] = ("*",)
    body_limit: int = 1 << 20
    body_timeout_s: float = 30.0
    reusable_token_ttl_s: int = 86_400
    ice_servers: Callable[[str], tuple[IceServer, ...]] = no_servers
