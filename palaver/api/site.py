"""The conference page: files that the build made, under a strict Content-Security-Policy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from palaver.api.names import name_in

if TYPE_CHECKING:
    from starlette.requests import Request

_PACKAGED: Final = Path(__file__).parent / "site"
_ROOT: Final = Path(__file__).parent.parent.parent
"""The checkout; for an installed package the folder of all packages, where `web` is somebody else's."""
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob: mediastream:",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_PORTAL: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+")
_SHORTLY: Final = "public, max-age=3600"
_FOR_EVER: Final = "public, max-age=31536000, immutable"  # names under assets/ carry a hash of the content


def headers(host: str, public_url: str) -> dict[str, str]:
    """Those of the page when it was asked for at ``host``; ``public_url``: where clients find the portal, or "".

    Sockets lead to these two alone: not every browser takes 'self' for a websocket's origin.
    """
    places = ["'self'"]
    if name_in(host) is not None:
        places += [f"ws://{host}", f"wss://{host}"]
    if portal := _PORTAL.match(public_url):
        places += [portal[0], portal[0].replace("http", "ws", 1)]
    return {
        "content-security-policy": f"{_POLICY}; connect-src {' '.join(places)}",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "permissions-policy": "camera=(self), microphone=(self), display-capture=(self)",
    }


def routes(public_url: str = "") -> list[BaseRoute]:
    """``/`` and everything the page loads."""
    folder = _folder(_ROOT, _PACKAGED)
    site = _Site(folder, public_url)
    return [
        Route("/", site.page),
        Route("/live/favicon.svg", site.icon),
        Route("/live/assets/{name}", site.asset),
        Route("/live/{name}", site.live),
        Route("/assets/{name}", site.asset),
        Route("/{name}", site.file),
    ]


def _folder(root: Path, packaged: Path) -> Path | None:
    """Where the build left the page: in the checkout, else in the wheel."""
    checkout = [root / "web" / "dist"] if (root / "pyproject.toml").is_file() else []
    return next((one for one in (*checkout, packaged) if (one / "index.html").is_file()), None)


class _Site:
    """Looks for files when they are asked for: a build under a running server changes their names."""

    def __init__(self, folder: Path | None, public_url: str) -> None:
        self._folder, self._public_url = folder, public_url

    def _headers(self, request: Request) -> dict[str, str]:
        return headers(request.headers.get("host", ""), self._public_url)

    async def page(self, request: Request) -> Response:
        """The page itself, never cached, so that an update arrives."""
        return self._page(request, "index.html")

    async def live(self, request: Request) -> Response:
        """The page that plays a live stream; whether there is one, it finds out by itself."""
        return self._page(request, "live.html")

    async def icon(self, request: Request) -> Response:
        """The icon, beside the page of a live stream."""
        return self._answer("", request, _SHORTLY, "favicon.svg")

    def _page(self, request: Request, name: str) -> Response:
        page = _files(self._folder).get(name) if self._folder else None
        if page is None:
            text = "The conference page is not built. In the checkout: make build\n"
            return PlainTextResponse(text, 503, headers=self._headers(request))
        return FileResponse(page, headers={**self._headers(request), "cache-control": "no-cache"})

    async def asset(self, request: Request) -> Response:
        """A script, style or picture whose name changes with its content."""
        return self._answer("assets", request, _FOR_EVER)

    async def file(self, request: Request) -> Response:
        """The icon and its like."""
        return self._answer("", request, _SHORTLY)

    def _answer(self, below: str, request: Request, caching: str, name: str = "") -> Response:
        name = name or request.path_params["name"]
        file = _files(self._folder / below).get(name) if self._folder else None
        if file is None or file.suffix == ".html":
            return Response(
                b'{"error":{"code":1001,"message":"Resource not found"}}',
                404,
                media_type="application/json; charset=utf-8",
            )
        return FileResponse(file, headers={**self._headers(request), "cache-control": caching})


def _files(folder: Path) -> dict[str, Path]:
    """By name; a name from a request is looked up here and never made into a path."""
    return {file.name: file for file in folder.iterdir() if file.is_file()} if folder.is_dir() else {}
