"""The files of recordings, for whoever has a URL that this server signed: to play, to download, in ranges."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from palaver.api.http.answers import Answer, error
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.recording.extracts import Busy, ExtractFailed, Extracts
from palaver.recording.speech import webvtt
from palaver.recording.storage import OutsideError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request

    from palaver.api.wire.recordings import Way
    from palaver.recording.index import Entry
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
_THUMBNAIL_S: Final = 5.0
"""Where in a part the thumbnail is taken; in short ones in the middle."""
_MORE_S: Final = 3600.0
"""So much more than is known of a part may be in its file."""
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

    def url(self, recording: str, part: int, way: Way) -> str:
        """A URL of a part (counted from 1), relative to the server."""
        until = int(self.clock() + self.lifetime_s)
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
        self._extracts = Extracts()

    def routes(self) -> list[BaseRoute]:
        """The path of all files."""
        return [Route(PATH, self.file, methods=["GET", "HEAD"])]

    def path(self, file: str) -> str:
        """See FilesOf."""
        return str(self._storage.directory / file)

    def url(self, recording: str, part: int, way: Way) -> str:
        """See FilesOf."""
        return self._signer.url(recording, part, way)

    async def file(self, request: Request) -> Response | Answer:
        """What the URL names of a part of a recording."""
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
        if request.query_params["way"] == "speakers":
            return PlainTextResponse(webvtt(entry, part), headers=_HEADERS, media_type="text/vtt")
        if not await asyncio.to_thread(path.is_file):
            elsewhere = entry.parts[part - 1].object
            return error(errors.NOT_FOUND, f"The file is at {elsewhere}") if elsewhere else _NOT_FOUND
        try:
            return await self._made(request, entry, part, path)
        except ProtocolError as wrong:
            return error(errors.BAD_REQUEST, str(wrong))
        except Busy as busy:
            return error((503, errors.REFUSED[1]), _sentence(busy))
        except ExtractFailed as failure:
            return error(errors.REFUSED, _sentence(failure))

    async def _made(self, request: Request, entry: Entry, part: int, path: Path) -> Response:
        """The file, a cut of it, or its thumbnail. Raises ProtocolError, ExtractFailed."""
        query = request.query_params
        if query["way"] == "thumbnail":
            at_s = _seconds(query, "at", min(_THUMBNAIL_S, entry.parts[part - 1].seconds / 2))
            picture = await self._extracts.thumbnail(path, at_s)
            return Response(picture, headers=_HEADERS, media_type="image/jpeg")
        disposition = "attachment" if query["way"] == "download" else "inline"
        kind = _TYPES[entry.container]
        if not query.keys() & {"from", "to"}:
            return FileResponse(
                path,
                media_type=kind,
                filename=path.name,
                content_disposition_type=disposition,
                headers=_HEADERS,
            )
        start_s, end_s = _range(query, entry.parts[part - 1].seconds)
        bytes_of = self._extracts.cut(path, entry.container, start_s, end_s)
        name = f"{path.stem}-{start_s:g}-{end_s:g}{path.suffix}"
        headers = {**_HEADERS, "content-disposition": f"{disposition}; filename={_quoted(name)}"}
        return StreamingResponse(await _begun(bytes_of), headers=headers, media_type=kind)


def _range(query: Mapping[str, str], whole_s: float) -> tuple[float, float]:
    """From where to where. Raises ProtocolError."""
    start_s, end_s = _seconds(query, "from", 0.0), _seconds(query, "to", whole_s + _MORE_S)
    if start_s >= whole_s:
        raise ProtocolError(f"from: the part is {whole_s:.1f} s long")
    if end_s <= start_s:
        raise ProtocolError("to: expected more than from")
    return start_s, end_s


def _seconds(query: Mapping[str, str], name: str, default: float) -> float:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", text, re.ASCII):
        raise ProtocolError(f"{name}: expected seconds, such as 12.5")
    return float(text)


async def _begun(chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """``chunks``, of which the first is there. Raises ExtractFailed if there is none."""
    first = await anext(chunks, b"")

    async def all_of_them() -> AsyncIterator[bytes]:
        async with contextlib.aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return all_of_them()


def _quoted(name: str) -> str:
    plain = re.sub(r"[^0-9A-Za-z._-]", "_", name)
    return f'"{plain}"'


def _sentence(failure: Exception) -> str:
    said = str(failure)
    return said[:1].upper() + said[1:]
