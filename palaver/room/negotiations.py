"""How long sessions may negotiate: the room's only use of time."""

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
    """The sessions that are negotiating and the monotonic second at which each gives up.

    Inputs carry no time, so a session that starts is stamped by the next Tick, which ``deadline`` asks for at
    once. Stamps never go back: first started is first due.
    """

    timeout_s: float
    _now: float = -math.inf
    _due: dict[Session, float] = field(default_factory=dict)

    @property
    def deadline(self) -> float | None:
        """When the next Tick is due, or None."""
        if not self._due:
            return None
        if next(reversed(self._due.values())) == _UNSTAMPED:
            return AT_ONCE
        return next(iter(self._due.values()))

    def start(self, session: Session) -> None:
        """Begin to watch ``session``."""
        self._due[session] = _UNSTAMPED

    def end(self, session: Session) -> None:
        """Stop watching ``session``, if it was watched."""
        self._due.pop(session, None)

    def tick(self, now: float) -> list[Session]:
        """Stamp what started since the last call; return what is overdue, oldest first, still watched."""
        self._now = max(self._now, now)
        for session, due in reversed(self._due.items()):
            if due != _UNSTAMPED:
                break
            self._due[session] = self._now + self.timeout_s
        return [session for session, due in self._due.items() if due <= self._now]
