"""By which names a browser may call this server: a page from elsewhere can make its own name lead here (DNS rebinding).

Addresses are always good, since such a page has a name.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, Route

from palaver.api.demo_answers import Refused, answered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

_HOST: Final = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")


def name_in(host: str) -> str | None:
    """The name or address in a Host header, in lower case, or None if there is none."""
    found = _HOST.fullmatch(host)
    return found["name"].strip("[]").rstrip(".").lower() if found else None


class KnownNames:
    """``names`` of this server, beside localhost; None: any name is good."""

    def __init__(self, names: Iterable[str] | None) -> None:
        self._names = None if names is None else frozenset(name.rstrip(".").lower() for name in names)

    def admits(self, host: str) -> bool:
        """Whether a request with this Host header was meant for us."""
        if self._names is None:
            return True
        name = name_in(host)
        if name is None:
            return False
        return name in self._names or name == "localhost" or name.endswith(".localhost") or _is_address(name)

    def guard(self, routes: Sequence[BaseRoute]) -> list[BaseRoute]:
        """The same routes, for requests that were meant for us."""
        return [
            Route(route.path, answered(self._checked(route.endpoint)), methods=list(route.methods or ()))
            for route in routes
            if isinstance(route, Route)
        ]

    def _checked(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            if not self.admits(request.headers.get("host", "")):
                raise Refused(
                    403, 1102, "This is not one of the server's names; its setting page.names adds some."
                )
            return await endpoint(request)

        return checked


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
