"""What can go wrong when asking a server."""

from __future__ import annotations


class PalaverError(Exception):
    """Anything that a request can end with besides its answer."""


class ServerUnreachable(PalaverError):
    """No usable answer came: connection refused, time-out, TLS trouble, or something that is no Palaver."""


class RequestRefused(PalaverError):
    """The server said no. ``status`` is HTTP's, ``code`` is OWT's (docs/protocol/rest.md), ``message`` says why."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{message} (HTTP {status}, code {code})")
        self.status, self.code, self.message = status, code, message
