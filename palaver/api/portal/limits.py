"""How fast one client may ask."""

from __future__ import annotations


class TokenBucket:
    """Allows ``rate`` requests a second on average, ``burst`` at once. Times are monotonic seconds."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), now

    def take(self, now: float) -> bool:
        """Whether one more request is allowed now; if so, it is counted."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
