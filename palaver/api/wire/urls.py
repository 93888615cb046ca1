"""URLs in requests, as far as their text tells whether they may be used."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = frozenset({"http", "https", "rtsp", "rtsps", "rtmp", "rtmps"})
_METADATA: Final = frozenset(
    ipaddress.ip_address(address) for address in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")
)
"""Where clouds tell a machine its secrets."""


def check_url(url: str) -> None:
    """Raise ValueError for what is never fetched or pushed to, as far as the text alone tells."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("url: not a URL") from None
    if parts.scheme.lower() not in SCHEMES:
        raise ValueError("url: expected http, https, rtsp, rtsps, rtmp or rtmps")
    if not host:
        raise ValueError("url: has no host")
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if (mapped or address).is_link_local or address in _METADATA:
        raise ValueError("url: link-local and metadata addresses are not allowed")
