"""The management API as one ASGI application."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from palaver.api.auth.mauth import MAuth
from palaver.api.clock import wall_clock
from palaver.api.http.answers import TEXT, Answer, error, json
from palaver.api.http.edge import base_of
from palaver.api.http.ids import ObjectIds
from palaver.api.http.portal_address import PortalAddress
from palaver.api.rest import openapi
from palaver.api.rest.middleware import Gate, Headers, UnexpectedErrors
from palaver.api.rest.operations import Api, Operation, Version
from palaver.api.rest.resource import Resource
from palaver.api.rest.table import OPERATIONS
from palaver.api.wire import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from palaver.api.auth.invitations import Invitations
    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.rest.analyses import SeenByAnalyses
    from palaver.api.rest.recorded import Recorded
    from palaver.api.rest.settings import RestSettings
    from palaver.events.feed import EventFeed
    from palaver.events.webhooks import WebhookSender
    from palaver.host import Rooms
    from palaver.jobs.jobs import Jobs
    from palaver.jobs.phones import Phones
    from palaver.store import Store
    from palaver.streaming.targets import TargetStates

_PAGE_POLICY: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), microphone=(), display-capture=()"),
)
_NOT_FOUND: Final = error(errors.NOT_FOUND, "Resource not found")


def build(
    store: Store,
    rooms: Rooms,
    jobs: Jobs,
    tokens: TokenDesk,
    settings: RestSettings,
    extra_routes: Sequence[BaseRoute] = (),
    *,
    invitations: Invitations,
    recorded: Recorded,
    targets: TargetStates,
    phones: Phones,
    feed: EventFeed,
    webhooks: WebhookSender,
    analyses: SeenByAnalyses,
    clock: Callable[[], float] = wall_clock,
    mauth: MAuth | None = None,
) -> ASGIApp:
    """The application: OWT's resources, and ``extra_routes``, which need no MAuth signature.

    ``clock`` tells seconds since the epoch. ``mauth``: what checks signatures, where its numbers are of interest.
    """
    portal = PortalAddress(settings.public_url, on_loopback=settings.on_loopback)
    ids = ObjectIds(clock)
    api = Api(
        store,
        rooms,
        tokens,
        invitations,
        settings,
        ids,
        portal,
        clock,
        jobs,
        recorded,
        targets,
        feed,
        webhooks,
        analyses,
        phones,
    )
    mauth = mauth or MAuth(store.services, window_s=settings.replay_window_s, clock=clock)
    app = Starlette(
        routes=[*_resources(api), *recorded.files.routes(), *extra_routes],
        middleware=[
            Middleware(Headers, settings=settings),
            Middleware(UnexpectedErrors),
            Middleware(Gate, mauth=mauth, realm=settings.realm),
        ],
        exception_handlers={HTTPException: _refused},
    )
    app.router.redirect_slashes = False
    return app


def _resources(api: Api) -> list[BaseRoute]:
    """One route per path, whatever its methods: to OWT an unlisted method is a resource that is not found."""
    paths: dict[tuple[Version, str], list[Operation]] = defaultdict(list)
    for operation in OPERATIONS:
        for version in operation.versions:
            paths[version, operation.path].append(operation)
    return [
        # a view's stream is called by the view's label, which may hold slashes
        Route(version + path.replace("{stream}", "{stream:path}"), Resource(api, version, operations))
        for (version, path), operations in paths.items()
    ]


def descriptions() -> list[BaseRoute]:
    """``/openapi.json``, and ``/docs`` for people."""
    page = _Fixed(_page)
    return [Route("/openapi.json", _Fixed(_document)), Route("/docs", page), Route("/docs/", page)]


@functools.cache
def _document(_base: str) -> Answer:
    return json(openapi.describe(OPERATIONS))


@functools.cache
def _page(base: str) -> Answer:
    page = openapi.page(openapi.describe(OPERATIONS), f"{base}/openapi.json")
    return Answer(200, page.encode(), TEXT, _PAGE_POLICY)


class _Fixed:
    """A path that always answers the same, to GET and HEAD, made for the path below which the server is."""

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(base_of(scope)) if scope["method"] in {"GET", "HEAD"} else _NOT_FOUND
        await answer(scope, receive, send)


async def _refused(request: Request, refusal: Exception) -> Response:
    """What Starlette refuses by itself, in our shape."""
    answer, headers = _NOT_FOUND, {}
    if isinstance(refusal, HTTPException) and refusal.status_code != 404:
        answer, headers = error((refusal.status_code, 1001), refusal.detail), dict(refusal.headers or {})
    return Response(
        answer.body, answer.status, headers={**headers, "content-type": answer.content_type.decode()}
    )
