"""Notifications on their way to one client: in order, some with a delay, kept until they surely arrived."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palaver.api.portal import packets


@dataclass(frozen=True)
class Notification:
    """An event and its data, shared by everybody who hears it; ``data`` None: the event has none."""

    event: str
    data: Any = None

    @cached_property
    def packet(self) -> str:
        """The Socket.IO packet, encoded once however many hear it."""
        return packets.event(self.event, self.data)


@dataclass(frozen=True, slots=True)
class Entry:
    """A notification with its number; not to be sent before ``due`` (monotonic seconds)."""

    seq: int
    due: float
    notification: Notification


class Overflow(Exception):
    """More notifications wait than may be kept."""


class Outbox:
    """One session's queue. What was sent is remembered, for replay, until a pong proves its arrival."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Entry] = deque()
        self._sent: deque[tuple[float, Entry]] = deque(maxlen=limit)
        self._seq = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_due(self) -> float | None:
        """When the next notification may be sent, or None if there is none."""
        return self._waiting[0].due if self._waiting else None

    def put(self, notification: Notification, due: float) -> None:
        """Queue it behind all others. Raises Overflow at the limit."""
        if len(self._waiting) >= self._limit:
            raise Overflow
        self._seq += 1
        self._waiting.append(Entry(self._seq, due, notification))

    def take(self, now: float) -> Notification | None:
        """The next notification that is due, from now on counted as sent."""
        if not self._waiting or self._waiting[0].due > now:
            return None
        entry = self._waiting.popleft()
        self._sent.append((now, entry))
        return entry.notification

    def confirm(self, moment: float) -> None:
        """Forget what was sent before ``moment``: the client answered a ping sent then."""
        while self._sent and self._sent[0][0] < moment:
            self._sent.popleft()

    def rewind(self) -> None:
        """Queue again, in front, what was sent but perhaps never arrived."""
        self._waiting.extendleft(entry for _, entry in reversed(self._sent))
        self._sent.clear()

    def drain(self) -> list[Entry]:
        """Everything unconfirmed and everything waiting, in order; the queue is empty afterwards."""
        self.rewind()
        entries = list(self._waiting)
        self._waiting.clear()
        return entries
