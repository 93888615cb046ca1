"""Events: facts that a room tells."""

# ruff: noqa: TC001 (a remote engine resolves the field types at run time)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from palaver.room.values import (
    Kind,
    Participant,
    ParticipantId,
    Placement,
    RecordingState,
    Stream,
    StreamId,
    SubscriptionId,
    TransportId,
)


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class ParticipantDropped:
    """Comes before its ParticipantLeft: the edge tells the participant and cuts its connection."""

    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class TransportUp:
    """Concerns ``owner`` only; before any SessionReady on that transport."""

    owner: ParticipantId
    transport: TransportId


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """Concerns ``owner`` only: everything on the transport has ended."""

    owner: ParticipantId
    transport: TransportId
    reason: str


@dataclass(frozen=True, slots=True)
class SessionReady:
    """A publication or subscription (``session``) of ``owner`` works.

    Those of the server itself have no owner and no transport.
    """

    owner: ParticipantId | None
    transport: TransportId | None
    session: StreamId | SubscriptionId


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """A publication or subscription of ``owner`` failed or was ended by somebody else; see SessionReady."""

    owner: ParticipantId | None
    transport: TransportId | None
    session: StreamId | SubscriptionId
    reason: str


@dataclass(frozen=True, slots=True)
class StreamAdded:
    """A stream can be subscribed to from now on (OWT's "add")."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamRemoved:
    stream: StreamId


@dataclass(frozen=True, slots=True)
class StreamMuted:
    """A track kind of a stream became active or inactive."""

    stream: StreamId
    kind: Kind
    active: bool


@dataclass(frozen=True, slots=True)
class StreamUpdated:
    """The description of a stream changed (OWT's update of field ".")."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class LayerChanged:
    """Concerns ``owner`` only: see LayerSeen."""

    owner: ParticipantId
    subscription: SubscriptionId
    mid: str
    rid: str | None


@dataclass(frozen=True, slots=True)
class LayoutChanged:
    """Where the inputs of a mixed stream are seen now."""

    view: StreamId
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class SpeakerChanged:
    """Who speaks in a mixed stream: OWT's "activeInput"."""

    view: StreamId
    stream: StreamId


@dataclass(frozen=True, slots=True)
class RecordingChanged:
    """Whether the room is recorded from now on; None: no more."""

    state: RecordingState | None


@dataclass(frozen=True, slots=True)
class AnalysisSeen:
    """An algorithm has seen or heard something in ``stream``; ``time``: milliseconds since the epoch."""

    analysis: SubscriptionId
    stream: StreamId
    algorithm: str
    name: str
    data: dict[str, Any]
    time: int


@dataclass(frozen=True, slots=True)
class TextSent:
    """``to`` is a participant or "all"."""

    sender: ParticipantId
    to: str
    message: str


Event: TypeAlias = (
    ParticipantJoined
    | ParticipantLeft
    | ParticipantDropped
    | TransportUp
    | TransportFailed
    | SessionReady
    | SessionFailed
    | StreamAdded
    | StreamRemoved
    | StreamMuted
    | StreamUpdated
    | LayerChanged
    | RecordingChanged
    | LayoutChanged
    | SpeakerChanged
    | AnalysisSeen
    | TextSent
)
