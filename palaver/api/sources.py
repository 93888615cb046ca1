"""Where requests come from, as far as limits count: an IPv4 address, or a /64 of IPv6, which one customer has."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_CUSTOMER_BITS: Final = 64


def source_of(address: str) -> str:
    """The source that ``address`` belongs to; text that is no address is a source of its own."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, _CUSTOMER_BITS), strict=False))
    return str(ip)


class Sources:
    """Names sources. Trusted proxies are none: behind their addresses are many people."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = [ipaddress.ip_network(network, strict=False) for network in trusted]

    def of(self, address: str) -> str | None:
        """The source of ``address``, or None where limits per source do not apply."""
        source = source_of(address)
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return source
        if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        return None if any(ip in network for network in self._trusted) else source


class Tally:
    """Counts what each source holds, up to ``limit`` each; memory is that of sources that hold something."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[str] = Counter()

    def full(self, source: str | None) -> bool:
        """Whether ``source`` may hold no more."""
        return source is not None and self._held.get(source, 0) >= self._limit

    def take(self, source: str | None) -> None:
        """``source`` holds one more."""
        if source is not None:
            self._held[source] += 1

    def give(self, source: str | None) -> None:
        """``source`` holds one less."""
        if source is not None:
            self._held[source] -= 1
            if self._held[source] <= 0:
                del self._held[source]

    @property
    def most(self) -> int:
        """What the source that holds the most holds."""
        return max(self._held.values(), default=0)
