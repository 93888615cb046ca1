"""Where clients find the portal, as tokens tell them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from palaver.api.http.body import header
from palaver.api.http.edge import FORWARDED, base_of, is_secure
from palaver.api.http.forwarding import HOST
from palaver.api.wire.errors import ProtocolError

if TYPE_CHECKING:
    from starlette.types import Scope

_log = structlog.get_logger("palaver.rest")


@dataclass(frozen=True, slots=True)
class PortalPlace:
    """``host`` with its port, whether it speaks ``secure`` HTTP, and the ``path`` below which the server is."""

    host: str
    secure: bool
    path: str = ""

    @property
    def url(self) -> str:
        """Where the server is, without a slash at the end."""
        return f"{'https' if self.secure else 'http'}://{self.host}{self.path}"


class PortalAddress:
    """Where clients find the portal, as tokens tell them."""

    def __init__(self, public_url: str | None, *, on_loopback: bool) -> None:
        """``public_url`` is the configured one; ``on_loopback``: nobody at another machine can connect to us."""
        self._public_url, self._on_loopback = public_url, on_loopback
        self._warned = False

    def seen_from(self, scope: Scope) -> PortalPlace:
        """The address for a client of whoever sent this request.

        Raises ProtocolError if the configuration has no address and the request's Host is none.
        """
        if self._public_url is not None:
            url = urlsplit(self._public_url)
            return PortalPlace(url.netloc, url.scheme == "https", url.path.rstrip("/") or base_of(scope))
        host = header(scope, b"host").decode("latin-1")
        if not HOST.fullmatch(host):
            raise ProtocolError("Host: the header does not name this server")
        forwarded, secure = bool(scope.get(FORWARDED)), is_secure(scope)
        if not self._warned and is_loopback(host) and self._others_come(scope, forwarded):
            self._warned = True
            _log.warning("tokens name a loopback address: set portal.public_url", host=host)
        return PortalPlace(host if forwarded else _with_port(host, scope, secure), secure, base_of(scope))

    def _others_come(self, scope: Scope, forwarded: bool) -> bool:
        client = scope.get("client")
        return not self._on_loopback or (forwarded and client is not None and not is_loopback(client[0]))


def _with_port(host: str, scope: Scope, secure: bool) -> str:
    """``host``; with the port at which the request arrived, where it has none: OWT's REST clients never write it."""
    named, server = HOST.fullmatch(host), scope.get("server")
    port = server[1] if server else None
    if named is None or named["port"] or port in (None, 443 if secure else 80):
        return host
    return f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether this is the machine itself: a name or an address, with or without a port."""
    name = host
    try:
        name = host if host.count(":") > 1 and "]" not in host else urlsplit(f"//{host}").hostname or ""
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
