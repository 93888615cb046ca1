"""What a bot hears of a room: people, streams, sound, pictures, texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np

RATE: Final = 48_000
"""Samples a second of all sound that is heard."""
Samples: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
Pixels: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody in the room. ``user`` is the application's name for the person, not unique."""

    id: str
    user: str
    role: str


@dataclass(slots=True)
class Stream:
    """Something that can be heard or seen. ``owner`` is a participant's id, or "admin"; ``mixed``: it is a view."""

    id: str
    owner: str
    kinds: frozenset[str]
    mixed: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A message; ``to_all``, or to this bot alone."""

    participant: Participant
    message: str
    to_all: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What somebody shows: uint8 of shape (height, width, 3), blue first; ``time`` in seconds."""

    participant: Participant
    array: Pixels
    time: float


@dataclass(frozen=True, slots=True)
class RoomChange:
    """A participant ``joined`` or ``left``, or a stream was ``added`` or ``removed``."""

    what: Literal["joined", "left", "added", "removed"]
    participant: Participant | None = None
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """What somebody said in 20 ms or so: float32 of shape (n,), between -1 and 1, RATE a second.

    ``time`` is in seconds, of the loop's clock.
    """

    participant: Participant
    samples: Samples
    time: float


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody spoke, and fell silent: what was heard, as in Sound."""

    participant: Participant
    samples: Samples

    @property
    def seconds(self) -> float:
        """How long it took."""
        return len(self.samples) / RATE
