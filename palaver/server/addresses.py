"""Which addresses to listen on, to offer as candidates and to print."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from palaver.server.config import Config

WILDCARDS: Final = ("0.0.0.0", "::", "")  # recognising them is the point

_MAX_THREADS: Final = 4


def is_wildcard(host: str) -> bool:
    """Whether ``host`` means every address."""
    return host in WILDCARDS


def is_address(text: str) -> bool:
    """Whether it is an IP address, and not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def media_addresses(host: str) -> list[str]:
    """The IP addresses for media when HTTP listens on ``host``: itself, or every usable one of the machine.

    Raises OSError for a name that does not resolve.
    """
    if not is_wildcard(host):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        return list(dict.fromkeys(str(info[4][0]) for info in found))
    return interface_addresses(ipv6=host != "0.0.0.0")  # the wildcard of IPv4 only


def of_media(config: Config) -> list[str]:
    """Where media listens. Raises OSError for a name that does not resolve."""
    return list(config.media.addresses) or media_addresses(config.http.host)


def media_threads(config: Config) -> int:
    """How many threads, and so ports, move packets."""
    return config.media.threads or min(os.cpu_count() or 1, _MAX_THREADS)


def interface_addresses(*, ipv6: bool) -> list[str]:
    """Every address of this machine that others can use, then loopback, so that both work."""
    import ifaddr

    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = str(ip.ip) if ip.is_IPv4 else str(ip.ip[0])
            address = ipaddress.ip_address(text.split("%")[0])
            if not address.is_link_local and (ipv6 or address.version == 4):
                found.append(address)
    found.sort(key=lambda address: (address.is_loopback, address.version, int(address)))
    return list(dict.fromkeys(str(address) for address in found))


def in_url(host: str) -> str:
    """``host`` as it stands in a URL (RFC 3986, section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def reason(error: OSError) -> str:
    """What the system says, without what Python adds to it."""
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return error.strerror or str(error)
