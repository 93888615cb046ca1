"""Opens a stream of another server: bounded in time, at allowed addresses, with the cause if it fails."""

from __future__ import annotations

import os
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from palaver.streaming.causes import StreamUnavailable, cause_of
from palaver.streaming.http_reader import HttpReader, connected

if TYPE_CHECKING:
    from collections.abc import Callable

PORTS: Final = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "http": 80, "https": 443, "udp": 0}
OPEN_S: Final = 6.0
READ_S: Final = 4.0
"""Nothing for so long from a live source: it is interrupted."""
CONNECT_S: Final = 3.0
_LIVE: Final = {"analyzeduration": "1000000", "probesize": "500000"}
_RTMP: Final = {"analyzeduration": "4000000", "probesize": "5000000"}
"""RTMP announces a track with its first packet; a track that is found later than this is left out."""
_PROTOCOLS: Final = "rtsp,rtsps,rtmp,rtmps,rtp,srtp,udp,tcp,tls,http,https"

Resolve = "Callable[[str], list[tuple[str, int]]]"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be opened. ``buffer_size`` is of a UDP socket, in bytes."""

    url: str
    transport: str = "tcp"
    buffer_size: int = 8192
    tls_verify: bool = True


class Opened:
    """A stream that is read from. ``paced``: it comes faster than it is shown (a file, HLS): the reader waits."""

    def __init__(self, container: InputContainer, readers: list[HttpReader], *, paced: bool) -> None:
        self.container, self._readers, self.paced = container, readers, paced

    def close(self) -> None:
        """Give up everything; a dead peer is no error."""
        with suppress(av.error.FFmpegError, OSError):
            self.container.close()
        for reader in self._readers:
            reader.close()


def open_stream(wanted: Wanted, resolve: Callable[[str], list[tuple[str, int]]]) -> Opened:
    """Connect and find out what there is. ``resolve`` gives the addresses of a URL that may be used, or raises.

    Raises StreamUnavailable with the cause.
    """
    scheme = urlsplit(wanted.url).scheme
    readers: list[HttpReader] = []
    began = time.monotonic()
    try:
        addresses = resolve(wanted.url)
        if scheme in ("rtsps", "rtmps") and wanted.tls_verify:
            check_certificate(wanted.url, addresses)
        container = _open(wanted, scheme, resolve, readers)
        if scheme not in ("http", "https"):
            _check_peers(resolve)
    except (av.error.FFmpegError, OSError, ssl.SSLError, ValueError) as error:
        for reader in readers:
            reader.close()
        late = time.monotonic() - began >= OPEN_S - 0.1  # the library then says that it read garbage
        raise StreamUnavailable(explained(TimeoutError() if late else error, wanted.url, resolve)) from error
    paced = container.format.name in ("hls", "dash") or "hls" in container.format.name or _is_file(container)
    return Opened(container, readers, paced=paced)


def _open(
    wanted: Wanted, scheme: str, resolve: Callable[[str], list[tuple[str, int]]], readers: list[HttpReader]
) -> InputContainer:
    url = wanted.url
    options: dict[str, str] = {**_LIVE, "protocol_whitelist": _PROTOCOLS}
    more: dict[str, Any] = {}
    if scheme in ("rtsp", "rtsps"):
        options |= {"rtsp_transport": wanted.transport, "reorder_queue_size": "500"}
        if wanted.transport == "udp":
            options["buffer_size"] = str(wanted.buffer_size)
    elif scheme in ("rtmp", "rtmps"):
        options |= _RTMP
    elif scheme in ("http", "https"):
        first = HttpReader(url, resolve, timeout_s=READ_S)
        readers.append(first)
        url = first.url

        def io_open(url: str, flags: int, _: dict[str, str]) -> HttpReader:
            if urlsplit(url).scheme not in ("http", "https"):
                raise StreamUnavailable("a playlist names an address that is not http or https", final=True)
            if url == first.url and first.tell() == 0 and len(readers) == 1:
                return first
            readers.append(HttpReader(url, resolve, timeout_s=READ_S))
            return readers[-1]

        more["io_open"] = io_open
        options |= {"http_persistent": "0", "allowed_extensions": "ALL", "live_start_index": "-2"}
    if scheme in ("rtsps", "rtmps") and not wanted.tls_verify:
        options["tls_verify"] = "0"
    container = av.open(url, options=options, timeout=(OPEN_S, READ_S), **more)
    assert isinstance(container, InputContainer)
    return container


def _is_file(container: InputContainer) -> bool:
    return container.format.name.split(",")[0] in ("mov", "matroska", "avi", "ogg", "wav", "mp3")


def check_certificate(url: str, addresses: list[tuple[str, int]]) -> None:
    """Connect once by ourselves: the library does not look at certificates. Raises OSError."""
    with (
        connected(addresses, CONNECT_S) as sock,
        ssl.create_default_context().wrap_socket(sock, server_hostname=urlsplit(url).hostname),
    ):
        pass


def explained(error: BaseException, url: str, resolve: Callable[[str], list[tuple[str, int]]]) -> str:
    """Why ``url`` could not be used. The library's errors do not tell a refused connection from a failed handshake:
    where nothing better is known, we try to connect by ourselves. Not before: some servers take one connection only.
    """
    if isinstance(error, StreamUnavailable | av.error.HTTPError | TimeoutError | ssl.SSLError):
        return cause_of(error)
    try:
        connected(resolve(url), CONNECT_S).close()
    except (OSError, StreamUnavailable) as found:
        return cause_of(found)
    return cause_of(error)


def _check_peers(resolve: Callable[[str], list[tuple[str, int]]]) -> None:
    """Whoever this process is connected to now is allowed: the library follows redirects and resolves names itself.

    Raises StreamUnavailable.
    """
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            one = socket.socket(fileno=os.dup(int(name)))
            with one:
                peer = one.getpeername() if one.family in (socket.AF_INET, socket.AF_INET6) else None
            if peer:
                host = f"[{peer[0]}]" if ":" in peer[0] else peer[0]
                resolve(f"rtsp://{host}:{peer[1]}")
