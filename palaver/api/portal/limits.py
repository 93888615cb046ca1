"""How fast one client may make requests, and a room's texts may spread."""

from __future__ import annotations


class TokenBucket:
    """Allows ``rate`` requests a second on average, ``burst`` at once. Times are monotonic seconds."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = float(burst), now

    def take(self, now: float, cost: float = 1) -> bool:
        """Whether one more request, or something as dear as ``cost`` of them, is allowed now; then it is counted.

        What costs more than the whole burst costs the burst.
        """
        cost = min(cost, self._burst)
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
