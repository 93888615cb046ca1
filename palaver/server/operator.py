"""What is for the operator: measurements and the description of the API, with all else or on a port of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from palaver.api.rest.app import descriptions
from palaver.api.rest.middleware import UnexpectedErrors

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from palaver.server.config import Operator
    from palaver.server.observe import Health


def routes(wanted: Operator, health: Health) -> list[BaseRoute]:
    """Those that are not closed."""
    found: list[BaseRoute] = [Route("/metrics", health.metrics)] if wanted.metrics else []
    return [*found, *descriptions()] if wanted.docs else found


def application(wanted: Operator, health: Health) -> ASGIApp:
    """What the operator's own port serves: these, and whether the server is alive and ready."""
    alive = [Route("/healthz", health.alive), Route("/readyz", health.ready)]
    return Starlette(routes=[*alive, *routes(wanted, health)], middleware=[Middleware(UnexpectedErrors)])
