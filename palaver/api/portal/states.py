"""The states of one client's session and the moves between them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """Where a client's session is in its life."""

    FRESH = "fresh"
    ENTERING = "logging in"
    IN_SERVICE = "in service"
    AWAY = "away"
    GONE = "gone"


class Step(StrEnum):
    """What moves a session on."""

    LOGIN = "login"
    ADMITTED = "admitted"
    REFUSED = "refused"
    LOST = "connection lost"
    RESUMED = "resumed"
    ENDED = "ended"


MOVES: Final[Mapping[tuple[State, Step], State]] = {
    (State.FRESH, Step.LOGIN): State.ENTERING,
    (State.FRESH, Step.REFUSED): State.GONE,
    (State.FRESH, Step.LOST): State.GONE,
    (State.FRESH, Step.ENDED): State.GONE,
    (State.ENTERING, Step.ADMITTED): State.IN_SERVICE,
    (State.ENTERING, Step.REFUSED): State.GONE,
    (State.ENTERING, Step.LOST): State.GONE,
    (State.IN_SERVICE, Step.LOST): State.AWAY,
    (State.IN_SERVICE, Step.RESUMED): State.IN_SERVICE,
    (State.IN_SERVICE, Step.ENDED): State.GONE,
    (State.AWAY, Step.RESUMED): State.IN_SERVICE,
    (State.AWAY, Step.ENDED): State.GONE,
}
"""Every legal move; a pair that is missing is our mistake and raises KeyError."""
