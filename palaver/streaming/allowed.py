"""The URL policy as children ask it: from a URL to the addresses that may be connected to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.streaming.causes import StreamUnavailable
from palaver.streaming.urls import NotResolved, UrlPolicy, UrlRefused, parsed

if TYPE_CHECKING:
    from collections.abc import Callable


def resolver(*, allow_loopback: bool) -> Callable[[str], list[tuple[str, int]]]:
    """A function that gives a URL's addresses and port, or raises StreamUnavailable."""
    policy = UrlPolicy(allow_loopback)

    def resolve(url: str) -> list[tuple[str, int]]:
        try:
            return [(address, parsed(url).port) for address in policy.resolve_now(url)]
        except UrlRefused as refused:
            raise StreamUnavailable(f"the address is not allowed: {refused}", final=True) from refused
        except NotResolved as unknown:
            raise StreamUnavailable("the host is unknown") from unknown

    return resolve
