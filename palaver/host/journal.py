"""What a room's events look like in the log: one line each, ids only, never what people say."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from palaver.room.messages import (
    ParticipantDropped,
    ParticipantJoined,
    ParticipantLeft,
    RecordingChanged,
    SessionFailed,
    SessionReady,
    StreamAdded,
    StreamRemoved,
    TransportFailed,
    TransportUp,
)
from palaver.room.values import Participant, Stream

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from palaver.room.messages import Event

_LINES: Final[dict[type, str]] = {
    ParticipantJoined: "participant joined",
    ParticipantLeft: "participant left",
    ParticipantDropped: "participant dropped",
    TransportUp: "transport up",
    TransportFailed: "transport failed",
    SessionReady: "session ready",
    SessionFailed: "session failed",
    StreamAdded: "stream added",
    StreamRemoved: "stream removed",
    RecordingChanged: "recording changed",
}


def write(log: FilteringBoundLogger, event: Event) -> None:
    """Log ``event`` if it is part of somebody's life in the room; mutes, updates and texts are not."""
    line = _LINES.get(type(event))
    if line is None:
        return
    words: dict[str, object] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, Participant):
            words |= {"participant": value.id, "role": value.role}
        elif isinstance(value, Stream):
            words |= {"stream": value.id, "owner": value.owner}
        else:
            words[field.name] = value
    log.info(line, **words)
