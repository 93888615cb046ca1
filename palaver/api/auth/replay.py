"""Remembers which signed requests were seen, in bounded memory, each service by itself."""

from __future__ import annotations

import hashlib
from typing import Final

CAPACITY: Final = 100_000
"""Requests of one service that are remembered; each costs about 100 bytes."""
AHEAD_S: Final = 60.0
"""How far a service's clock may be ahead of ours."""

_SLICE_MS: Final = 1_000


class ReplayGuard:
    """Accepts each (service, timestamp, nonce) once while its timestamp is within the window of the clock.

    The window reaches ``window_s`` into the past and ``ahead_s`` into the future. When there are too many requests of
    one service to remember, its oldest are forgotten and their timestamps are no longer accepted from it: its clients
    with slow clocks are refused, but nothing is accepted twice, and no other service notices.
    """

    def __init__(self, window_s: float, *, ahead_s: float = AHEAD_S, capacity: int = CAPACITY) -> None:
        self._window_ms, self._ahead_ms = int(window_s * 1000), int(ahead_s * 1000)
        self._capacity = capacity
        self._seen: dict[str, _Seen] = {}

    def stale(self, timestamp_ms: int, now_ms: int) -> bool:
        """Whether a request was signed too long ago to be looked at."""
        return now_ms - timestamp_ms > self._window_ms

    def ahead(self, timestamp_ms: int, now_ms: int) -> bool:
        """Whether it was signed too far in the future."""
        return timestamp_ms - now_ms > self._ahead_ms

    def forgotten(self, service: str, timestamp_ms: int) -> bool:
        """Whether nobody remembers any more what this service signed then."""
        seen = self._seen.get(service)
        return seen is not None and timestamp_ms < seen.floor_ms

    def first(self, service: str, timestamp_ms: int, nonce: str, now_ms: int) -> bool:
        """Whether this request, which is fresh and rightly signed, has not been seen before; now it has."""
        seen = self._seen.setdefault(service, _Seen())
        seen.forget(now_ms - self._window_ms, self._capacity)
        return timestamp_ms >= seen.floor_ms and seen.add(timestamp_ms, nonce)

    def purge(self, now_ms: int) -> None:
        """Release what is remembered of services that sign nothing any more."""
        for service, seen in list(self._seen.items()):
            seen.forget(now_ms - self._window_ms, self._capacity)
            if not seen.remembered and seen.floor_ms < now_ms - self._window_ms:
                del self._seen[service]

    @property
    def remembered(self) -> int:
        """Requests that are remembered now."""
        return sum(seen.remembered for seen in self._seen.values())


class _Seen:
    """The requests of one service, in slices of time. What was signed before ``floor_ms`` is not accepted."""

    def __init__(self) -> None:
        self.floor_ms = 0
        self.remembered = 0
        self._slices: dict[int, set[bytes]] = {}

    def add(self, timestamp_ms: int, nonce: str) -> bool:
        """Remember one; False if it was remembered already."""
        seen = self._slices.setdefault(timestamp_ms // _SLICE_MS, set())
        key = hashlib.blake2b(f"{timestamp_ms},{nonce}".encode(), digest_size=16).digest()
        if key in seen:
            return False
        seen.add(key)
        self.remembered += 1
        return True

    def forget(self, before_ms: int, capacity: int) -> None:
        """Drop what is too old to be accepted anyway; and more, raising the floor, if there is too much."""
        while self._slices:
            oldest = min(self._slices)
            end_ms = (oldest + 1) * _SLICE_MS
            too_old = end_ms <= before_ms
            if not too_old and self.remembered < capacity:
                return
            self.remembered -= len(self._slices.pop(oldest))
            if not too_old:
                self.floor_ms = max(self.floor_ms, end_ms)
