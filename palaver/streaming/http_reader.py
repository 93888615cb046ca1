"""HTTP for demuxers: every address, redirects included, is checked before it is connected to."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from palaver.streaming.causes import StreamUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CAUSES: Final = {
    401: "401: user name or password are wrong or missing",
    403: "403: the server forbids it",
    404: "404: there is no such stream",
    410: "410: the stream is gone",
}

Resolve = "Callable[[str], list[tuple[str, int]]]"
"""From a URL to the addresses that may be connected to; raises StreamUnavailable if there is none."""


class HttpReader:
    """One GET as a file for a demuxer; seeking asks anew with a range (RFC 9110, section 14)."""

    def __init__(
        self, url: str, resolve: Callable[[str], list[tuple[str, int]]], *, timeout_s: float = 5.0
    ) -> None:
        """Raises StreamUnavailable, OSError, http.client.HTTPException."""
        self._url, self._resolve, self._timeout_s = url, resolve, timeout_s
        self._position = 0
        self._response: http.client.HTTPResponse | None
        response = self._response = self._open(0)
        length = response.getheader("content-length")
        self._size = int(length) if length and length.isdigit() else None
        if response.getheader("accept-ranges") != "bytes" or self._size is None:
            self.seek = None  # type: ignore[method-assign,assignment]  # so PyAV knows that it cannot

    @property
    def url(self) -> str:
        """Where it was found, after redirects."""
        return self._url

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, as soon as there are any; none at the end."""
        if self._response is None:
            if self._position >= (self._size or 0):
                return b""
            self._response = self._open(self._position)
        data = self._response.read1(size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go on reading elsewhere."""
        assert self._size is not None
        target = {0: offset, 1: self._position + offset, 2: self._size + offset}[whence]
        if target != self._position and self._response is not None:
            self._response.close()
            self._response = None
        self._position = target
        return target

    def tell(self) -> int:
        """Where the next byte stands."""
        return self._position

    def close(self) -> None:
        """Give up the connection."""
        if self._response is not None:
            with suppress(OSError):
                self._response.close()

    def _open(self, start: int) -> http.client.HTTPResponse:
        url = self._url
        for _ in range(MOST_REDIRECTS + 1):
            response = self._request(url, start)
            if response.status in _REDIRECTS and (where := response.getheader("location")):
                response.close()
                url = urljoin(url, where)
                continue
            if response.status >= 300:
                response.close()
                raise StreamUnavailable(
                    _CAUSES.get(response.status, f"the server answered {response.status}")
                )
            self._url = url
            return response
        raise StreamUnavailable(f"more than {MOST_REDIRECTS} redirects", final=True)

    def _request(self, url: str, start: int) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        connection = checked_connection(url, self._resolve(url), self._timeout_s)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"host": parts.netloc.rpartition("@")[2], "user-agent": "palaver", "accept": "*/*"}
        headers |= authorization(url)
        if start:
            headers["range"] = f"bytes={start}-"
        connection.request("GET", target, headers=headers)
        return connection.getresponse()


def authorization(url: str) -> dict[str, str]:
    """The header that user name and password in ``url`` give (RFC 7617); none without them."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"authorization": "Basic " + base64.b64encode(pair).decode()}


def checked_connection(
    url: str, addresses: list[tuple[str, int]], timeout_s: float
) -> http.client.HTTPConnection:
    """A connection to one of ``addresses``, for a request to ``url``; it is made with the request."""
    parts = urlsplit(url)
    return _Checked(parts.hostname or "", addresses, parts.scheme == "https", timeout_s)


class _Checked(http.client.HTTPConnection):
    """Connects to addresses that were checked, whatever the name would resolve to now."""

    def __init__(self, name: str, addresses: list[tuple[str, int]], tls: bool, timeout_s: float) -> None:
        super().__init__(name, timeout=timeout_s)
        self._name, self._addresses, self._tls = name, addresses, tls

    def connect(self) -> None:
        self.sock = connected(self._addresses, self.timeout or 5.0)
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._name)


def connected(addresses: list[tuple[str, int]], timeout_s: float) -> socket.socket:
    """A TCP connection to the first address that takes one. Raises the last OSError."""
    failure: OSError = OSError("no address")
    for host, port in addresses:
        try:
            return socket.create_connection((host, port), timeout_s)
        except OSError as error:
            failure = error
    raise failure
