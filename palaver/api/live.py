"""HLS and DASH that the server itself serves.

``/live/{name}/{file}`` is a playlist or segment; ``/live/{name}`` is the page that plays it. A name ends with a secret:
only those who were told the address can watch.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from palaver.streaming.segments import content_type, is_playlist

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.requests import Request

_SECRET_BYTES: Final = 16
_NAME: Final = re.compile(r"[0-9]{1,18}-[A-Za-z0-9_-]{10,64}")
_FILE: Final = re.compile(r"[A-Za-z0-9_-]{1,80}\.(?:m3u8|mpd|ts|m4s|mp4)")
_SEGMENT: Final = "public, max-age=60, immutable"


def new_name(output: str) -> str:
    """A name under which the streaming-out ``output`` is served; nobody can guess it."""
    return f"{output}-{secrets.token_urlsafe(_SECRET_BYTES)}"


def routes(folder: Path, origins: Sequence[str]) -> list[BaseRoute]:
    """Where viewers find what is in ``folder``; pages of ``origins`` may play it, "*" is any."""
    return [Route("/live/{name}/{file}", _Live(folder, origins).file, methods=["GET", "HEAD"])]


class _Live:
    """Looks a file up by its name, which cannot lead out of the folder."""

    def __init__(self, folder: Path, origins: Sequence[str]) -> None:
        self._folder, self._origins = folder, frozenset(origins)

    async def file(self, request: Request) -> Response:
        """A playlist or a segment."""
        name, file = request.path_params["name"], request.path_params["file"]
        headers = self._cors(request)
        if not (_NAME.fullmatch(name) and _FILE.fullmatch(file)):
            return PlainTextResponse("Not found\n", 404, headers=headers)
        path = self._folder / name / file
        if not path.is_file():
            return PlainTextResponse("Not found\n", 404, headers={**headers, "cache-control": "no-store"})
        caching = "no-cache" if is_playlist(file) else _SEGMENT
        return FileResponse(
            path, media_type=content_type(file), headers={**headers, "cache-control": caching}
        )

    def _cors(self, request: Request) -> dict[str, str]:
        origin = request.headers.get("origin")
        if origin is None:
            return {}
        if "*" in self._origins:
            return {"access-control-allow-origin": "*"}
        return {"access-control-allow-origin": origin, "vary": "origin"} if origin in self._origins else {}
