"""The engine in this process: negotiates in Python, moves packets in the Rust core."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

import structlog

from palaver.media import _core
from palaver.media.formats import format_of
from palaver.media.ports import EngineError, NegotiationError, TransportNotFound
from palaver.media.sessions import Lane, Session, Transport
from palaver.media.webrtc import Bound, Incoming, Outgoing, finish, plan
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    CloseTransports,
    OpenSink,
    OpenSource,
    ResolutionSeen,
    SetSinkActive,
    SetSourceActive,
    SinkLost,
    SinkReady,
    SourceLost,
    SourceReady,
    TransportLost,
    TransportReady,
)
from palaver.room.values import Kind, Resolution, RoomId, StreamId, SubscriptionId, Track, TransportId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from palaver.room.messages import Action, Report
    from palaver.room.values import ParticipantId

ANSWER_TIMEOUT_S: Final = 5.0
"""How long the core may take to answer an offer."""
READY_DELAY_S: Final = 0.01
"""Between an answer on a working transport and the word that its sessions are ready, so that clients apply it first."""
SOURCE_GONE: Final = "Source stream loss"
_ICE_REASONS: Final = ("ice timeout", "never connected")


class LocalEngine:
    """Serves all rooms of a node over one packet core. ``run`` owns it; construction binds the sockets.

    A room's transports live on one thread of the core, the one that had the fewest when the room began.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        port: int,
        threads: int,
        *,
        public_addresses: Sequence[str] = (),
        connect_timeout_s: float = 30.0,
    ) -> None:
        """Raises OSError if a media port is taken, ValueError for an address that is none."""
        self._core = _core.Core(addresses, port, threads, connect_timeout_s=connect_timeout_s)
        self._public = tuple(public_addresses)
        self._log = structlog.get_logger("palaver.media")
        self._threads = threads
        self._rooms: dict[RoomId, int] = {}  # → thread
        self._transports: dict[tuple[RoomId, TransportId], Transport] = {}
        self._by_handle: dict[int, Transport] = {}
        self._sessions: dict[tuple[RoomId, str], Session] = {}
        self._publications: dict[int, tuple[Session, str]] = {}  # core's id → (source, mid)
        self._levels: dict[RoomId, dict[StreamId, tuple[int, bool]]] = {}
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._requests = itertools.count(1)
        self._reports: asyncio.Queue[tuple[RoomId, Report] | None] = asyncio.Queue()
        self._closed = False

    @property
    def ports(self) -> list[int]:
        """The UDP port of each thread."""
        return self._core.ports

    async def run(self) -> None:
        """Turn the core's events into reports until cancelled; then close the core."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._core.fileno(), self._take_events)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(self._core.fileno())
            self._closed = True
            self._reports.put_nowait(None)
            for answer in self._answers.values():
                answer.cancel()
            await loop.run_in_executor(None, self._core.close)

    async def reports(self) -> AsyncIterator[tuple[RoomId, Report]]:
        """See Engine."""
        while (report := await self._reports.get()) is not None:
            yield report

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────

    async def perform(self, room: RoomId, action: Action) -> None:
        """See Engine."""
        if self._closed:
            raise EngineError("the media engine is stopped")
        try:
            self._perform(room, action)
        except _core.CoreBusy as busy:
            raise EngineError(str(busy)) from busy

    def _perform(self, room: RoomId, action: Action) -> None:
        match action:
            case OpenSource():
                self._open_source(room, action)
            case OpenSink():
                self._open_sink(room, action)
            case CloseSource(stream):
                self._end(self._sessions.get((room, stream)))
            case CloseSink(subscription):
                self._end(self._sessions.get((room, subscription)))
            case SetSourceActive(stream, kind, active):
                self._set_active(self._sessions.get((room, stream)), kind, active)
            case SetSinkActive(subscription, kind, active):
                self._set_active(self._sessions.get((room, subscription)), kind, active)
            case CloseTransports(owner):
                for transport in [t for t in self._transports.values() if (t.room, t.owner) == (room, owner)]:
                    self._close(transport)

    def _open_source(self, room: RoomId, action: OpenSource) -> None:
        session = Session(action.stream, self._transport(room, action.source.transport, action.owner), action)
        for track in action.source.tracks:
            allowed = action.audio_in if track.kind == "audio" else action.video_in
            session.wanted[track.mid] = Incoming(session.id, track.kind, allowed)
        self._remember(session)

    def _open_sink(self, room: RoomId, action: OpenSink) -> None:
        subscription = action.subscription
        transport = self._transport(room, action.sink.transport, subscription.owner)
        session = Session(subscription.id, transport, action)
        for track in subscription.tracks:
            source = self._sessions.get((room, track.stream))
            lane = source.lane(track.kind, track.track) if source else None
            if lane is None or track.mid is None:
                self._report(room, SinkLost(subscription.id, SOURCE_GONE))
                return
            session.wanted[track.mid] = Outgoing(session.id, track.kind, lane.bound.payload)
        session.inactive = {track.kind for track in subscription.tracks if not track.active}
        self._remember(session)

    def _remember(self, session: Session) -> None:
        taken = session.wanted.keys() & (session.transport.wanted().keys() | session.transport.used().keys())
        if taken:
            raise EngineError(f"section {min(taken)} of the transport is in use")
        session.transport.sessions[session.id] = session
        self._sessions[session.transport.room, session.id] = session

    def _transport(self, room: RoomId, id: TransportId, owner: ParticipantId) -> Transport:  # noqa: A002  # it is one
        found = self._transports.get((room, id))
        if found is not None:
            if found.owner != owner:
                raise EngineError("the transport belongs to another participant")
            return found
        transport = Transport(room, id, owner, self._core.create_transport(self._thread(room)))
        self._transports[room, id] = self._by_handle[transport.handle] = transport
        return transport

    def _thread(self, room: RoomId) -> int:
        if room not in self._rooms:
            load = [0] * self._threads
            for transport in self._transports.values():
                load[self._rooms[transport.room]] += 1
            self._rooms[room] = load.index(min(load))
        return self._rooms[room]

    def _set_active(self, session: Session | None, kind: Kind, active: bool) -> None:
        if session is None:
            return
        (session.inactive.discard if active else session.inactive.add)(kind)
        for lane in session.lanes.values():
            if lane.bound.kind == kind:
                self._tell_active(lane, active)

    def _tell_active(self, lane: Lane, active: bool) -> None:
        if lane.bound.sends:
            self._core.set_subscription_active(lane.handle, active)
        else:
            self._core.set_publication_active(lane.handle, active)

    def _end(self, session: Session | None) -> None:
        """Forget a session; what it had in the core ends."""
        if session is None or self._sessions.pop((session.transport.room, session.id), None) is None:
            return
        session.transport.sessions.pop(session.id, None)
        for lane in session.lanes.values():
            if lane.bound.sends:
                self._core.unsubscribe(lane.handle)
            else:
                self._publications.pop(lane.handle, None)
                self._core.unpublish(lane.handle)
        self._levels.get(session.transport.room, {}).pop(StreamId(session.id), None)

    def _close(self, transport: Transport) -> None:
        self._forget(transport)
        if transport.negotiated:
            self._core.close_transport(transport.handle)

    def _forget(self, transport: Transport) -> None:
        for session in list(transport.sessions.values()):
            self._end(session)
        self._transports.pop((transport.room, transport.id), None)
        self._by_handle.pop(transport.handle, None)

    async def close_room(self, room: RoomId) -> None:
        """See Engine."""
        for transport in [t for t in self._transports.values() if t.room == room]:
            self._close(transport)
        self._rooms.pop(room, None)
        self._levels.pop(room, None)

    # ── negotiation ─────────────────────────────────────────────────────────────────────────────────

    def _owned(self, room: RoomId, owner: ParticipantId, transport: TransportId) -> Transport:
        found = self._transports.get((room, transport))
        if found is None or found.owner != owner:
            raise TransportNotFound(f"Transport {transport} does NOT exist")
        return found

    async def negotiate(self, room: RoomId, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        """See Engine."""
        found = self._owned(room, owner, transport)
        async with found.lock:
            prepared = plan(offer, found.wanted(), found.used())
            answer = await self._ask(found, prepared.offer)
            if self._by_handle.get(found.handle) is not found:
                raise TransportNotFound(f"Transport {transport} does NOT exist")
            found.negotiated = True
            for bound in prepared.bound:
                self._bind(found, bound)
            for session, reason in prepared.failed.items():
                self._fail(found.sessions.get(session), reason)
            if found.ready:
                asyncio.get_running_loop().call_later(READY_DELAY_S, self._tell_ready, found)
            return finish(answer, found.names(), self._public)

    async def _ask(self, transport: Transport, offer: str) -> str:
        request = next(self._requests)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        try:
            self._core.negotiate(transport.handle, request, offer)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except _core.CoreBusy as busy:
            raise EngineError(str(busy)) from busy
        except TimeoutError:
            raise EngineError("the packet core did not answer in time") from None
        finally:
            del self._answers[request]

    def _bind(self, transport: Transport, bound: Bound) -> None:
        session = transport.sessions.get(bound.session)
        if session is None or session.wanted.pop(bound.mid, None) is None:
            return  # it ended while the core was answering
        if bound.sends:
            handle = self._subscribe(session, bound)
            if handle is None:
                self._fail(session, SOURCE_GONE)
                return
        else:
            handle = self._core.publish(transport.handle, bound.mid)
            self._publications[handle] = (session, bound.mid)
        session.lanes[bound.mid] = lane = Lane(bound, handle)
        if bound.kind in session.inactive:
            self._tell_active(lane, active=False)

    def _subscribe(self, session: Session, bound: Bound) -> int | None:
        assert isinstance(session.action, OpenSink)
        track = next(t for t in session.action.subscription.tracks if t.mid == bound.mid)
        source = self._sessions.get((session.transport.room, track.stream))
        lane = source.lane(track.kind, track.track) if source else None
        if lane is None:
            return None
        return self._core.subscribe(lane.handle, session.transport.handle, bound.mid)

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
        line = candidate.strip().removeprefix("a=")
        if not line.startswith("candidate:") or len(line) > 512 or not line.isprintable():
            raise NegotiationError("the candidate is not of the form candidate:…")
        if found.negotiated:
            self._core.add_candidate(found.handle, line)

    # ── events of the core ──────────────────────────────────────────────────────────────────────────

    def _take_events(self) -> None:
        for event in self._core.events():
            match event:
                case _core.Negotiated(request, _, answer):
                    if (waiting := self._answers.get(request)) and not waiting.done():
                        waiting.set_result(answer)
                case _core.Refused(request, subject, reason):
                    self._refused(request, subject, reason)
                case _core.Connected(handle):
                    self._connected(handle)
                case _core.Lost(handle, reason):
                    self._lost(handle, reason)
                case _core.Resolution(publication, width, height):
                    self._resolution(publication, Resolution(width, height))
                case _core.AudioLevel(publication, level_dbov, voice):
                    self._level(publication, level_dbov, voice)
                case _core.Stalled(publication, stalled):
                    self._stalled(publication, stalled)

    def _refused(self, request: int, subject: int, reason: str) -> None:
        if request:
            if (waiting := self._answers.get(request)) and not waiting.done():
                waiting.set_exception(NegotiationError(reason))
            return
        self._log.warning("core refused", subject=subject, reason=reason)
        for session in list(self._sessions.values()):
            if any(lane.handle == subject for lane in session.lanes.values()):
                self._fail(session, reason)

    def _connected(self, handle: int) -> None:
        transport = self._by_handle.get(handle)
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
                    self._report(transport.room, SourceReady(StreamId(session.id), _tracks(session)))
                else:
                    self._report(transport.room, SinkReady(SubscriptionId(session.id)))

    def _lost(self, handle: int, reason: str) -> None:
        transport = self._by_handle.get(handle)
        if transport is None:
            return
        self._log.info("transport lost", room=transport.room, participant=transport.owner, reason=reason)
        self._forget(transport)
        text = "Ice procedure failed." if reason in _ICE_REASONS else reason
        self._report(transport.room, TransportLost(transport.id, text))

    def _resolution(self, publication: int, resolution: Resolution) -> None:
        if found := self._publications.get(publication):
            session, mid = found
            report = ResolutionSeen(StreamId(session.id), session.track_id(mid), resolution)
            self._report(session.transport.room, report)

    def _level(self, publication: int, level_dbov: int, voice: bool) -> None:
        if found := self._publications.get(publication):
            session, _ = found
            self._levels.setdefault(session.transport.room, {})[StreamId(session.id)] = (level_dbov, voice)

    def _stalled(self, publication: int, stalled: bool) -> None:
        if found := self._publications.get(publication):
            session, mid = found
            self._log.info(
                "packets stalled" if stalled else "packets resumed", stream=session.id, section=mid
            )

    def audio_levels(self, room: RoomId) -> Mapping[StreamId, tuple[int, bool]]:
        """The last (level in dBov, voice activity) of each audio stream of a room (RFC 6464)."""
        return self._levels.get(room, {})

    def _report(self, room: RoomId, report: Report) -> None:
        self._reports.put_nowait((room, report))

    def stats(self) -> Mapping[str, float]:
        """Sums over the core's threads; counters end in ``_total``."""
        if self._closed:
            return {}
        sums: dict[str, float] = {}
        for thread in self._core.stats():
            for name, value in thread.items():
                key = name if name in ("transports", "publications", "subscriptions") else f"{name}_total"
                sums[key] = sums.get(key, 0) + value
        return sums


def _tracks(session: Session) -> tuple[Track, ...]:
    """A ready source's tracks, in the order in which they were published."""
    assert isinstance(session.action, OpenSource)
    tracks = []
    for published in session.action.source.tracks:
        lane = session.lanes.get(published.mid)
        format = format_of(lane.bound.payload) if lane else None  # noqa: A001  # the glossary's word
        if format is None:
            continue
        tracks.append(
            Track(
                published.kind,
                format,
                source=published.source,
                active=published.kind not in session.inactive,
                id=session.track_id(published.mid),
                mid=published.mid,
            )
        )
    return tuple(tracks)
