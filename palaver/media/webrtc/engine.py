"""Clients' sources and sinks: sections of their connections, from opening to end."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from palaver.media import _core
from palaver.media.encoders import TooManyForms
from palaver.media.formats import carries, format_of, made_as
from palaver.media.ports import EngineError
from palaver.media.tracks import CoreTrack
from palaver.media.webrtc.answers import Answers
from palaver.media.webrtc.negotiation import Incoming, Outgoing
from palaver.media.webrtc.sessions import SOURCE_GONE, BoundSection, Session, Transport, on_transport
from palaver.media.webrtc.transports import Transports
from palaver.room.messages import (
    LayerSeen,
    OpenSink,
    OpenSource,
    SinkLost,
    SinkReady,
    SourceLost,
    SourceReady,
    TransportLost,
    TransportReady,
)
from palaver.room.values import ANY_LAYER, StreamId, SubscriptionId

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.media.context import EngineContext
    from palaver.media.webrtc.negotiation import Bound, Wanted
    from palaver.room.values import Kind, LayerPreference, ParticipantId, RoomId, SubscribedTrack, TransportId

_ICE_REASONS: Final = ("ice timeout", "never connected")


class WebRtcEngine:
    """Opens, changes and ends what clients send and receive; ``negotiator`` binds it to sections of their offers."""

    def __init__(self, context: EngineContext, threads: int) -> None:
        self._context = context
        self._log = structlog.get_logger("palaver.media")
        self.transports = Transports(threads)
        self.answers = Answers()
        self.layer_changes = 0

    def __len__(self) -> int:
        """Everything that is remembered, to see that it goes."""
        return len(self.transports) + len(self.answers)

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────

    def open_source(self, room: RoomId, action: OpenSource) -> None:
        """A client will send this."""
        wanted: dict[str, Wanted] = {}
        source = on_transport(action)
        for track in source.tracks:
            allowed = action.audio_in if track.kind == "audio" else action.video_in
            wanted[track.mid] = Incoming(action.stream, track.kind, allowed)
        if len(wanted) != len(source.tracks):
            raise EngineError("two tracks are on the same section")
        self._open(room, source.transport, action.owner, action, wanted)

    def open_sink(self, room: RoomId, action: OpenSink) -> None:
        """A client will receive this."""
        subscription = action.subscription
        wanted: dict[str, Wanted] = {}
        lost = False
        for track in subscription.tracks:
            want = self._outgoing(subscription.id, room, track)
            if want is None or track.mid is None:
                lost = True
            else:
                wanted[track.mid] = want
        if not lost and len(wanted) != len(subscription.tracks):
            raise EngineError("two tracks are on the same section")
        session = self._open(room, subscription.transport, subscription.owner, action, wanted)
        session.inactive = {track.kind for track in subscription.tracks if not track.active}
        session.layers = {
            track.mid: track.layer
            for track in subscription.tracks
            if track.mid is not None and track.layer != ANY_LAYER
        }
        if lost:  # the source ended meanwhile; the transport stays, the client's offer is under way
            self.fail(session, SOURCE_GONE)

    def _outgoing(self, session: str, room: RoomId, track: SubscribedTrack) -> Outgoing | None:
        """What a sink's track may leave as; None if its source is gone."""
        if self._context.encoders.is_view(room, track.stream):
            return Outgoing(session, track.kind, None, track.formats)
        source = self._context.tracks.find(room, track)
        if source is None:
            return None
        return Outgoing(session, track.kind, None if track.transcoded else source.coding, track.formats)

    def _open(
        self,
        room: RoomId,
        transport: TransportId | None,
        owner: ParticipantId | None,
        action: OpenSource | OpenSink,
        wanted: dict[str, Wanted],
    ) -> Session:
        """Check everything, then remember the session, on a new transport if need be."""
        if transport is None or owner is None:
            raise EngineError("a client's source or sink is on a connection of its own")
        name = action.stream if isinstance(action, OpenSource) else action.subscription.id
        if self.transports.session(room, name) is not None:
            raise EngineError(f"{name} is open already")
        found = self.transports.get(room, transport)
        if found is None:
            tracks = action.subscription.tracks if isinstance(action, OpenSink) else ()
            stream = next((track.stream for track in tracks), None)
            handle = self._context.core.create_transport(*self.transports.place(room, stream))
            self.transports.add(found := Transport(room, transport, owner, handle), stream)
        elif found.owner != owner:
            raise EngineError("the transport belongs to another participant")
        elif taken := wanted.keys() & (found.wanted().keys() | found.used().keys()):
            raise EngineError(f"section {min(taken)} of the transport is in use")
        self.transports.open(session := Session(name, found, action, wanted))
        return session

    def mute_source(self, session: Session, kind: Kind, active: bool) -> None:
        """Forward a kind of what a client sends, or stop to."""
        (session.inactive.discard if active else session.inactive.add)(kind)
        self._context.mute(session.transport.room, StreamId(session.id), kind, active)

    def mute_sink(self, session: Session, kind: Kind, active: bool) -> None:
        """Send a kind to a client, or stop to."""
        (session.inactive.discard if active else session.inactive.add)(kind)
        for section in session.sections.values():
            if section.bound.kind == kind:
                self._tell_active(section, active)

    def _tell_active(self, section: BoundSection, active: bool) -> None:
        self._context.backlog.do(partial(self._context.core.set_consumer_active, section.handle, active))

    def set_layer(self, session: Session, mid: str, layer: LayerPreference) -> None:
        """Another layer is preferred on a section."""
        session.layers[mid] = layer
        if section := session.sections.get(mid):
            self._tell_layer(section, layer)

    def _tell_layer(self, section: BoundSection, layer: LayerPreference) -> None:
        limits = (layer.max_width, layer.max_height, layer.max_framerate)
        self._context.backlog.do(partial(self._context.core.set_layer, section.handle, layer.rid, *limits))

    def set_origin(self, session: Session, track: SubscribedTrack) -> None:
        """Send another track on the section that it names."""
        if track.mid is None:
            return
        session.redirect(track)
        want = self._outgoing(session.id, session.transport.room, track)
        if want is None:
            self.fail(session, SOURCE_GONE)
        elif track.mid in session.wanted:
            session.wanted[track.mid] = want
        elif section := self.transports.unbind(session, track.mid):
            self._reattach(session, section)

    def _reattach(self, session: Session, section: BoundSection) -> None:
        """Send something else on an unbound section, which keeps its numbers: the client sees one stream go on."""
        self._context.backlog.do(partial(self._context.core.unsubscribe, section.handle))
        self.attach(session, section.bound)
        if section.demand is not None:
            section.demand.release()  # only now: the two may be the same

    def renew_listeners(self, room: RoomId, view: StreamId) -> None:
        """Whoever came into a view, or went out of it, hears another mix of it from now on."""
        encoders = self._context.encoders
        media = self.transports.room(room)
        for session in list(media.sessions.values()) if media else ():
            for mid, section in list(session.sections.items()):
                demand, listener = section.demand, session.transport.owner
                if demand is None or not encoders.is_outdated(demand, room, view, listener):
                    continue
                if self.transports.unbind(session, mid):
                    self._reattach(session, section)

    def track_replaced(self, room: RoomId, producer: int) -> None:
        """Another track has come in place of ``producer``: whoever received that one gets the new one."""
        media = self.transports.room(room)
        for session in list(media.sessions.values()) if media else ():
            for mid, section in list(session.sections.items()):
                if section.draws == producer and self.transports.unbind(session, mid):
                    self._reattach(session, section)

    def end(self, session: Session | None) -> None:
        """Forget a session; what it had in the core ends."""
        if session is None:
            return
        room, core = session.transport.room, self._context.core
        for section in self.transports.end(session):
            end = core.unsubscribe if section.bound.sends else core.unpublish
            self._context.backlog.do(partial(end, section.handle))
            if section.demand is not None:
                section.demand.release()
            if section.track is not None:
                self._context.tracks.remove(room, section.track)
        if isinstance(session.action, OpenSource):
            self._context.encoders.sources_changed(room)

    def close(self, room: RoomId, chosen: Callable[[Transport], bool]) -> None:
        """Close the transports of a room that are ``chosen``, and all that is on them."""
        for transport in filter(chosen, self.transports.of(room)):
            self._forget(transport)
            self._context.backlog.do(partial(self._context.core.close_transport, transport.handle))

    def _forget(self, transport: Transport) -> None:
        for session in list(transport.sessions.values()):
            self.end(session)
        transport.abandon()
        self.transports.remove(transport)

    def fail(self, session: Session | None, reason: str) -> None:
        """A session cannot go on: end it, and tell its room."""
        if session is None:
            return
        room = session.transport.room
        self.end(session)
        if isinstance(session.action, OpenSource):
            self._context.report(room, SourceLost(StreamId(session.id), reason))
        else:
            self._context.report(room, SinkLost(SubscriptionId(session.id), reason))

    def cannot_encode(self, producer: int, reason: str) -> None:
        """Whoever waits for what cannot be encoded is told why."""
        for session in [one for one in self.transports.sessions() if one.draws_from(producer)]:
            self.fail(session, reason)

    # ── sections ────────────────────────────────────────────────────────────────────────────────────

    def attach(self, session: Session, bound: Bound) -> None:
        """Let media flow on a section that was agreed on."""
        try:
            section = self._send(session, bound) if bound.sends else self._receive(session, bound)
        except (_core.CoreBusy, TooManyForms) as refusal:
            self.fail(session, str(refusal))
            return
        if section is None:
            self.fail(session, SOURCE_GONE)
            return
        self.transports.bind(session, bound.mid, section)
        if session.transport.ready and not self._begin(session):
            return
        if bound.sends and bound.kind in session.inactive:
            self._tell_active(section, active=False)
        if layer := session.layers.get(bound.mid):
            self._tell_layer(section, layer)

    def _begin(self, session: Session) -> bool:
        """Its client is connected: have encoded what it gets; whether that went well."""
        try:
            session.begin()
        except _core.CoreBusy as busy:
            self.fail(session, str(busy))
            return False
        return True

    def _receive(self, session: Session, bound: Bound) -> BoundSection:
        room, core = session.transport.room, self._context.core
        producer = core.publish(session.transport.handle, bound.mid)
        track = CoreTrack(
            StreamId(session.id),
            bound.kind,
            bound.payload,
            producer,
            session.transport.owner,
            session.track_id(bound.mid),
            bound.kind not in session.inactive,
        )
        self._context.tracks.add(room, track)
        if not track.active:
            self._context.backlog.do(partial(core.set_producer_active, producer, False))
        asyncio.get_running_loop().call_soon(self._context.encoders.sources_changed, room)
        return BoundSection(bound, producer, track)

    def _send(self, session: Session, bound: Bound) -> BoundSection | None:
        """Send the source as it comes if that is what was agreed on; else have it encoded."""
        assert isinstance(session.action, OpenSink)
        wanted = next(t for t in session.action.subscription.tracks if t.mid == bound.mid)
        room, transport, core = session.transport.room, session.transport.handle, self._context.core
        source = self._context.tracks.find(room, wanted)
        if source is not None and not wanted.transcoded and carries(bound.payload, source.coding):
            consumer = core.subscribe(source.producer, transport, bound.mid)
            return BoundSection(bound, consumer, draws=source.producer)
        form = made_as(bound.payload, wanted.formats) or format_of(bound.payload)
        if form is None:
            return None
        owner, thread = session.transport.owner, self.transports.place(room)[0]
        demand = self._context.encoders.demand(room, wanted, form, owner, thread)
        if demand is None:
            return None
        try:
            consumer = core.subscribe(demand.producer, transport, bound.mid)
        except _core.CoreBusy:
            demand.release()
            raise
        return BoundSection(bound, consumer, demand=demand, draws=demand.producer)

    # ── events of the core ──────────────────────────────────────────────────────────────────────────

    def refused(self, handle: int, reason: str) -> bool:
        """The core did not take a section; whether it is one of ours."""
        found = self.transports.section(handle)
        if found is None:
            return False
        self._log.warning("core refused", session=found[0].id, reason=reason)
        self.fail(found[0], reason)
        return True

    def connected(self, handle: int) -> None:
        """A transport is up."""
        transport = self.transports.by_handle(handle)
        if transport is None:
            return
        transport.ready = True
        for session in list(transport.sessions.values()):
            self._begin(session)
        self._context.report(transport.room, TransportReady(transport.id))
        self.tell_ready(transport)

    def tell_ready(self, transport: Transport) -> None:
        """Report every session whose sections are all bound, in the order of opening, once."""
        report, room = self._context.report, transport.room
        for session in transport.sessions.values():
            if session.complete and not session.told:
                session.told = True
                if isinstance(session.action, OpenSource):
                    report(room, SourceReady(StreamId(session.id), session.tracks()))
                else:
                    report(room, SinkReady(SubscriptionId(session.id), frozenset(session.rejected)))
                    for mid, rid in session.sent.items():  # what came before anybody knew of it
                        report(room, LayerSeen(SubscriptionId(session.id), mid, rid))

    def lost(self, handle: int, reason: str) -> None:
        """A transport is gone."""
        transport = self.transports.by_handle(handle)
        if transport is None:
            return
        self._log.info("transport lost", room=transport.room, participant=transport.owner, reason=reason)
        self._forget(transport)
        text = "Ice procedure failed." if reason in _ICE_REASONS else reason
        self._context.report(transport.room, TransportLost(transport.id, text))

    def unroutable(self, handle: int, ssrc: int, payload_type: int) -> None:
        """Media arrives of which no section can be told."""
        if found := self.transports.by_handle(handle):
            self._log.warning(
                "media of no section",
                room=found.room,
                participant=found.owner,
                ssrc=ssrc,
                payload_type=payload_type,
            )

    def layer_sent(self, consumer: int, rid: str | None) -> None:
        """Another layer is sent on a section."""
        self.layer_changes += 1
        if found := self.transports.section(consumer):
            session, mid = found
            session.sent[mid] = rid
            if session.told:
                report = LayerSeen(SubscriptionId(session.id), mid, rid)
                self._context.report(session.transport.room, report)
