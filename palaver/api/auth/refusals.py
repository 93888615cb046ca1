"""Refused signatures: counted by cause, and told to the log now and then."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CAUSES: Final = ("malformed", "stale", "ahead", "forgotten", "unknown", "replayed")
_LOG_EVERY_S: Final = 10.0


class NotAuthenticated(Exception):
    """The request is not signed by a service that we know. The text is for the log: callers all get one answer."""

    def __init__(self, text: str, cause: str = "malformed") -> None:
        super().__init__(text)
        self.cause = cause


class Refusals:
    """Counts by cause; of each cause the log hears at most once in ten seconds, with the number since."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._told: dict[str, tuple[float, int]] = {}
        self._log = structlog.get_logger("palaver.rest")

    def count(self, refused: NotAuthenticated, path: str) -> None:
        """One more."""
        cause, now = refused.cause, self._clock()
        self._counts[cause] += 1
        at, told = self._told.get(cause, (float("-inf"), 0))
        if abs(now - at) >= _LOG_EVERY_S:
            self._told[cause] = (now, self._counts[cause])
            self._log.warning(
                "not authenticated",
                cause=cause,
                reason=str(refused),
                path=path[:200],
                requests=self._counts[cause] - told,
            )

    def stats(self) -> Mapping[str, float]:
        """Counters by metric name."""
        return {f"auth_refused_{cause}_total": self._counts[cause] for cause in CAUSES}
