"""How long to wait before something that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Twice as long each time, from ``first_s`` to ``most_s``; from the beginning again after ``good_s`` of success."""

    first_s: float = 1.0
    most_s: float = 60.0
    good_s: float = 60.0
    _next_s: float = 0.0

    def after(self, success_s: float = 0.0) -> float:
        """Seconds to wait after it worked for ``success_s``."""
        if success_s >= self.good_s:
            self._next_s = 0.0
        waits = self._next_s or self.first_s
        self._next_s = min(2 * waits, self.most_s)
        return waits
