"""Remembers which signed requests were seen, in bounded memory."""

from __future__ import annotations

import hashlib
from typing import Final

CAPACITY: Final = 200_000
"""Requests that are remembered; each costs about 100 bytes."""

_SLICE_MS: Final = 5_000


class ReplayGuard:
    """Accepts each (service, timestamp, nonce) once while its timestamp is within ``window_s`` of the clock.

    When there are too many to remember, the oldest are forgotten and their timestamps are no longer accepted:
    under overload clients with slow clocks are refused, but nothing is accepted twice.
    """

    def __init__(self, window_s: float, capacity: int = CAPACITY) -> None:
        self._window_ms, self._capacity = int(window_s * 1000), capacity
        self._slices: dict[int, set[bytes]] = {}
        self._remembered = 0
        self._floor_ms = 0

    def fresh(self, timestamp_ms: int, now_ms: int) -> bool:
        """Whether a request that was signed then may be looked at now."""
        return abs(now_ms - timestamp_ms) <= self._window_ms and timestamp_ms >= self._floor_ms

    def first(self, service: str, timestamp_ms: int, nonce: str, now_ms: int) -> bool:
        """Whether this request, which is fresh and rightly signed, has not been seen before; now it has."""
        self._forget(now_ms - self._window_ms)
        if timestamp_ms < self._floor_ms:
            return False
        seen = self._slices.setdefault(timestamp_ms // _SLICE_MS, set())
        key = hashlib.blake2b(f"{service},{timestamp_ms},{nonce}".encode(), digest_size=16).digest()
        if key in seen:
            return False
        seen.add(key)
        self._remembered += 1
        return True

    def _forget(self, before_ms: int) -> None:
        """Drop what is too old to be accepted anyway, and more if memory ran out."""
        while self._slices:
            oldest = min(self._slices)
            end_ms = (oldest + 1) * _SLICE_MS
            if end_ms > before_ms and self._remembered < self._capacity:
                return
            self._remembered -= len(self._slices.pop(oldest))
            self._floor_ms = max(self._floor_ms, end_ms)
