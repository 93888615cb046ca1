"""Notifications on their way to one client: in order, some with a delay, kept until they surely arrived."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from palaver.api.portal import packets


@dataclass(frozen=True)
class Notification:
    """An event and its data, shared by everybody who hears it; ``data`` None: the event has none.

    ``anchor``: those that settle (see Outbox.put) keep their distance from it. ``fleeting``: of no use later; who is
    away does not hear of it. ``text``: somebody's words; only so many of them wait.
    """

    event: str
    data: Any = None
    anchor: bool = field(default=False, compare=False)
    fleeting: bool = field(default=False, compare=False)
    text: bool = field(default=False, compare=False)

    @cached_property
    def packet(self) -> str:
        """The Socket.IO packet, encoded once however many hear it."""
        return packets.event(self.event, self.data)


@dataclass(frozen=True, slots=True)
class Entry:
    """A notification with its number, and when it may be sent at the earliest (see Outbox.put)."""

    seq: int
    since: float
    settle_s: float
    notification: Notification


class Overflow(Exception):
    """More notifications wait than may be kept."""


class Outbox:
    """One session's queue. What was sent is remembered, for replay, until a pong proves its arrival.

    At most ``limit`` notifications wait, and beside them ``max_texts`` texts; more texts are ``dropped``.
    """

    def __init__(self, limit: int, max_texts: int) -> None:
        self._limit, self._max_texts = limit, max_texts
        self._texts = 0
        self.dropped = 0
        self._waiting: deque[Entry] = deque()
        self._sent: deque[tuple[float, Entry]] = deque(maxlen=limit)
        self._seq = 0
        self._anchored = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_due(self) -> float | None:
        """When the next notification may be sent, or None if there is none."""
        if not self._waiting:
            return None
        entry = self._waiting[0]
        if not entry.settle_s:
            return entry.since
        return max(entry.since, self._anchored) + entry.settle_s

    def put(self, notification: Notification, now: float, settle_s: float = 0.0) -> None:
        """Queue it behind all others; with ``settle_s``, to be sent that long after now and after the last anchor.

        Waits of several overlap, and the one after an anchor is kept even if the anchor itself was held up.
        Raises Overflow at the limit, but never for a text, which is dropped.
        """
        if notification.text:
            if not self._room_for_text():
                return
            self._texts += 1
        elif len(self._waiting) - self._texts >= self._limit:
            raise Overflow
        self._seq += 1
        self._waiting.append(Entry(self._seq, now, settle_s, notification))

    def take(self, now: float) -> Notification | None:
        """The next notification that is due, from now on counted as sent."""
        due = self.next_due
        if due is None or due > now:
            return None
        entry = self._waiting.popleft()
        self._texts -= entry.notification.text
        if entry.notification.anchor:
            self._anchored = now
        if not entry.notification.fleeting:
            self._sent.append((now, entry))
        return entry.notification

    def confirm(self, moment: float) -> None:
        """Forget what was sent before ``moment``: the client answered a ping sent then."""
        while self._sent and self._sent[0][0] < moment:
            self._sent.popleft()

    def rewind(self) -> None:
        """Queue again, in front, what was sent but perhaps never arrived."""
        while self._sent:
            _, entry = self._sent.pop()
            if entry.notification.text:
                if not self._room_for_text():
                    continue
                self._texts += 1
            self._waiting.appendleft(entry)

    def drain(self) -> list[Entry]:
        """Everything unconfirmed and everything waiting, in order; the queue is empty afterwards."""
        self.rewind()
        entries = list(self._waiting)
        self._waiting.clear()
        self._texts = 0
        return entries

    def _room_for_text(self) -> bool:
        """Whether one more text may wait; if not, it counts as dropped."""
        if self._texts < self._max_texts:
            return True
        self.dropped += 1
        return False
