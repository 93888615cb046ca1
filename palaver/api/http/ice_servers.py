"""STUN and TURN servers: from a line of configuration to what a client is told.

A TURN server that shares a secret with us takes credentials that we make: the username is the time at which they end
and a name, the password its HMAC-SHA1 (draft-uberti-behave-turn-rest-00, as coturn's ``use-auth-secret``).
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_URI: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?:(?P<user>[^:@\s]+):(?P<password>[^@\s]+)@)?"
    r"(?P<rest>[0-9A-Za-z.\-_\[\]:]+(?:\?transport=[a-z]+)?)"
)


@dataclass(frozen=True, slots=True)
class IceServer:
    """A server of RFC 7064 or RFC 7065, and what to show to a TURN server."""

    url: str
    username: str = ""
    credential: str = field(default="", repr=False)

    def link(self) -> bytes:
        """The value of its Link header (RFC 8288)."""
        text = f'<{self.url}>; rel="ice-server"'
        if self.username:
            text += f"; username={_quoted(self.username)}; credential={_quoted(self.credential)}"
            text += '; credential-type="password"'
        return text.encode()

    def info(self) -> dict[str, Any]:
        """What RTCPeerConnection takes (W3C WebRTC, RTCIceServer)."""
        shown: dict[str, Any] = {"urls": [self.url]}
        if self.username:
            shown |= {"username": self.username, "credential": self.credential}
        return shown


class IceServers:
    """The configured servers, with credentials for each client. ``clock``: seconds since the epoch."""

    def __init__(
        self, lines: Iterable[str], secret: str, lifetime_s: float, clock: Callable[[], float]
    ) -> None:
        """Raises ValueError for a line that is no server; see ice_server."""
        self._servers = tuple(ice_server(line, shared_secret=bool(secret)) for line in lines)
        self._secret, self._lifetime_s, self._clock = secret.encode(), lifetime_s, clock

    def told_to(self, client: str) -> tuple[IceServer, ...]:
        """The servers for a client; ``client`` (letters and digits) is what the TURN server logs of it."""
        return tuple(self._with_credentials(server, client) for server in self._servers)

    def _with_credentials(self, server: IceServer, client: str) -> IceServer:
        if server.username or not server.url.startswith("turn"):
            return server
        name = f"{int(self._clock() + self._lifetime_s)}:{client}"
        password = base64.b64encode(hmac.digest(self._secret, name.encode(), "sha1")).decode()
        return replace(server, username=name, credential=password)


def no_servers(_client: str) -> tuple[IceServer, ...]:
    """Where none are configured."""
    return ()


def ice_server(text: str, *, shared_secret: bool = False) -> IceServer:
    """``stun:host:port``, or ``turn:user:password@host:port?transport=udp``; user and password may be percent-encoded.

    With a ``shared_secret``, a TURN server needs neither. Raises ValueError that does not repeat the password.
    """
    found = _URI.fullmatch(text)
    if found is None:
        raise ValueError("expected stun:host:port or turn:user:password@host:port?transport=udp")
    username, credential = unquote(found["user"] or ""), unquote(found["password"] or "")
    is_turn = found["scheme"].startswith("turn")
    if is_turn != bool(username) and not (is_turn and shared_secret):
        raise ValueError("expected user:password@ before the host of a TURN server, and of no other")
    if not (username + credential).isascii() or not (username + credential).isprintable():
        raise ValueError("expected printable ASCII in user and password")  # all that a header carries safely
    return IceServer(f"{found['scheme']}:{found['rest']}", username, credential)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
