"""Segments and playlists to a web server, or into a folder: in order, with retries, never more than fits in memory.

A playlist never names a segment that the server does not have: it is sent after them, and those that could not be sent
are taken out of it. What has left the playlist is deleted, by a DELETE without a body.
"""

from __future__ import annotations

import http.client
import os
import re
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from palaver.streaming.causes import cause_of
from palaver.streaming.http_reader import authorization, checked_connection
from palaver.streaming.segments import content_type, is_playlist

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOST_BYTES: Final = 32 << 20
"""What waits to be sent; of more the oldest segment is given up."""
TIMEOUT_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 1.0
GIVE_UP_S: Final = 12.0
"""A segment that could not be sent for so long is of no use any more."""
_ENTRY: Final = re.compile(r"(?:#EXT(?:INF|-X-PROGRAM-DATE-TIME|-X-BYTERANGE):[^\n]*\n)+([^#\n][^\n]*)\n")


class Store(Protocol):
    """Where files go. Both raise OSError or http.client.HTTPException if it could not be done."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file whole."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...


class Refused(OSError):
    """The server answered, but did not take the file."""


class WebStore:
    """A web server that takes files by PUT or POST, over one connection that is opened anew when it breaks."""

    def __init__(self, base: str, method: str, resolve: Callable[[str], list[tuple[str, int]]]) -> None:
        """``base``: the URL of the playlist; files stand beside it."""
        self._base, self._method, self._resolve = base, method, resolve
        self._connection: http.client.HTTPConnection | None = None

    def put(self, name: str, data: bytes) -> None:
        """See Store."""
        headers = {"content-type": content_type(name), "content-length": str(len(data))}
        self._request(self._method, name, data, headers)

    def delete(self, name: str) -> None:
        """See Store."""
        self._request("DELETE", name, None, {})

    def _request(self, method: str, name: str, data: bytes | None, headers: dict[str, str]) -> None:
        parts = urlsplit(self._base)
        path = parts.path.rpartition("/")[0] + "/" + name
        query = f"?{parts.query}" if parts.query else ""
        try:
            if self._connection is None:
                self._connection = checked_connection(self._base, self._resolve(self._base), TIMEOUT_S)
            headers = {"host": parts.netloc.rpartition("@")[2], **authorization(self._base), **headers}
            self._connection.request(method, path + query, data, headers)
            response = self._connection.getresponse()
            response.read(1 << 16)
        except BaseException:
            self.close()
            raise
        if response.status >= 300 and not (method == "DELETE" and response.status == 404):
            self.close()
            raise Refused(f"the server answered {response.status}")

    def close(self) -> None:
        """Give up the connection."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
        self._connection = None


class FolderStore:
    """A folder that somebody serves: readers see whole files only."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError if it cannot be made."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, data: bytes) -> None:
        """See Store."""
        written = self._folder / f".{name}.part"
        written.write_bytes(data)
        os.replace(written, self._folder / name)

    def delete(self, name: str) -> None:
        """See Store."""
        (self._folder / name).unlink(missing_ok=True)


@dataclass(slots=True)
class _File:
    name: str
    data: bytes
    since: float


class Sender:
    """Sends files in their order, in a thread of its own."""

    def __init__(
        self,
        store: Store,
        *,
        kept: int,
        state: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``kept``: segments of a rendition that stay; ``state`` is told each error, and "" when files are taken."""
        self._store, self._kept, self._state, self._clock = store, kept, state, clock
        self._waiting: deque[_File] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._ending = False
        self._missing: set[str] = set()
        self._sent: dict[str, deque[str]] = {}
        self._error: str | None = None
        self.counters = {"files": 0.0, "file_bytes": 0.0, "file_retries": 0.0, "files_lost": 0.0}

    def add(self, name: str, data: bytes) -> None:
        """Send a file after those that wait. Of a playlist the newest counts. Never blocks."""
        with self._changed:
            if is_playlist(name):
                for waiting in [one for one in self._waiting if one.name == name]:
                    self._drop(waiting)
            self._waiting.append(_File(name, data, self._clock()))
            self._bytes += len(data)
            while self._bytes > MOST_BYTES and len(self._waiting) > 1:
                self._lose(
                    next((one for one in self._waiting if not is_playlist(one.name)), self._waiting[0])
                )
            self._changed.notify()

    def end(self, within_s: float) -> None:
        """Send what waits, for so long at most."""
        deadline = self._clock() + within_s
        with self._changed:
            self._ending = True
            self._changed.notify()
            while self._waiting and (left := deadline - self._clock()) > 0:
                self._changed.wait(min(left, 0.2))

    def run(self) -> None:
        """Send until everything is sent after ``end``."""
        pause = FIRST_PAUSE_S
        while (file := self._next()) is not None:
            try:
                data = self._filtered(file) if is_playlist(file.name) else file.data
                self._store.put(file.name, data)
            except (OSError, http.client.HTTPException) as error:
                self.counters["file_retries"] += 1
                self._tell(str(error) if isinstance(error, Refused) else cause_of(error))
                self._after_failure(file)
                with self._changed:
                    self._changed.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                continue
            pause = FIRST_PAUSE_S
            self.counters["files"] += 1
            self.counters["file_bytes"] += len(data)
            self._tell("")
            with self._changed:
                self._drop(file)
                self._changed.notify_all()
            self._clean_up(file.name)

    def _next(self) -> _File | None:
        with self._changed:
            while not self._waiting:
                if self._ending:
                    return None
                self._changed.wait(1.0)
            return self._waiting[0]

    def _after_failure(self, file: _File) -> None:
        with self._changed:
            if self._clock() - file.since > GIVE_UP_S and file in self._waiting:
                self._lose(file)

    def _lose(self, file: _File) -> None:
        self._drop(file)
        self.counters["files_lost"] += 1
        if not is_playlist(file.name):
            self._missing.add(file.name)

    def _drop(self, file: _File) -> None:
        if file in self._waiting:
            self._waiting.remove(file)
            self._bytes -= len(file.data)

    def _filtered(self, file: _File) -> bytes:
        """A playlist without the segments that could not be sent."""
        if not self._missing or not file.name.endswith(".m3u8"):
            return file.data
        return without(file.data.decode(), self._missing).encode()

    def _clean_up(self, name: str) -> None:
        """Remember a segment that was sent, and delete what is too old."""
        if is_playlist(name) or not (series := re.sub(r"\d+(?=\.\w+$)", "#", name)).count("#"):
            return
        sent = self._sent.setdefault(series, deque())
        sent.append(name)
        while len(sent) > self._kept:
            with suppress(OSError, http.client.HTTPException):
                self._store.delete(sent.popleft())

    def _tell(self, error: str) -> None:
        if error != self._error:
            self._error = error
            self._state(error)


def without(playlist: str, missing: set[str]) -> str:
    """An HLS media playlist without these segments; a discontinuity takes their place (RFC 8216, 4.3.2.3)."""
    out, place, gap = [], 0, False
    for entry in _ENTRY.finditer(playlist):
        out.append(playlist[place : entry.start()])
        place = entry.end()
        if entry[1] in missing:
            gap = True
            continue
        out.append(("#EXT-X-DISCONTINUITY\n" if gap else "") + entry[0])
        gap = False
    return "".join(out) + playlist[place:]
