"""Signs requests: each with its own time and nonce, since a signature is accepted once."""

from __future__ import annotations

import secrets
import time

from palaver.client.operations import signature


class Signer:
    """A service's id and key, and the headers they make."""

    def __init__(self, service: str, key: str) -> None:
        self._service, self._key = service, key

    def headers(self) -> dict[str, str]:
        """The headers of one request."""
        now_ms = time.time_ns() // 1_000_000
        return {
            "authorization": signature(self._service, self._key, now_ms, secrets.token_hex(8)),
            "content-type": "application/json",
        }
