"""Reports: what the media plane says to a room."""

# ruff: noqa: TC001 (a remote engine resolves the field types at run time)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from palaver.room.values import Resolution, StreamId, SubscriptionId, Track, TrackId, TransportId


@dataclass(frozen=True, slots=True)
class TransportReady:
    """ICE and DTLS are up."""

    transport: TransportId


@dataclass(frozen=True, slots=True)
class TransportLost:
    """The transport is gone, and every source and sink on it."""

    transport: TransportId
    reason: str


@dataclass(frozen=True, slots=True)
class SourceReady:
    """The source's tracks are known and its media can flow."""

    stream: StreamId
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class SourceInterrupted:
    """Nothing comes from a source of the server for now; it goes on trying."""

    stream: StreamId
    reason: str


@dataclass(frozen=True, slots=True)
class SourceResumed:
    """A source is back, or goes on, with these tracks: of the same kinds, perhaps in another format or size."""

    stream: StreamId
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class SourceLost:
    """The source failed or ended."""

    stream: StreamId
    reason: str


@dataclass(frozen=True, slots=True)
class SinkReady:
    """The sink works, but for the sections ``rejected`` (by mid), which cannot carry their tracks."""

    subscription: SubscriptionId
    rejected: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SinkLost:
    subscription: SubscriptionId
    reason: str


@dataclass(frozen=True, slots=True)
class ResolutionSeen:
    """A key frame showed the picture size of a video track."""

    stream: StreamId
    track: TrackId | None
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class LayerSeen:
    """What is sent on section ``mid`` of a sink changed.

    ``rid`` names the layer, empty where there is only one; None: nothing is sent.
    """

    subscription: SubscriptionId
    mid: str
    rid: str | None


@dataclass(frozen=True, slots=True)
class SpeakerHeard:
    """Another input of a mixed stream is the one that speaks."""

    view: StreamId
    stream: StreamId


@dataclass(frozen=True, slots=True)
class AnalysisObserved:
    """An algorithm that draws from a stream has seen something; ``time``: milliseconds since the epoch."""

    subscription: SubscriptionId
    algorithm: str
    name: str
    data: dict[str, Any]
    time: int


Report: TypeAlias = (
    TransportReady
    | TransportLost
    | SourceReady
    | SourceInterrupted
    | SourceResumed
    | SourceLost
    | SinkReady
    | SinkLost
    | ResolutionSeen
    | LayerSeen
    | SpeakerHeard
    | AnalysisObserved
)
