"""What happens to every request around the resources, outermost first: headers, guard, gate."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import structlog
from starlette.requests import ClientDisconnect

from palaver.api.auth.refusals import NotAuthenticated
from palaver.api.http.answers import PLAIN, Answer, error
from palaver.api.http.body import Disconnected
from palaver.api.http.edge import is_secure
from palaver.api.http.failures import store_failed
from palaver.api.rest.resource import CALLER
from palaver.api.wire import errors
from palaver.store import StoreError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from palaver.api.auth.mauth import MAuth
    from palaver.api.rest.settings import RestSettings

PROTECTED: Final = (
    *(
        f"{version}/{name}"
        for version in ("/v1", "/v1.1")
        for name in ("rooms", "recordings", "analytics", "webhooks", "ice-servers")
    ),
    *("/services", "/v1.1/stream-engine"),
)

OWN_OPTIONS: Final = ("/whip/", "/whep/")
"""Paths that tell by themselves what may be done there."""

_ONLY_TLS: Final = ((b"strict-transport-security", b"max-age=1024000; includeSubDomains"),)
_METHODS: Final = b"POST, GET, OPTIONS, DELETE, PATCH, PUT"
_log = structlog.get_logger("palaver.rest")


class Headers:
    """Puts OWT's CORS and security headers on every answer, and answers OPTIONS of almost any path."""

    def __init__(self, app: ASGIApp, settings: RestSettings) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in settings.cors_origins)
        self._fixed: list[tuple[bytes, bytes]] = [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", b"origin, authorization, content-type"),
            (b"access-control-expose-headers", b"link, location, x-total-count"),
            (b"x-content-type-options", b"nosniff"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = [*self._origin(scope), *self._fixed, *(_ONLY_TLS if is_secure(scope) else ())]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                names = {name for name, _ in given}
                fresh = [header for header in added if header[0] not in names]
                message = {**message, "headers": [*given, *fresh]}
            await send(message)

        if scope["method"] == "OPTIONS" and not scope["path"].startswith(OWN_OPTIONS):
            await Answer(200, b"OK", PLAIN)(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _origin(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        if b"*" in self._origins:
            return [(b"access-control-allow-origin", b"*")]
        for name, value in scope["headers"]:
            if name == b"origin" and value in self._origins:
                return [(b"access-control-allow-origin", value), (b"vary", b"origin")]
        return [(b"vary", b"origin")]


class UnexpectedErrors:
    """Turns what nobody expected into 500/2001 with a request id, and a log entry with the same."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except (Disconnected, ClientDisconnect):
            _log.debug("client went away", path=scope["path"])
        except Exception:
            request = secrets.token_hex(8)
            _log.exception("unexpected error", request=request, method=scope["method"], path=scope["path"])
            if started:  # too late for another answer: the connection has to break
                raise
            await error(errors.UNEXPECTED, f"Unexpected error (request {request})")(scope, receive, send)


class Gate:
    """Lets through to the protected paths who signed the request; before the body is read.

    There a slash at the end of the path makes no difference.
    """

    def __init__(self, app: ASGIApp, mauth: MAuth, realm: str) -> None:
        self._app, self._mauth = app, mauth
        challenge = f'MAuth realm="{realm}"'
        self._refusal = error(
            errors.UNAUTHENTICATED,
            "Authentication failed",
            ((b"www-authenticate", challenge.encode("latin-1")),),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(PROTECTED):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._mauth.authenticate(_authorization(scope))
        except NotAuthenticated as reason:
            self._mauth.refusals.count(reason, scope["path"])
            await self._refusal(scope, receive, send)
            return
        except StoreError as failure:
            await store_failed(failure, scope)(scope, receive, send)
            return
        path = scope["path"]
        written = scope.get("raw_path") or path.encode()  # where a slash that is part of a name is encoded
        if written.endswith(b"/"):
            path = path[:-1]
        await self._app({**scope, "path": path, CALLER: caller}, receive, send)


def _authorization(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1"))
    return ""
