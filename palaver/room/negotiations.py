"""How long sessions may take to begin: the room's only use of time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from palaver.room.values import StreamId, SubscriptionId

AT_ONCE: Final = -math.inf
"""A deadline that has always passed: the room asks for a Tick without delay."""

_UNSTAMPED: Final = math.inf

Session = StreamId | SubscriptionId


@dataclass(slots=True)
class Negotiations:
    """The sessions that have not begun and the monotonic second at which each gives up.

    Inputs carry no time, so a session that starts is stamped by the next Tick, which ``deadline`` asks for at
    once. Stamps never go back: of those with the same time-out, first started is first due.
    """

    timeout_s: float
    _now: float = -math.inf
    _due: dict[float, dict[Session, float]] = field(default_factory=dict)  # by time-out
    _timeouts: dict[Session, float] = field(default_factory=dict)

    @property
    def deadline(self) -> float | None:
        """When the next Tick is due, or None."""
        if any(next(reversed(due.values())) == _UNSTAMPED for due in self._due.values()):
            return AT_ONCE
        return min((next(iter(due.values())) for due in self._due.values()), default=None)

    def start(self, session: Session, timeout_s: float | None = None) -> None:
        """Begin to watch ``session``, which may take ``timeout_s`` instead of the usual time."""
        timeout = self._timeouts[session] = self.timeout_s if timeout_s is None else timeout_s
        self._due.setdefault(timeout, {})[session] = _UNSTAMPED

    def end(self, session: Session) -> None:
        """Stop watching ``session``, if it was watched."""
        timeout = self._timeouts.pop(session, None)
        if timeout is not None:
            del self._due[timeout][session]
            if not self._due[timeout]:
                del self._due[timeout]

    def tick(self, now: float) -> list[Session]:
        """Stamp what started since the last call; return what is overdue, oldest first, still watched."""
        self._now = max(self._now, now)
        for timeout, dues in self._due.items():
            for session, due in reversed(dues.items()):
                if due != _UNSTAMPED:
                    break
                dues[session] = self._now + timeout
        return [session for dues in self._due.values() for session, due in dues.items() if due <= self._now]
