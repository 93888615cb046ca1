"""One client's session with the portal, without I/O: its state, who it is, what it has yet to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from palaver.api.portal.outbox import Notification, Outbox
from palaver.api.portal.states import MOVES, State, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.api.portal.dialects import Dialect
    from palaver.room.values import ParticipantId, RoomId


RECONNECTING_SDKS = frozenset({"Objective-C", "C++", "Android", "JavaScript"})
"""Client libraries that know how to resume a session; others leave with their connection."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a session belongs to, and how its client speaks. ``run``: the portal's life in which it began."""

    participant: ParticipantId
    room: RoomId
    user: str
    role: str
    sdk: str
    dialect: Dialect
    run: str

    @property
    def reconnectable(self) -> bool:
        """Whether the session outlives its connection."""
        return self.sdk in RECONNECTING_SDKS

    @property
    def resumes_with_messages(self) -> bool:
        """Whether a relogin is answered with an object of missed messages instead of the bare ticket.

        OWT's JavaScript SDK says 1.2 but expects the bare string.
        """
        return self.dialect.resumes_with_messages and self.sdk != "JavaScript"


class Session:
    """Belongs to one connection at a time; survives its loss if the client can resume.

    ``wake`` is called whenever there is something new to send or nothing will ever be again.
    """

    def __init__(self, *, max_waiting: int, max_texts: int) -> None:
        self.state = State.FRESH
        self.identity: Identity | None = None
        self.outbox = Outbox(max_waiting, max_texts)
        self.transports = 0
        self.wake: Callable[[], None] = _nobody

    def step(self, step: Step) -> State:
        """Make a move; its new state. Raises KeyError for a move that the table does not have."""
        self.state = MOVES[self.state, step]
        return self.state

    def begin(self) -> bool:
        """A login starts; False if this is no longer a fresh session."""
        if self.state is not State.FRESH:
            return False
        self.step(Step.LOGIN)
        return True

    def admit(self, identity: Identity) -> None:
        """The room let the client in."""
        self.step(Step.ADMITTED)
        self.identity = identity

    def refuse(self) -> None:
        """The login failed for good: the connection must be closed."""
        if self.state in (State.FRESH, State.ENTERING):
            self.step(Step.REFUSED)

    def lose(self, *, half_open: bool) -> State:
        """The connection ended; ``half_open``: perhaps long before that was noticed. The new state."""
        if self.state is State.GONE:
            return self.state
        if self.state is State.IN_SERVICE and not (self.identity and self.identity.reconnectable):
            return self.end()
        if half_open:
            self.outbox.rewind()
        self.wake = _nobody
        return self.step(Step.LOST)

    def resume(self, wake: Callable[[], None]) -> None:
        """Continue on another connection; if the old one still seemed open, it was half open."""
        if self.state is State.IN_SERVICE:
            self.outbox.rewind()
        self.step(Step.RESUMED)
        self.wake = wake

    def end(self) -> State:
        """Nothing will follow what is already queued."""
        self.step(Step.ENDED)
        self.wake()
        return self.state

    def tell(self, notification: Notification, now: float, settle_s: float = 0.0) -> None:
        """Queue a notification for the client (see Outbox.put). Raises Overflow if too many wait."""
        self.outbox.put(notification, now, settle_s)
        self.wake()


def _nobody() -> None:
    """Stands for the connection of a session that has none."""
