"""What proxies say about the requests that they pass on: ``X-Forwarded-*`` and ``Forwarded`` (RFC 7239)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HOST: Final = re.compile(r"(?:[0-9A-Za-z._\-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?")
"""What a Host header may say: a name or an address, with or without a port."""

_MAX_LENGTH: Final = 4096
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A value with a colon should be quoted, but is often not.
_PAIR: Final = re.compile(rf'({_TOKEN})=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]+))')
_ADDRESS: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\w+)?|([0-9.]+)(?::\w+)?|([0-9A-Fa-f:.]+)")
_NAMES: Final = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy says: who connected to it (None: not told), which host was asked for, and by which scheme."""

    client: Address | None = None
    host: str = ""
    scheme: str = ""


class TrustedProxies:
    """The proxies whose word counts. Raises ValueError for what is neither an address nor a network."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(one, strict=False) for one in trusted]

    def trusts(self, address: Address | None) -> bool:
        """Whether a proxy at this address is one of them."""
        return address is not None and any(address in network for network in self._networks)

    def seen(self, headers: Iterable[tuple[bytes, bytes]], peer: str) -> Hop | None:
        """What the outermost trusted proxy saw of a request that ``peer`` sent; None if no trusted proxy says anything.

        Hops are read from the nearest proxy outwards, as far as each was written by a proxy that is trusted: what
        stands before those was sent by the client and counts for nothing.
        """
        if not self.trusts(address_of(peer)):
            return None
        found = Hop()
        hops = _hops(headers)
        for hop in reversed(hops):
            found = replace(found, client=hop.client, host=hop.host or found.host)
            found = replace(found, scheme=hop.scheme or found.scheme)
            if not self.trusts(hop.client):
                break
        return found if hops else None


def address_of(text: str) -> Address | None:
    """The IP address in ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1`` or ``[2001:db8::1]:80``."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        return None
    try:
        address = ipaddress.ip_address(found[1] or found[2] or found[3])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parse_forwarded(value: str) -> list[Hop]:
    """The hops of a Forwarded header, the client's first; none if it is malformed."""
    hops: list[Hop] = []
    members: dict[str, str] = {}
    at, rest = 0, value[: _MAX_LENGTH + 1]
    if len(rest) > _MAX_LENGTH:
        return []
    while True:
        at += len(rest[at:]) - len(rest[at:].lstrip(" \t"))
        if pair := _PAIR.match(rest, at):
            quoted, plain = pair[2], pair[3]
            members[pair[1].lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            at = pair.end()
            at += len(rest[at:]) - len(rest[at:].lstrip(" \t"))
        end = rest[at : at + 1]
        if end not in ("", ",", ";"):
            return []
        if end != ";":
            if members:  # RFC 9110, section 5.6.1.2: empty elements of a list do not count
                hops.append(_hop(members.get("for", ""), members.get("host", ""), members.get("proto", "")))
            members = {}
        if not end:
            return hops
        at += 1


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> list[Hop]:
    """Of both kinds of headers X-Forwarded-* counts: what most proxies write, and write anew."""
    said: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in _NAMES:
            said.setdefault(name, []).append(value.decode("latin-1"))
    if any(name != b"forwarded" for name in said):
        return _x_forwarded({name: ",".join(values)[:_MAX_LENGTH] for name, values in said.items()})
    return parse_forwarded(",".join(said.get(b"forwarded", [])))


def _x_forwarded(said: Mapping[bytes, str]) -> list[Hop]:
    """Lists of the same length say one thing for each hop; of another list, the nearest proxy's word is the last."""
    clients, hosts, schemes = (
        [part.strip() for part in said[name].split(",") if part.strip()] if name in said else []
        for name in (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")
    )
    count = max(len(clients), 1)

    def each(values: list[str]) -> list[str]:
        return values if len(values) == count else (values[-1:] or [""]) * count

    return [_hop(*of_one) for of_one in zip(each(clients), each(hosts), each(schemes), strict=True)]


def _hop(client: str, host: str, scheme: str) -> Hop:
    """What makes no sense is as if it was not said."""
    scheme = scheme.lower()
    return Hop(
        address_of(client),
        host if HOST.fullmatch(host) else "",
        scheme if scheme in ("http", "https") else "",
    )
