"""Where clients find the portal, as tokens tell them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

import structlog

from palaver.api.wire.errors import ProtocolError

_HOST: Final = re.compile(r"[0-9A-Za-z._\-]{1,255}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")
_log = structlog.get_logger("palaver.rest")


class PortalAddress:
    """Where clients find the portal, as tokens tell them."""

    def __init__(self, public_url: str | None, *, secure: bool, on_loopback: bool) -> None:
        """``public_url`` is the configured one; ``secure`` and ``on_loopback`` tell how this server listens."""
        self._public_url, self._secure, self._on_loopback = public_url, secure, on_loopback
        self._warned = False

    def seen_from(self, host: str) -> tuple[str, bool]:
        """The address for a client of whoever sent a request with this Host, and whether it speaks TLS.

        Raises ProtocolError if the configuration has no address and ``host`` is none.
        """
        if self._public_url is not None:
            url = urlsplit(self._public_url)
            return url.netloc, url.scheme == "https"
        if not _HOST.fullmatch(host):
            raise ProtocolError("Host: the header does not name this server")
        if not (self._on_loopback or self._warned) and _is_loopback(host):
            self._warned = True
            _log.warning("tokens name a loopback address: set portal.public_url", host=host)
        return host, self._secure


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
