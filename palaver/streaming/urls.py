"""Which URLs the server fetches from and pushes to.

The rule holds for every URL that somebody else chose: of a request, of a redirect, in a playlist. ``parsed`` reads the
text, ``UrlPolicy`` judges the addresses to which its host resolves. Both raise UrlRefused, whose text names no secret.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver: TypeAlias = "Callable[[str, int], Awaitable[Iterable[str]]]"
"""The addresses of a host and port, as texts. Raises OSError."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443}
MAX_URL: Final = 4096
RESOLVE_TIMEOUT_S: Final = 10.0
HIDDEN: Final = "***"

_FORBIDDEN_TEXT: Final = re.compile(r"[\x00-\x20\x7f\\]")
_METADATA: Final = frozenset(
    ipaddress.ip_address(address)
    for address in (
        *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::254", "fd20:ce::254"),
    )
)
"""Where clouds tell a machine its secrets."""
_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_STREAM_KEYS: Final = frozenset({"rtmp", "rtmps"})


class UrlRefused(ValueError):
    """A URL that the server does not use; the text says why and may be shown to whoever gave it."""


class NotResolved(Exception):
    """The name of a URL's host has no address now."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads."""

    scheme: str
    host: str
    port: int


def parsed(url: str, schemes: Iterable[str] = DEFAULT_PORTS) -> Target:
    """Where ``url`` leads, as far as its text tells. An address in it is judged; a name has to be resolved."""
    if len(url) > MAX_URL:
        raise UrlRefused(f"expected at most {MAX_URL} characters")
    if _FORBIDDEN_TEXT.search(url):
        raise UrlRefused("blanks, control characters and \\ are not allowed")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UrlRefused("not a URL") from None
    scheme = parts.scheme.lower()
    if scheme not in schemes:
        raise UrlRefused(f"expected {_listed(sorted(schemes))}")
    if not host:
        raise UrlRefused("has no host")
    if parts.netloc.count("@") > 1 or port == 0:
        raise UrlRefused("not a URL")
    if (literal := _address(host)) is not None:
        _check_never(literal)
    return Target(scheme, host, DEFAULT_PORTS[scheme] if port is None else port)


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """Which addresses may be used. Private networks are: cameras are there. Loopback is only if ``allow_loopback``."""

    allow_loopback: bool = False

    def check(self, address: str) -> None:
        """Raise UrlRefused unless ``address``, an IP address as text, may be connected to."""
        found = _address(address)
        if found is None:
            raise UrlRefused(f"{address}: not an IP address")
        _check_never(found)
        if not self.allow_loopback and any(_is_own(one) for one in _meanings(found)):
            raise UrlRefused("loopback addresses are not allowed (streaming.allow_loopback)")

    async def resolve(self, url: str, resolver: Resolver | None = None) -> tuple[str, ...]:
        """The addresses to which ``url`` may lead: all that its host has, if every one of them may be used.

        Raises UrlRefused, NotResolved.
        """
        target = parsed(url)
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                found = tuple(dict.fromkeys(await (resolver or system_resolver)(target.host, target.port)))
        except (OSError, UnicodeError, TimeoutError):
            found = ()
        return self._checked(target, found)

    def resolve_now(self, url: str) -> tuple[str, ...]:
        """The same, blocking: for child processes."""
        target = parsed(url)
        try:
            infos = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            infos = []
        return self._checked(target, tuple(dict.fromkeys(str(info[4][0]) for info in infos)))

    def _checked(self, target: Target, found: tuple[str, ...]) -> tuple[str, ...]:
        if not found:
            raise NotResolved(f"the host {target.host} has no address")
        for address in found:
            self.check(address)
        return found


async def system_resolver(host: str, port: int) -> list[str]:
    """Resolve by the system, without blocking the loop."""
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in infos]


def redacted(url: str) -> str:
    """``url`` without what may be secret: a password, the values of the query, the stream key of RTMP."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:{HIDDEN}"
    path = parts.path
    if parts.scheme.lower() in _STREAM_KEYS and path.count("/") > 1:
        path = f"{path.rpartition('/')[0]}/{HIDDEN}"
    query = re.sub(r"=[^&]*", f"={HIDDEN}", parts.query) if "=" in parts.query else parts.query and HIDDEN
    return urlunsplit((parts.scheme, f"{user}{at}{host}", path, query, ""))


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _check_never(address: Address) -> None:
    """Raise UrlRefused for what is used under no policy."""
    for meaning in _meanings(address):
        if meaning.is_link_local or meaning in _METADATA:
            raise UrlRefused("link-local and metadata addresses are not allowed")
        if meaning.is_multicast or (meaning.is_reserved and not _embeds(meaning)):
            raise UrlRefused("multicast and reserved addresses are not allowed")


def _meanings(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 address that an IPv6 one stands for: what is sent to one may arrive at the other."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _COMPATIBLE or any(address in network for network in _NAT64):
        embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return (address, *(one for one in embedded if one is not None))


def _embeds(address: Address) -> bool:
    return len(_meanings(address)) > 1


def _is_own(address: Address) -> bool:
    """Whether it is this machine's; the unspecified address connects to loopback."""
    return address.is_loopback or address.is_unspecified


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
