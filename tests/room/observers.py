"""What others can know of a room from its outputs alone: everybody, the clients and the engine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from palaver.room.endpoints import transport_of
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    ForgetSinkOrigin,
    LayoutChanged,
    OpenSink,
    OpenSource,
    Outcome,
    ParticipantJoined,
    ParticipantLeft,
    SessionFailed,
    SessionReady,
    SetComposition,
    SetSinkActive,
    SetSinkLayer,
    SetSinkOrigin,
    SetSourceActive,
    SpeakerChanged,
    StreamAdded,
    StreamMuted,
    StreamRemoved,
    StreamUpdated,
    TransportFailed,
    TransportUp,
)

if TYPE_CHECKING:
    from palaver.room.values import (
        Composition,
        Kind,
        LayerPreference,
        ParticipantId,
        Stream,
        StreamId,
        SubscriptionId,
        TransportId,
    )


@dataclass
class Audience:
    """Who is here and what can be subscribed to, as events tell it."""

    participants: dict[ParticipantId, str] = field(default_factory=dict)
    streams: dict[StreamId, Stream] = field(default_factory=dict)

    def hear(self, output: Outcome) -> None:
        match output:
            case ParticipantJoined(participant):
                assert participant.id not in self.participants
                self.participants[participant.id] = participant.role
            case ParticipantLeft(participant_id):
                del self.participants[participant_id]
                assert all(stream.owner != participant_id for stream in self.streams.values())
            case StreamAdded(stream):
                assert stream.id not in self.streams
                assert stream.owner in self.participants
                self.streams[stream.id] = stream
            case StreamUpdated(stream):
                assert stream.id in self.streams
                self.streams[stream.id] = stream
            case StreamRemoved(stream_id):
                del self.streams[stream_id]
            case StreamMuted(stream_id, kind, active):
                self.streams[stream_id] = _with_active(self.streams[stream_id], kind, active)
            case LayoutChanged(view, placements):
                assert self.streams[view].layout != placements, "told what was known"
                self.streams[view] = replace(self.streams[view], layout=placements)
            case SpeakerChanged(view, speaker):
                assert self.streams[view].active_input != speaker
                self.streams[view] = replace(self.streams[view], active_input=speaker)


@dataclass
class Clients:
    """What each client knows of its own transports and sessions."""

    up: dict[TransportId, ParticipantId] = field(default_factory=dict)
    sessions: dict[str, tuple[ParticipantId | None, TransportId | None]] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)

    def hear(self, output: Outcome) -> None:
        match output:
            case OpenSource(stream=stream, owner=owner, source=source):
                self.sessions[stream] = (owner, transport_of(source))
            case OpenSink(subscription=subscription, sink=sink):
                self.sessions[subscription.id] = (subscription.owner, transport_of(sink))
            case TransportUp(owner, transport):
                assert transport not in self.up
                self.up[transport] = owner
            case SessionReady(owner, transport, session):
                assert self.sessions[session] == (owner, transport)
                assert transport is None or self.up[transport] == owner, "ready before its transport was up"
                assert session not in self.ready
                self.ready.add(session)
            case SessionFailed(owner, transport, session):
                assert self.sessions[session] == (owner, transport)
                self.end(session)
            case TransportFailed(owner, transport):
                self.up.pop(transport, None)
                for ended in [one for one, where in self.sessions.items() if where == (owner, transport)]:
                    self.end(ended)
            case ParticipantLeft(participant):
                self.up = {one: owner for one, owner in self.up.items() if owner != participant}
                for ended in [one for one, where in self.sessions.items() if where[0] == participant]:
                    self.end(ended)

    def end(self, session: str) -> None:
        """Without a word from the server: the client itself asked for it."""
        self.sessions.pop(session, None)
        self.ready.discard(session)


@dataclass
class Worker:
    """What the engine holds; it never hears twice, nor of what it does not hold."""

    sources: set[StreamId] = field(default_factory=set)
    sinks: set[SubscriptionId] = field(default_factory=set)
    ready: set[str] = field(default_factory=set)
    silent: set[tuple[str, Kind]] = field(default_factory=set)
    opened: set[tuple[type, str]] = field(default_factory=set)
    layers: dict[tuple[SubscriptionId, str | None], LayerPreference] = field(default_factory=dict)
    views: dict[StreamId, Composition] = field(default_factory=dict)

    def hear(self, output: Outcome) -> None:
        match output:
            case OpenSource(stream=stream):
                assert stream not in self.sources
                self.sources.add(stream)
            case OpenSink(subscription=subscription):
                assert subscription.id not in self.sinks
                assert {track.stream for track in subscription.tracks} <= self.sources | self.views.keys()
                self.sinks.add(subscription.id)
                self.layers |= {(subscription.id, track.mid): track.layer for track in subscription.tracks}
            case CloseSource(stream):
                self.sources.remove(stream)
                self._forget(stream)
            case SetComposition(view, composition):
                inputs = {one.stream for one in composition.inputs}
                assert len(inputs) == len(composition.inputs), "mixed twice"
                assert inputs <= self.sources
                assert {one.stream for one in composition.placements if one.stream} <= inputs
                self.views[view] = composition
            case CloseSink(subscription_id):
                self.sinks.remove(subscription_id)
                self._forget(subscription_id)
            case SetSourceActive(stream, kind, active):
                assert stream in self.sources
                self._switch(stream, kind, active)
            case SetSinkActive(subscription_id, kind, active):
                assert subscription_id in self.sinks
                self._switch(subscription_id, kind, active)
            case SetSinkLayer(subscription_id, mid, layer):
                assert self.layers[subscription_id, mid] != layer, "wished again what was wished for"
                self.layers[subscription_id, mid] = layer
            case SetSinkOrigin() | ForgetSinkOrigin():
                self._redirect(output)

    def _redirect(self, action: SetSinkOrigin | ForgetSinkOrigin) -> None:
        assert action.subscription in self.sinks
        if isinstance(action, SetSinkOrigin):
            assert action.track.stream in self.sources | self.views.keys()
            self.layers[action.subscription, action.track.mid] = action.track.layer

    def _switch(self, session: str, kind: Kind, active: bool) -> None:
        assert ((session, kind) in self.silent) == active, "switched to what it was"
        (self.silent.discard if active else self.silent.add)((session, kind))

    def _forget(self, session: str) -> None:
        self.silent = {one for one in self.silent if one[0] != session}
        self.layers = {one: layer for one, layer in self.layers.items() if one[0] != session}


def _with_active(stream: Stream, kind: Kind, active: bool) -> Stream:
    assert any(track.kind == kind for track in stream.tracks)
    tracks = tuple(replace(track, active=active) if track.kind == kind else track for track in stream.tracks)
    return replace(stream, tracks=tracks)
