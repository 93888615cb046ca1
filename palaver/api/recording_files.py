"""The files of recordings, for whoever has a URL that this server signed: to play, to download, in ranges."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from palaver.api.http.answers import Answer, error
from palaver.api.wire import errors
from palaver.recording.storage import OutsideError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from palaver.recording.storage import Storage
    from palaver.store import Store

PATH: Final = "/recordings/{recording}/{part}"
_TYPES: Final = {
    "mkv": "video/x-matroska",
    "mka": "audio/x-matroska",
    "mp4": "video/mp4",
    "m4a": "audio/mp4",
    "ts": "video/mp2t",
    "ogg": "audio/ogg",
}
_HEADERS: Final = {
    "cache-control": "private, no-store",
    "content-security-policy": "default-src 'none'; sandbox",
    "referrer-policy": "no-referrer",
}
_NOT_FOUND: Final = error(errors.NOT_FOUND, "Resource not found")
_REFUSED: Final = error(errors.FORBIDDEN, "The URL is not valid, or not any more")


@dataclass(frozen=True, slots=True)
class UrlSigner:
    """Makes URLs that are good for a time, and tells them from others. ``clock``: seconds since the epoch."""

    key: bytes = field(repr=False)
    clock: Callable[[], float]
    lifetime_s: float

    def url(self, recording: str, part: int, *, download: bool) -> str:
        """A URL of a part (counted from 1), relative to the server."""
        until, way = int(self.clock() + self.lifetime_s), "download" if download else "play"
        signature = self._signature(recording, part, way, until)
        query = urlencode({"way": way, "until": until, "signature": signature})
        return f"/recordings/{recording}/{part}?{query}"

    def admits(self, recording: str, part: int, query: dict[str, str]) -> bool:
        """Whether ``query`` is that of a URL of ours which is still good."""
        way, until = query.get("way", ""), query.get("until", "")
        if not until.isascii() or not until.isdigit() or len(until) > 15:
            return False
        expected = self._signature(recording, part, way, int(until))
        same = hmac.compare_digest(query.get("signature", "").encode(), expected.encode())
        return same and self.clock() < int(until)

    def _signature(self, recording: str, part: int, way: str, until: int) -> str:
        text = f"recording\n{recording}\n{part}\n{way}\n{until}"
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()


class RecordingFiles:
    """Makes signed URLs, and answers them."""

    def __init__(self, store: Store, storage: Storage, signer: UrlSigner) -> None:
        self._store, self._storage, self._signer = store, storage, signer

    def routes(self) -> list[BaseRoute]:
        """The path of all files."""
        return [Route(PATH, self.file, methods=["GET", "HEAD"])]

    def path(self, file: str) -> str:
        """See FilesOf."""
        return str(self._storage.directory / file)

    def url(self, recording: str, part: int, *, download: bool) -> str:
        """See FilesOf."""
        return self._signer.url(recording, part, download=download)

    async def file(self, request: Request) -> Response | Answer:
        """A part of a recording, or the range of it that is asked for."""
        recording, text = request.path_params["recording"], request.path_params["part"]
        part = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        if not self._signer.admits(recording, part, dict(request.query_params)):
            return _REFUSED
        entry = await self._store.recordings.get(recording)
        if entry is None or not 1 <= part <= len(entry.parts):
            return _NOT_FOUND
        try:
            path = self._storage.resolve(entry.parts[part - 1].file)
        except OutsideError:
            return _NOT_FOUND
        if not await asyncio.to_thread(path.is_file):
            return _NOT_FOUND
        way = "attachment" if request.query_params["way"] == "download" else "inline"
        return FileResponse(
            path,
            media_type=_TYPES[entry.container],
            filename=path.name,
            content_disposition_type=way,
            headers=_HEADERS,
        )
