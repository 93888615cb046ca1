"""What is known of a recording, from its beginning until it is deleted: the store keeps it as one document."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from palaver.recording.formats import Container  # noqa: TC001 - msgspec reads the annotations

INTERRUPTED: Final = "the server stopped unexpectedly"
"""How a recording ended that nobody ended."""


MOST_SPOKEN: Final = 20_000
"""Changes of who speaks that are kept of a recording."""

Initiator: TypeAlias = Literal["request", "page", "room"]
"""Who began a recording: a request to the management API, people at the page, or the room itself."""


class Part(Struct, kw_only=True):
    """A file: its name below the directory of recordings. Not ``complete``: its recorder was killed, or it goes on."""

    file: str
    started_ms: int
    seconds: float = 0.0
    size: int = 0
    complete: bool = False
    zero_ms: int = 0
    """When its second 0 was, to about half a second; 0: nobody knows."""
    object: str = ""
    """Where it was uploaded to: ``s3://bucket/key``."""
    lost: bool = False
    """Its file was gone before it was uploaded."""


class Mark(Struct, kw_only=True):
    """Where a recording was paused or went on: ``seconds`` into it, all its parts counted."""

    what: Literal["paused", "resumed"]
    at_ms: int
    seconds: float


class Attendance(Struct, kw_only=True):
    """A participant that was in the room during the recording. ``left_ms`` None: until its end."""

    participant: str
    user: str
    joined_ms: int
    left_ms: int | None = None


class Entry(Struct, kw_only=True):
    """A recording. Times are milliseconds since the epoch; ``media`` is what REST shows of it."""

    id: str
    service: str
    room: str
    started_ms: int
    container: Container
    audio: str | None
    video: str | None
    by: Initiator = "request"
    ended_ms: int | None = None
    reason: str = ""
    media: dict[str, object] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    participants: list[Attendance] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    spoken: list[tuple[int, int]] = field(default_factory=list)
    """Who began to speak when: milliseconds since the beginning, and which of ``speakers``."""

    @property
    def seconds(self) -> float:
        """How long all parts are together."""
        return sum(part.seconds for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    @property
    def paused(self) -> bool:
        """Whether nothing is recorded for now."""
        return self.ended_ms is None and bool(self.marks) and self.marks[-1].what == "paused"

    def joined(self, participant: str, user: str, at_ms: int) -> None:
        """Somebody is in the room from now on."""
        self.participants.append(Attendance(participant=participant, user=user, joined_ms=at_ms))

    def left(self, participant: str, at_ms: int) -> None:
        """Somebody is not in the room any more."""
        for one in self.participants:
            if one.participant == participant and one.left_ms is None:
                one.left_ms = at_ms

    def speaks(self, name: str, at_ms: int) -> bool:
        """Somebody is heard from now on; whether that is kept."""
        if len(self.spoken) >= MOST_SPOKEN:
            return False
        if name not in self.speakers:
            self.speakers.append(name)
        self.spoken.append((max(at_ms - self.started_ms, 0), self.speakers.index(name)))
        return True

    def mark(self, what: Literal["paused", "resumed"], at_ms: int, seconds_of_part: float) -> None:
        """The recording was paused or goes on, so far into its last part."""
        before = sum(part.seconds for part in self.parts[:-1])
        self.marks.append(Mark(what=what, at_ms=at_ms, seconds=before + seconds_of_part))

    def end(self, at_ms: int, reason: str = "") -> None:
        """Nothing is recorded any more."""
        self.ended_ms, self.reason = at_ms, reason


def packed(entry: Entry) -> str:
    """``entry`` as the store keeps it."""
    return msgspec.json.encode(entry).decode()


def unpacked(document: str) -> Entry:
    """The entry of a stored document."""
    return msgspec.json.decode(document, type=Entry)
