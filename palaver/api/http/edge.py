"""The outermost layer: where a request really came from, and below which path we are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from palaver.api.http.answers import PLAIN, Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from palaver.api.http.forwarding import Hop, TrustedProxies

FORWARDED: Final = "palaver.forwarded"
"""Where the ASGI scope says that a trusted proxy passed the request on."""

_BASE: Final = "palaver.base_path"
_SECURE: Final = frozenset({"https", "wss"})


class Edge:
    """Takes the word of trusted proxies for host, scheme and client, and the base path off every path.

    Proxies may leave the base path on a request's path or take it off; links that we give always have it.
    """

    def __init__(self, app: ASGIApp, proxies: TrustedProxies, base_path: str = "") -> None:
        self._app, self._proxies, self._base = app, proxies, base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        hop = self._proxies.seen(scope["headers"], client[0]) if client else None
        changed: dict[str, Any] = {_BASE: self._base, **(_told(scope, hop) if hop else {})}
        path = scope["path"]
        if self._base and f"{path}/".startswith(f"{self._base}/"):
            if path == self._base and scope["type"] == "http":  # the page's links are relative to the slash
                await _to_slash(self._base, scope)(scope, receive, send)
                return
            changed["path"] = path[len(self._base) :] or "/"
            changed["raw_path"] = changed["path"].encode()
        await self._app({**scope, **changed}, receive, send)


def base_of(scope: Mapping[str, Any]) -> str:
    """The path below which this server is, as its clients see it: ``/palaver``, or empty."""
    return str(scope.get(_BASE, ""))


def is_secure(scope: Mapping[str, Any]) -> bool:
    """Whether the client speaks TLS, to us or to a trusted proxy."""
    return scope.get("scheme") in _SECURE


def _told(scope: Scope, hop: Hop) -> dict[str, Any]:
    """The parts of the scope that a proxy knows better."""
    changed: dict[str, Any] = {FORWARDED: True}
    if hop.client is not None:
        changed["client"] = (str(hop.client), 0)
    if hop.scheme:
        websocket = {"http": "ws", "https": "wss"}
        changed["scheme"] = hop.scheme if scope["type"] == "http" else websocket[hop.scheme]
    if hop.host:
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        changed["headers"] = [(b"host", hop.host.encode()), *others]
    return changed


def _to_slash(base: str, scope: Scope) -> Answer:
    query = scope["query_string"]
    return Answer(308, b"", PLAIN, ((b"location", f"{base}/".encode() + (b"?" + query if query else b"")),))
