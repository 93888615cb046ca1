"""What the in-process engine remembers: transports, and the sources and sinks on them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from palaver.media.formats import format_of
from palaver.media.ports import EngineError, TransportNotFound
from palaver.media.tracks import thread_of
from palaver.media.webrtc.negotiation import new_stream_name
from palaver.room.endpoints import WebRtcSource
from palaver.room.ids import track_id
from palaver.room.messages import OpenSink, OpenSource
from palaver.room.values import ParticipantId, RoomId, SubscribedTrack, Track, TrackId, TransportId

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from palaver.media.encoders import Demand
    from palaver.media.tracks import CoreTrack
    from palaver.media.webrtc.negotiation import Bound, Wanted
    from palaver.room.values import Kind, LayerPreference

SOURCE_GONE: Final = "Source stream loss"
"""Why a sink is lost whose source ended: OWT's words."""
STOPPED: Final = "Stopped by the client"
"""Why a session is lost all of whose sections the client gave up (RFC 8829 §5.2.2)."""


@dataclass(eq=False, slots=True)
class BoundSection:
    """A section in use: through it a ``track`` arrives, or a consumer of the core sends what ``draws`` names."""

    bound: Bound
    handle: int
    """What the core calls its producer or consumer."""
    track: CoreTrack | None = None
    demand: Demand | None = None
    """What is encoded for this section, if it is."""
    draws: int = 0
    """Of one that sends: the producer that it gets."""

    @property
    def thread(self) -> int:
        """The thread of the core on which it lives."""
        return thread_of(self.handle)


@dataclass(eq=False, slots=True)
class Session:
    """A source or sink from its opening to its end; ``wanted`` are its sections that no offer has brought yet.

    ``rejected`` are those that were offered without a codec that they could carry.
    """

    id: str
    transport: Transport
    action: OpenSource | OpenSink
    wanted: dict[str, Wanted] = field(default_factory=dict)
    sections: dict[str, BoundSection] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    inactive: set[Kind] = field(default_factory=set)
    layers: dict[str, LayerPreference] = field(default_factory=dict)  # of a sink: what is wished for, by mid
    sent: dict[str, str | None] = field(default_factory=dict)  # of a sink: the layer that is sent, by mid
    name: str = field(default_factory=new_stream_name)
    told: bool = False

    @property
    def complete(self) -> bool:
        """Whether every section is bound."""
        return bool(self.sections) and not self.wanted

    def begin(self) -> None:
        """Its transport is up: have encoded what it needs."""
        for section in self.sections.values():
            if section.demand is not None:
                section.demand.begin()

    def draws_from(self, producer: int) -> bool:
        """Whether a section of this sink sends what the core calls ``producer``."""
        return any(section.draws == producer for section in self.sections.values())

    def tracks(self) -> tuple[Track, ...]:
        """A ready source's tracks, in the order in which they were published."""
        assert isinstance(self.action, OpenSource)
        bound = {mid: section.bound for mid, section in self.sections.items()}
        return source_tracks(self.action, bound, self.inactive)

    def redirect(self, track: SubscribedTrack) -> None:
        """A sink shall send ``track`` on the section that it names."""
        assert isinstance(self.action, OpenSink)
        self.action = self.action.redirected(track)
        if track.mid is not None:
            self.layers[track.mid] = track.layer
            self.sent.pop(track.mid, None)

    def track_id(self, mid: str, rid: str | None = None) -> TrackId:
        """The id of the track on section ``mid``, or of its layer ``rid``."""
        return track_id(self.transport.id, mid, rid)


def on_transport(action: OpenSource) -> WebRtcSource:
    """The source that a client sends. Raises EngineError for one of another kind."""
    if not isinstance(action.source, WebRtcSource):
        raise EngineError(f"this engine has no {type(action.source).__name__}")
    return action.source


def source_tracks(
    action: OpenSource, bound: Mapping[str, Bound], inactive: Container[Kind]
) -> tuple[Track, ...]:
    """What arrives on the bound sections of a source: a track for each, or for each layer."""
    tracks = []
    source = on_transport(action)
    for published in source.tracks:
        section = bound.get(published.mid)
        format = format_of(section.payload) if section else None  # noqa: A001  # the glossary's word
        if section is None or format is None:
            continue
        whole = Track(
            published.kind,
            format,
            source=published.source,
            active=published.kind not in inactive,
            mid=published.mid,
        )
        at = source.transport
        tracks += [
            replace(whole, id=track_id(at, published.mid, rid), rid=rid) for rid in section.layers or (None,)
        ]
    return tuple(tracks)


@dataclass(eq=False, slots=True)
class Transport:
    """One client connection. ``lock`` serialises its negotiations."""

    room: RoomId
    id: TransportId
    owner: ParticipantId
    handle: int
    ready: bool = False
    negotiated: bool = False  # at least one offer was answered: the core knows it
    sessions: dict[str, Session] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    answer: asyncio.Future[str] | None = None  # while the core is asked

    @property
    def thread(self) -> int:
        """The thread of the core on which it lives."""
        return thread_of(self.handle)

    def abandon(self) -> None:
        """It is going: nobody shall wait for its answer."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(gone(self.id))

    def wanted(self) -> dict[str, Wanted]:
        """Every section that a session waits for, by mid."""
        return {mid: want for session in self.sessions.values() for mid, want in session.wanted.items()}

    def used(self) -> dict[str, Bound]:
        """Every section in use, by mid."""
        return {
            mid: section.bound
            for session in self.sessions.values()
            for mid, section in session.sections.items()
        }

    def names(self) -> dict[str, str]:
        """The stream name of every sending section in use."""
        return {
            mid: session.name
            for session in self.sessions.values()
            for mid, section in session.sections.items()
            if section.bound.sends
        }


def gone(transport: TransportId) -> TransportNotFound:
    """What a client is told of a transport that is not there, in OWT's words."""
    return TransportNotFound(f"Transport {transport} does NOT exist")


@dataclass(eq=False, slots=True)
class RoomConnections:
    """What one room has in the engine, on a ``thread`` and in a ``group`` of the core, until it is closed."""

    thread: int
    group: int
    transports: dict[TransportId, Transport] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    nearest: dict[str, int] = field(default_factory=dict)  # where the newest subscriber of a source was put

    def thread_for(self, stream: str) -> int:
        """The thread that has ``stream`` already; where the room began if none does."""
        if (nearest := self.nearest.get(stream)) is not None:
            return nearest
        source = self.sessions.get(stream)
        return source.transport.thread if source else self.thread
