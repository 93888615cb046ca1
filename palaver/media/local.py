"""The engine in this process: negotiates in Python, moves packets in the Rust core."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from palaver.media import _core
from palaver.media.backlog import Backlog
from palaver.media.formats import carries
from palaver.media.mixes import PRELOAD, Mixes
from palaver.media.pipelines.process import ForkServer
from palaver.media.ports import EngineError, NegotiationError, TransportNotFound
from palaver.media.webrtc.answers import Answers
from palaver.media.webrtc.negotiation import Incoming, Outgoing, candidate_line, finish, plan
from palaver.media.webrtc.sessions import SOURCE_GONE, STOPPED, Lane, Session, Transport, on_transport
from palaver.media.webrtc.transports import Transports
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    CloseTransports,
    LayerSeen,
    OpenSink,
    OpenSource,
    ResolutionSeen,
    SetComposition,
    SetSinkActive,
    SetSinkLayer,
    SetSinkOrigin,
    SetSourceActive,
    SinkLost,
    SinkReady,
    SourceLost,
    SourceReady,
    TransportLost,
    TransportReady,
)
from palaver.room.values import (
    ANY_LAYER,
    Kind,
    LayerPreference,
    Resolution,
    RoomId,
    StreamId,
    SubscriptionId,
    TransportId,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from palaver.media.production import Output
    from palaver.media.webrtc.negotiation import Bound, Plan, Wanted
    from palaver.room.messages import Action, Report
    from palaver.room.values import ParticipantId, SubscribedTrack

READY_DELAY_S: Final = 0.01
"""Between an answer on a working transport and the word that its sessions are ready, so that clients apply it first."""
_GAUGES: Final = ("transports", "producers", "consumers", "tcp_connections", "videos_paused")
_ICE_REASONS: Final = ("ice timeout", "never connected")


class LocalEngine:
    """Serves all rooms of a node over one packet core. ``run`` owns it; construction binds the sockets.

    A room's transports live on one thread of the core, the idlest when the room began, until that has more than its
    share (``Transports.place``).
    """

    def __init__(
        self,
        addresses: Sequence[str],
        port: int,
        threads: int,
        *,
        public_addresses: Sequence[str] = (),
        tcp: bool = True,
        connect_timeout_s: float = 30.0,
    ) -> None:
        """Raises OSError if a media port is taken, ValueError for an address that is none."""
        self._core = _core.Core(addresses, port, threads, tcp=tcp, connect_timeout_s=connect_timeout_s)
        self._public = tuple(public_addresses)
        self._log = structlog.get_logger("palaver.media")
        self._transports = Transports(threads)
        self._backlog = Backlog()
        self._answers = Answers()
        self._reports: asyncio.Queue[tuple[RoomId, Report] | None] = asyncio.Queue()
        self._layer_changes = 0
        self._fork_server = ForkServer(PRELOAD)
        self._mixes = Mixes(self._core, self._fork_server, report=self._report, failed=self._cannot_produce)
        self._closed = False

    @property
    def ports(self) -> list[int]:
        """The port of each thread, for UDP and TCP."""
        return self._core.ports

    async def run(self) -> None:
        """Turn the core's events into reports until cancelled; then close the core."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._core.fileno(), self._take_events)
        try:
            await self._mixes.run()
        finally:
            self._fork_server.close()
            loop.remove_reader(self._core.fileno())
            self._closed = True
            self._reports.put_nowait(None)
            self._backlog.close()
            self._answers.close()
            await loop.run_in_executor(None, self._core.close)

    async def reports(self) -> AsyncIterator[tuple[RoomId, Report]]:
        """See Engine."""
        while (report := await self._reports.get()) is not None:
            yield report

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────

    async def perform(self, room: RoomId, action: Action) -> None:
        """See Engine."""
        self._check_open()
        match action:
            case OpenSource():
                self._open_source(room, action)
            case OpenSink():
                self._open_sink(room, action)
            case CloseSource(stream):
                self._end(self._transports.session(room, stream))
                self._mixes.forget_stream(room, stream)
            case CloseSink(subscription):
                self._end(self._transports.session(room, subscription))
            case SetSourceActive(session, kind, active) | SetSinkActive(session, kind, active):
                self._set_active(self._transports.session(room, session), kind, active)
            case SetSinkLayer(subscription, mid, layer):
                self._set_layer(self._transports.session(room, subscription), mid, layer)
            case SetSinkOrigin(subscription, track):
                self._set_origin(self._transports.session(room, subscription), track)
            case SetComposition(view, composition):
                self._mixes.compose(room, view, composition, self._transports.room(room))
                self._renew_listeners(room, view)
            case CloseTransports(owner):
                self._close(room, lambda transport: transport.owner == owner)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("the media engine is stopped")

    def _open_source(self, room: RoomId, action: OpenSource) -> None:
        wanted: dict[str, Wanted] = {}
        source = on_transport(action)
        for track in source.tracks:
            allowed = action.audio_in if track.kind == "audio" else action.video_in
            wanted[track.mid] = Incoming(action.stream, track.kind, allowed)
        if len(wanted) != len(source.tracks):
            raise EngineError("two tracks are on the same section")
        self._open(room, source.transport, action.owner, action, wanted)

    def _open_sink(self, room: RoomId, action: OpenSink) -> None:
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
            self._fail(session, SOURCE_GONE)

    def _outgoing(self, session: str, room: RoomId, track: SubscribedTrack) -> Outgoing | None:
        """What a sink's track may leave as; None if its source is gone."""
        if self._mixes.is_view(room, track.stream):
            return Outgoing(session, track.kind, None, track.formats)
        media = self._transports.room(room)
        lane = media.source_lane(track) if media else None
        if lane is None:
            return None
        return Outgoing(session, track.kind, None if track.transcoded else lane.bound.payload, track.formats)

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
            raise EngineError("this engine has no sources and sinks but those of clients")
        name = action.stream if isinstance(action, OpenSource) else action.subscription.id
        if self._transports.session(room, name) is not None:
            raise EngineError(f"{name} is open already")
        found = self._transports.get(room, transport)
        if found is None:
            tracks = action.subscription.tracks if isinstance(action, OpenSink) else ()
            stream = next((track.stream for track in tracks), None)
            handle = self._core.create_transport(*self._transports.place(room, stream))
            self._transports.add(found := Transport(room, transport, owner, handle), stream)
        elif found.owner != owner:
            raise EngineError("the transport belongs to another participant")
        elif taken := wanted.keys() & (found.wanted().keys() | found.used().keys()):
            raise EngineError(f"section {min(taken)} of the transport is in use")
        self._transports.open(session := Session(name, found, action, wanted))
        return session

    def _set_active(self, session: Session | None, kind: Kind, active: bool) -> None:
        if session is None:
            return
        (session.inactive.discard if active else session.inactive.add)(kind)
        if isinstance(session.action, OpenSource):
            self._sources_changed(session.transport.room)
        for lane in session.lanes.values():
            if lane.bound.kind == kind:
                self._tell_active(lane, active)

    def _tell_active(self, lane: Lane, active: bool) -> None:
        tell = self._core.set_consumer_active if lane.bound.sends else self._core.set_producer_active
        self._backlog.do(partial(tell, lane.handle, active))

    def _set_layer(self, session: Session | None, mid: str, layer: LayerPreference) -> None:
        if session is None:
            return
        session.layers[mid] = layer
        if lane := session.lanes.get(mid):
            self._tell_layer(lane, layer)

    def _tell_layer(self, lane: Lane, layer: LayerPreference) -> None:
        limits = (layer.max_width, layer.max_height, layer.max_framerate)
        self._backlog.do(partial(self._core.set_layer, lane.handle, layer.rid, *limits))

    def _set_origin(self, session: Session | None, track: SubscribedTrack) -> None:
        if session is None or track.mid is None:
            return
        session.redirect(track)
        want = self._outgoing(session.id, session.transport.room, track)
        if want is None:
            self._fail(session, SOURCE_GONE)
        elif track.mid in session.wanted:
            session.wanted[track.mid] = want
        elif lane := self._transports.unbind(session, track.mid):
            self._reattach(session, lane)

    def _reattach(self, session: Session, lane: Lane) -> None:
        """Send something else on an unbound section, which keeps its numbers: the subscriber sees one stream go on."""
        self._backlog.do(partial(self._core.unsubscribe, lane.handle))
        self._attach(session, lane.bound)
        if lane.order is not None:
            lane.order.release()  # only now: the two may be the same

    def _renew_listeners(self, room: RoomId, view: StreamId) -> None:
        """Whoever came into a view, or went out of it, hears another mix of it from now on."""
        media = self._transports.room(room)
        for session in list(media.sessions.values()) if media else ():
            for mid, lane in list(session.lanes.items()):
                order, listener = lane.order, session.transport.owner
                if order is None or not self._mixes.is_outdated(order, room, view, listener):
                    continue
                if self._transports.unbind(session, mid):
                    self._reattach(session, lane)

    def _end(self, session: Session | None) -> None:
        """Forget a session; what it had in the core ends."""
        if session is None:
            return
        for lane in self._transports.end(session):
            end = self._core.unsubscribe if lane.bound.sends else self._core.unpublish
            self._backlog.do(partial(end, lane.handle))
            if lane.order is not None:
                lane.order.release()
        if isinstance(session.action, OpenSource):
            self._sources_changed(session.transport.room)

    def _sources_changed(self, room: RoomId) -> None:
        self._mixes.sources_changed(room, self._transports.room(room))

    def _close(self, room: RoomId, chosen: Callable[[Transport], bool]) -> None:
        for transport in filter(chosen, self._transports.of(room)):
            self._forget(transport)
            self._backlog.do(partial(self._core.close_transport, transport.handle))

    def _forget(self, transport: Transport) -> None:
        for session in list(transport.sessions.values()):
            self._end(session)
        if transport.answer is not None and not transport.answer.done():
            transport.answer.set_exception(_gone(transport.id))
        self._transports.remove(transport)

    async def close_room(self, room: RoomId) -> None:
        """See Engine."""
        if not self._closed:
            self._close(room, lambda _: True)
            self._mixes.close_room(room)

    # ── negotiation ─────────────────────────────────────────────────────────────────────────────────

    def _owned(self, room: RoomId, owner: ParticipantId, transport: TransportId) -> Transport:
        self._check_open()
        found = self._transports.get(room, transport)
        if found is None or found.owner != owner:
            raise _gone(transport)
        return found

    async def negotiate(self, room: RoomId, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        """See Engine."""
        found = self._owned(room, owner, transport)
        async with found.lock:
            self._check_alive(found)
            prepared = plan(offer, found.wanted(), found.used())
            answer = await self._ask(found, prepared.offer)
            self._check_alive(found)
            self._settle(found, prepared)
            return finish(answer, found.names(), self._public, prepared.parameters)

    def _check_alive(self, transport: Transport) -> None:
        self._check_open()
        if self._transports.by_handle(transport.handle) is not transport:
            raise _gone(transport.id)

    async def _ask(self, transport: Transport, offer: str) -> str:
        try:
            answer = await self._answers.ask(self._core, transport, offer)
        except TransportNotFound:
            raise
        except NegotiationError:
            self._renew(transport)
            raise
        transport.negotiated = True
        return answer

    def _renew(self, transport: Transport) -> None:
        """The core keeps no transport whose first offer it refused, and uses no handle twice."""
        if transport.negotiated or self._transports.by_handle(transport.handle) is not transport:
            return
        self._backlog.do(partial(self._core.close_transport, transport.handle))
        handle = self._core.create_transport(*self._transports.place(transport.room))
        self._transports.rename(transport, handle)

    def _settle(self, transport: Transport, prepared: Plan) -> None:
        """Bind what the answered offer brought, end what it cannot carry."""
        for bound in prepared.bound:
            self._bind(transport, bound)
        for mid, name in prepared.rejected.items():
            if session := transport.sessions.get(name):
                session.wanted.pop(mid, None)
                self._log.info("no common codec", session=name, section=mid, room=transport.room)
        for name, reason in prepared.failed.items():
            self._fail(transport.sessions.get(name), reason)
        for session in list(transport.sessions.values()):
            if session.lanes and not session.wanted and session.lanes.keys() <= prepared.stopped:
                self._fail(session, STOPPED)
        if transport.ready:
            asyncio.get_running_loop().call_later(READY_DELAY_S, self._tell_ready, transport)

    def _bind(self, transport: Transport, bound: Bound) -> None:
        session = transport.sessions.get(bound.session)
        if session is None or session.wanted.pop(bound.mid, None) is None:
            return  # it ended while the core was answering
        self._attach(session, bound)

    def _attach(self, session: Session, bound: Bound) -> None:
        try:
            lane = self._subscribe(session, bound) if bound.sends else self._publish(session, bound)
        except _core.CoreBusy as busy:
            self._fail(session, str(busy))
            return
        if lane is None:
            self._fail(session, SOURCE_GONE)
            return
        self._transports.bind(session, bound.mid, lane)
        if bound.kind in session.inactive:
            self._tell_active(lane, active=False)
        if layer := session.layers.get(bound.mid):
            self._tell_layer(lane, layer)

    def _publish(self, session: Session, bound: Bound) -> Lane:
        lane = Lane(bound, self._core.publish(session.transport.handle, bound.mid))
        asyncio.get_running_loop().call_soon(self._sources_changed, session.transport.room)
        return lane

    def _subscribe(self, session: Session, bound: Bound) -> Lane | None:
        """Send the source as it comes if that is what was agreed on; else have it made."""
        assert isinstance(session.action, OpenSink)
        track = next(t for t in session.action.subscription.tracks if t.mid == bound.mid)
        room, transport = session.transport.room, session.transport.handle
        media = self._transports.room(room)
        source = media.source_lane(track) if media else None
        if source is not None and not track.transcoded and carries(bound.payload, source.bound.payload):
            return Lane(bound, self._core.subscribe(source.handle, transport, bound.mid))
        owner, thread = session.transport.owner, self._transports.place(room)[0]
        order = self._mixes.demand(room, track, bound.payload, owner, thread, media)
        if order is None:
            return None
        return Lane(bound, self._core.subscribe(order.output.producer, transport, bound.mid), order)

    def _cannot_produce(self, output: Output, reason: str) -> None:
        """Whoever waits for what cannot be encoded is told why."""
        for session in [one for one in self._transports.sessions() if one.needs(output)]:
            self._fail(session, reason)

    def _fail(self, session: Session | None, reason: str) -> None:
        if session is None:
            return
        room = session.transport.room
        self._end(session)
        if isinstance(session.action, OpenSource):
            self._report(room, SourceLost(StreamId(session.id), reason))
        else:
            self._report(room, SinkLost(SubscriptionId(session.id), reason))

    async def add_candidate(
        self, room: RoomId, owner: ParticipantId, transport: TransportId, candidate: str
    ) -> None:
        """See Engine."""
        found = self._owned(room, owner, transport)
        line = candidate_line(candidate)
        if line is None or (not found.negotiated and found.answer is None):
            return  # before the offer there is nothing to add it to; the client's checks will show its address
        try:
            self._core.add_candidate(found.handle, line)
        except _core.CoreBusy as busy:
            raise EngineError(str(busy)) from busy

    # ── events of the core ──────────────────────────────────────────────────────────────────────────

    def _take_events(self) -> None:
        for event in self._core.events():
            try:
                self._take(event)
            except Exception:  # a bug of ours costs one event, not those behind it
                self._log.exception("event failed", what=type(event).__name__)

    def _take(self, event: object) -> None:
        match event:
            case _core.Negotiated(request, _, answer):
                self._answers.answered(request, answer)
            case _core.Refused(request, subject, reason):
                self._refused(request, subject, reason)
            case _core.Connected(handle):
                self._connected(handle)
            case _core.Lost(handle, reason):
                self._lost(handle, reason)
            case _core.Resolution(producer, rid, width, height):
                self._resolution(producer, rid, Resolution(width, height))
            case _core.Layer(subscription, rid):
                self._layer(subscription, rid)
            case _core.AudioLevel(producer, level_dbov, voice):
                self._level(producer, level_dbov, voice)
            case _core.PipelineLost(pipeline, reason):
                self._log.info("pipeline's socket closed", pipeline=pipeline, reason=reason)
            case _core.Stalled(producer, stalled):
                self._stalled(producer, stalled)

    def _refused(self, request: int, subject: int, reason: str) -> None:
        if request:
            self._answers.refused(request, reason)
        elif found := self._transports.lane(subject):
            self._log.warning("core refused", session=found[0].id, reason=reason)
            self._fail(found[0], reason)

    def _connected(self, handle: int) -> None:
        transport = self._transports.by_handle(handle)
        if transport is None:
            return
        transport.ready = True
        self._report(transport.room, TransportReady(transport.id))
        self._tell_ready(transport)

    def _tell_ready(self, transport: Transport) -> None:
        """Report every session whose sections are all bound, in the order of opening, once."""
        for session in transport.sessions.values():
            if session.complete and not session.told:
                session.told = True
                if isinstance(session.action, OpenSource):
                    self._report(transport.room, SourceReady(StreamId(session.id), session.tracks()))
                else:
                    self._report(transport.room, SinkReady(SubscriptionId(session.id)))
                    for mid, rid in session.sent.items():  # what came before anybody knew of it
                        self._report(transport.room, LayerSeen(SubscriptionId(session.id), mid, rid))

    def _lost(self, handle: int, reason: str) -> None:
        transport = self._transports.by_handle(handle)
        if transport is None:
            return
        self._log.info("transport lost", room=transport.room, participant=transport.owner, reason=reason)
        self._forget(transport)
        text = "Ice procedure failed." if reason in _ICE_REASONS else reason
        self._report(transport.room, TransportLost(transport.id, text))

    def _resolution(self, producer: int, rid: str | None, resolution: Resolution) -> None:
        if found := self._transports.lane(producer):
            session, mid = found
            session.lanes[mid].size = resolution
            report = ResolutionSeen(StreamId(session.id), session.track_id(mid, rid), resolution)
            self._report(session.transport.room, report)

    def _layer(self, subscription: int, rid: str | None) -> None:
        self._layer_changes += 1
        if found := self._transports.lane(subscription):
            session, mid = found
            session.sent[mid] = rid
            if session.told:
                self._report(session.transport.room, LayerSeen(SubscriptionId(session.id), mid, rid))

    def _level(self, producer: int, level_dbov: int, voice: bool) -> None:
        if found := self._transports.lane(producer):
            room = self._transports.room(found[0].transport.room)
            if room is not None:
                room.levels[StreamId(found[0].id)] = (level_dbov, voice)

    def _stalled(self, producer: int, stalled: bool) -> None:
        if found := self._transports.lane(producer):
            session, mid = found
            self._log.info(
                "packets stalled" if stalled else "packets resumed", stream=session.id, section=mid
            )

    def audio_levels(self, room: RoomId) -> Mapping[StreamId, tuple[int, bool]]:
        """The last (level in dBov, voice activity) of each audio stream of a room (RFC 6464)."""
        media = self._transports.room(room)
        return media.levels if media else {}

    def _report(self, room: RoomId, report: Report) -> None:
        self._reports.put_nowait((room, report))

    def stats(self) -> Mapping[str, float]:
        """Sums over the core's threads; counters end in ``_total``."""
        if self._closed:
            return {}
        sums: dict[str, float] = {"layer_changes_total": self._layer_changes, **self._mixes.stats()}
        for thread in self._core.stats():
            for name, value in thread.items():
                key = name if name in _GAUGES else f"{name}_total"
                sums[key] = sums.get(key, 0) + value
        return sums


def _gone(transport: TransportId) -> TransportNotFound:
    return TransportNotFound(f"Transport {transport} does NOT exist")
