"""STUN and TURN servers: from a line of configuration to a Link header (RFC 9725 §4.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

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


def ice_server(text: str) -> IceServer:
    """``stun:host:port``, or ``turn:user:password@host:port?transport=udp``; user and password may be percent-encoded.

    Raises ValueError that does not repeat the password.
    """
    found = _URI.fullmatch(text)
    if found is None:
        raise ValueError("expected stun:host:port or turn:user:password@host:port?transport=udp")
    username, credential = unquote(found["user"] or ""), unquote(found["password"] or "")
    if found["scheme"].startswith("turn") != bool(username):
        raise ValueError("expected user:password@ before the host of a TURN server, and of no other")
    if not (username + credential).isascii() or not (username + credential).isprintable():
        raise ValueError("expected printable ASCII in user and password")  # all that a header carries safely
    return IceServer(f"{found['scheme']}:{found['rest']}", username, credential)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
