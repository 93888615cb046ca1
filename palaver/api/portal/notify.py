"""What a client hears when something happens in its room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palaver.api.portal.outbox import Notification
from palaver.api.wire.participants import participant_info
from palaver.api.wire.streams import layout_info, stream_info
from palaver.room.messages import (
    AnalysisSeen,
    Event,
    LayerChanged,
    LayoutChanged,
    ParticipantDropped,
    ParticipantJoined,
    ParticipantLeft,
    RecordingChanged,
    SessionFailed,
    SessionReady,
    SpeakerChanged,
    StreamAdded,
    StreamMuted,
    StreamRemoved,
    StreamUpdated,
    TextSent,
    TransportFailed,
    TransportUp,
)
from palaver.room.values import Participant, ParticipantId, RecordingState, RoomConfig, Stream, StreamId

if TYPE_CHECKING:
    from palaver.api.portal.dialects import Dialect


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification and who hears it: ``to`` one, or all ``but`` one. ``settle``: after the stream delay."""

    notification: Notification
    to: ParticipantId | None = None
    but: ParticipantId | None = None
    settle: bool = False


DROP = Notification("drop")
"""Comes before the server ends a session, so that the client does not come back."""


def describe(stream: Stream, config: RoomConfig, dialect: Dialect) -> dict[str, Any]:
    """A stream as clients of ``dialect`` see it."""
    return stream_info(stream, config, dialect.version, rest=False)


def notice(event: Event, config: RoomConfig, dialect: Dialect) -> Notice | None:
    """The notice of an event to clients of ``dialect``, or None if there is nothing to tell."""
    match event:
        case ParticipantJoined() | ParticipantLeft() | ParticipantDropped():
            return _of_participant(event, config)
        case StreamAdded() | StreamRemoved() | StreamMuted() | StreamUpdated():
            return _of_stream(event, config, dialect) if config.notify_streams else None
        case LayoutChanged() | SpeakerChanged():
            return _of_view(event) if config.notify_streams else None
        case TextSent():
            return _of_text(event)
        case SessionReady() | SessionFailed():
            return _of_session(event, dialect)
        case TransportUp():
            data = {"id": event.transport, "status": "ready"}
            return Notice(Notification("progress", data), to=event.owner)
        case TransportFailed():
            return Notice(error(event.transport or "", event.reason), to=event.owner)
        case RecordingChanged() | LayerChanged() | AnalysisSeen():
            return _of_own(event) if dialect.version == "1.2" else None


def _of_own(event: RecordingChanged | LayerChanged | AnalysisSeen) -> Notice:
    """What OWT does not have: its own clients do not listen for it."""
    match event:
        case RecordingChanged(state=state):
            return Notice(recorded(state))
        case LayerChanged():
            return Notice(_layer(event), to=event.owner)
        case AnalysisSeen():
            return Notice(_analysis(event))


def error(transport: str, reason: str, session: str | None = None) -> Notification:
    """The failure of a transport or, with ``session``, of one publication or subscription on it."""
    named = {"id": transport} if session is None else {"id": transport, "sessionId": session}
    return Notification("progress", {**named, "status": "error", "data": reason})


def answer(transport: str, sdp: str) -> Notification:
    """The answer to an offer."""
    data = {"id": transport, "status": "soac", "data": {"type": "answer", "sdp": sdp}}
    return Notification("progress", data)


def joined(participant: Participant) -> Notification:
    """Somebody is in the room."""
    return Notification("participant", {"action": "join", "data": participant_info(participant)})


def recorded(state: RecordingState | None) -> Notification:
    """Whether the room is recorded. OWT's own clients do not listen for this event."""
    return Notification("recording", {"state": state or "none"})


def added(stream: Stream, config: RoomConfig, dialect: Dialect) -> Notification:
    """A stream can be subscribed to."""
    return _stream(stream.id, "add", describe(stream, config, dialect))


def _of_participant(
    event: ParticipantJoined | ParticipantLeft | ParticipantDropped, config: RoomConfig
) -> Notice | None:
    if isinstance(event, ParticipantDropped):
        return Notice(DROP, to=event.participant)
    if not config.notify_participants:
        return None
    if isinstance(event, ParticipantJoined):
        return Notice(joined(event.participant), but=event.participant.id)
    return Notice(Notification("participant", {"action": "leave", "data": event.participant}))


def _of_stream(
    event: StreamAdded | StreamRemoved | StreamMuted | StreamUpdated, config: RoomConfig, dialect: Dialect
) -> Notice:
    match event:
        case StreamAdded(stream=stream):
            return Notice(added(stream, config, dialect), settle=True)
        case StreamRemoved(stream=identifier):
            return Notice(_stream(identifier, "remove"))
        case StreamMuted(stream=identifier, kind=kind, active=active):
            change = {"field": f"{kind}.status", "value": "active" if active else "inactive"}
            return Notice(_stream(identifier, "update", change))
        case StreamUpdated(stream=stream):
            update: dict[str, Any] = {"field": ".", "value": describe(stream, config, dialect)}
            return Notice(_stream(stream.id, "update", update))


def _layer(event: LayerChanged) -> Notification:
    """What one of the client's subscriptions gets. OWT's own clients do not listen for this event."""
    value: dict[str, Any] = {"mid": event.mid, "sending": event.rid is not None}
    if event.rid:
        value["rid"] = event.rid
    data = {"id": event.subscription, "status": "update", "data": {"field": "video.layer", "value": value}}
    return Notification("subscription", data, fleeting=True)


def _analysis(event: AnalysisSeen) -> Notification:
    """What an algorithm has seen. OWT's own clients do not listen for this event; who reads slowly misses some."""
    data = {
        "id": event.analysis,
        "stream": event.stream,
        "algorithm": event.algorithm,
        "name": event.name,
        "data": event.data,
        "time": event.time,
    }
    return Notification("analytics", data, fleeting=True, text=True)


def _of_view(event: LayoutChanged | SpeakerChanged) -> Notice:
    if isinstance(event, LayoutChanged):
        change = {"field": "video.layout", "value": layout_info(event.placements)}
    else:
        change = {"field": "activeInput", "value": event.stream}
    return Notice(_stream(event.view, "update", change))


def _of_text(event: TextSent) -> Notice:
    everybody = event.to == "all"
    data = {"from": event.sender, "to": "all" if everybody else "me", "message": event.message}
    return Notice(Notification("text", data, text=True), to=None if everybody else ParticipantId(event.to))


def _stream(identifier: StreamId, status: str, data: dict[str, Any] | None = None) -> Notification:
    message: dict[str, Any] = {"id": identifier, "status": status}
    return Notification("stream", message if data is None else {**message, "data": data})


def _of_session(event: SessionReady | SessionFailed, dialect: Dialect) -> Notice | None:
    if event.owner is None or event.transport is None:
        return None  # the server's own
    if isinstance(event, SessionReady):
        return Notice(dialect.ready(event), to=event.owner)
    return Notice(error(event.transport, event.reason, event.session), to=event.owner)
