"""Why a server on the network could not be used, in words that its owner can act on."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from typing import Final

import av

_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")
_MOST: Final = 200
_BY_ERRNO: Final = {
    errno.ECONNREFUSED: "the connection was refused",
    errno.EHOSTUNREACH: "the host cannot be reached",
    errno.ENETUNREACH: "the network cannot be reached",
    errno.ECONNRESET: "the server closed the connection",
    errno.EPIPE: "the server closed the connection",
    errno.ETIMEDOUT: "nothing came in time",
    errno.EIO: "the server refused the stream, or does not have it",
}
_BY_TYPE: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (socket.gaierror, "the host is unknown"),
    (ssl.SSLCertVerificationError, "TLS: the certificate cannot be trusted"),
    (ssl.SSLError, "TLS failed"),
    (av.error.HTTPUnauthorizedError, "401: user name or password are wrong or missing"),
    (av.error.HTTPForbiddenError, "403: the server forbids it"),
    (av.error.HTTPNotFoundError, "404: there is no such stream"),
    (av.error.HTTPServerError, "the server failed (5xx)"),
    (av.error.HTTPError, "the server refused the request"),
    (av.error.ExitError, "nothing came in time"),
    (TimeoutError, "nothing came in time"),
    (av.error.EOFError, "the stream ended"),
    (av.error.InvalidDataError, "what the server sends is no stream that can be read"),
    (av.error.ProtocolNotFoundError, "the protocol is not supported"),
    (av.error.DecoderNotFoundError, "the codec is not supported"),
)


class StreamUnavailable(Exception):
    """A stream cannot be had; the text says why, without secrets. ``final``: trying again cannot help."""

    def __init__(self, cause: str, *, final: bool = False) -> None:
        super().__init__(cause)
        self.final = final


def without_secrets(text: str) -> str:
    """``text`` with the user names and passwords of addresses as ``***``, and not too long."""
    return _CREDENTIALS.sub("***@", text)[:_MOST]


def cause_of(error: BaseException) -> str:
    """Why ``error`` came about, for people."""
    if isinstance(error, StreamUnavailable):
        return str(error)
    for kind, words in _BY_TYPE:
        if isinstance(error, kind):
            return words
    number = getattr(error, "errno", None)
    if number in _BY_ERRNO:
        return _BY_ERRNO[number]
    return without_secrets(f"{type(error).__name__}: {error}")
