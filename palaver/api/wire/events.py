"""Events of rooms as programs are told them: by server-sent events and by webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from palaver.api.wire.formats import Shape
from palaver.api.wire.participants import participant_info
from palaver.api.wire.streams import layout_info, stream_info
from palaver.room.messages import (
    AnalysisSeen,
    LayoutChanged,
    ParticipantJoined,
    ParticipantLeft,
    SpeakerChanged,
    StreamAdded,
    StreamMuted,
    StreamRemoved,
    StreamUpdated,
    TextSent,
)

if TYPE_CHECKING:
    from palaver.events.feed import RoomEvent
    from palaver.host import RoomHost
    from palaver.recording.index import Entry
    from palaver.room.messages import Event

EVENT_TYPES: Final = (
    *("room.started", "room.ended", "room.deleted"),
    *("participant.joined", "participant.left"),
    *("stream.added", "stream.updated", "stream.muted", "stream.removed"),
    *("recording.started", "recording.ended"),
    "phone.digit",
    *("layout.changed", "speaker.changed", "text.sent", "analysis.seen"),
)
PHONE_DIGIT: Final = "phone.digit"
CHATTY: Final = frozenset({"layout.changed", "speaker.changed", "text.sent", "analysis.seen"})
"""Types that a webhook gets only if it names them: they come often."""


class EventInfo(Shape):
    """Something that happened in a room. ``timestamp``: milliseconds since the epoch."""

    id: str
    type: str
    room: str
    timestamp: int
    data: dict[str, Any]


def event_info(event: RoomEvent) -> dict[str, Any]:
    """``{id, type, room, timestamp, data}``."""
    return {
        "id": event.id,
        "type": event.type,
        "room": event.room,
        "timestamp": event.time_ms,
        "data": event.data,
    }


def described(event: Event, host: RoomHost) -> tuple[str, dict[str, Any]] | None:
    """The type and data of what is told of an event; None for what concerns its participant alone."""
    match event:
        case ParticipantJoined(participant):
            return "participant.joined", {"participant": participant_info(participant)}
        case ParticipantLeft(participant_id):
            return "participant.left", {"participant": {"id": participant_id}}
        case StreamAdded(stream) | StreamUpdated(stream):
            shown = stream_info(stream, host.room.config, "1.1", rest=True)
            return ("stream.added" if isinstance(event, StreamAdded) else "stream.updated"), {"stream": shown}
        case StreamRemoved(stream_id):
            return "stream.removed", {"stream": {"id": stream_id}}
        case StreamMuted(stream_id, kind, active):
            status = "active" if active else "inactive"
            return "stream.muted", {"stream": {"id": stream_id}, "kind": kind, "status": status}
        case LayoutChanged(view, placements):
            return "layout.changed", {"stream": {"id": view}, "layout": layout_info(placements)}
        case SpeakerChanged(view, stream_id):
            return "speaker.changed", {"stream": {"id": view}, "speaker": stream_id}
        case TextSent(sender, to, message):
            return "text.sent", {"from": sender, "to": to, "message": message}
        case AnalysisSeen():
            seen = {
                "id": event.analysis,
                "algorithm": event.algorithm,
                "name": event.name,
                "data": event.data,
            }
            return "analysis.seen", {"stream": {"id": event.stream}, "analysis": seen}
    return None


def digit_data(participant: str, digit: str) -> dict[str, Any]:
    """What is told of a key that was pressed on a phone."""
    return {"participant": {"id": participant}, "digit": digit}


def recording_data(entry: Entry) -> dict[str, Any]:
    """What is told of a recording that began or ended."""
    recording: dict[str, Any] = {
        "id": entry.id,
        "files": [part.file for part in entry.parts],
        "seconds": round(entry.seconds, 3),
        "bytes": entry.size,
    }
    if entry.reason:
        recording["reason"] = entry.reason
    return {"recording": recording}
