"""An engine in memory, for tests and demonstrations of everything above the media plane.

It keeps the port's promises (the contract suite runs against it too) without a socket: a negotiated session is ready at
once, unless ``hold`` is set; nothing is ever forwarded. The server's own sources and sinks go through the same port as
in the real engine; without ``kinds`` each works at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

import structlog

from palaver.containment import OwnedTasks
from palaver.media.endpoints import EndpointKind
from palaver.media.formats import payload_of
from palaver.media.ports import EngineError, TransportNotFound
from palaver.media.server_side import ServerEndpoints
from palaver.media.tracks import CoreTrack
from palaver.media.webrtc.negotiation import Incoming, Outgoing, candidate_line, plan
from palaver.media.webrtc.sdp import parse
from palaver.media.webrtc.sessions import SOURCE_GONE, STOPPED, on_transport, source_tracks
from palaver.room.endpoints import ServerSink, ServerSource, transport_of
from palaver.room.ids import section_of, track_id
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    CloseTransports,
    ForgetSinkOrigin,
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
    SpeakerHeard,
    TransportLost,
    TransportReady,
)
from palaver.room.values import KINDS, AudioFormat, StreamId, Subscription, SubscriptionId, Track

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from palaver.media.endpoints import NewTrack, RoomMedia, Sending, Tap
    from palaver.media.formats import Payload
    from palaver.media.pipelines.supervisor import Pipelines
    from palaver.media.rtp import RtpTransport
    from palaver.media.server_side import Entry
    from palaver.media.webrtc.negotiation import Bound, Wanted
    from palaver.room.messages import Action, Report
    from palaver.room.values import (
        Composition,
        Format,
        Kind,
        LayerPreference,
        ParticipantId,
        Resolution,
        RoomId,
        SubscribedTrack,
        TrackId,
        TransportId,
    )

_SERVER_KINDS: Final = (*get_args(ServerSource), *get_args(ServerSink))
_MIRROR: Final = {
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "sendrecv": "sendrecv",
    "inactive": "inactive",
}


class FakeEngine:
    """See the module. ``performed`` lists every accepted action; ``refuse`` makes the next ones fail.

    ``kinds`` replace its own of the same name.
    """

    def __init__(self, kinds: Mapping[type, EndpointKind] | None = None) -> None:
        self.performed: list[tuple[RoomId, Action]] = []
        self.refuse: str | None = None
        self.hold = False
        """While set, transports do not connect; ``connect`` lets one."""
        self._owners: dict[tuple[RoomId, TransportId], ParticipantId] = {}
        self._ready: set[tuple[RoomId, TransportId]] = set()
        self._open: dict[tuple[RoomId, str], OpenSource | OpenSink] = {}
        self._bound: dict[tuple[RoomId, str], dict[str, Bound]] = {}
        self._rejected: dict[
            tuple[RoomId, str], set[str]
        ] = {}  # sections of a session without a common codec
        self._muted: set[tuple[RoomId, str, Kind]] = set()
        self._told: set[tuple[RoomId, str]] = set()
        self._views: dict[tuple[RoomId, str], Composition] = {}
        self._stopped = False
        self._reports: asyncio.Queue[tuple[RoomId, Report] | None] = asyncio.Queue()
        self._tasks = OwnedTasks()
        self._endpoints = ServerEndpoints(
            {**dict.fromkeys(_SERVER_KINDS, EndpointKind(FakeEndpoint)), **(kinds or {})},
            self._tasks,
            self._report,
            FakeMedia,
        )

    async def perform(self, room: RoomId, action: Action) -> None:
        """See Engine."""
        if self.refuse is not None:
            raise EngineError(self.refuse)
        self._check_running()
        if isinstance(action, OpenSource | OpenSink):
            self._open_endpoint(room, action)
        else:
            self._change(room, action)
        self.performed.append((room, action))

    def _open_endpoint(self, room: RoomId, action: OpenSource | OpenSink) -> None:
        match action:
            case OpenSource(owner=None) | OpenSink(subscription=Subscription(owner=None)):
                self._endpoints.open(room, action)
            case OpenSource(stream, owner):
                mids = [track.mid for track in on_transport(action).tracks]
                self._accept(room, stream, owner, action, mids)
            case OpenSink(subscription):
                mids = [track.mid for track in subscription.tracks if track.mid is not None]
                self._accept(room, subscription.id, subscription.owner, action, mids)
                if self._source_gone(room, subscription.id, action):
                    self.fail(room, subscription.id, SOURCE_GONE)

    def _change(self, room: RoomId, action: Action) -> None:
        match action:
            case CloseSource(name) | CloseSink(name):
                self._endpoints.close(room, name)
                self._forget(room, name)
            case SetSinkOrigin(subscription_id, track):
                self._endpoints.change(room, subscription_id, action)
                self._redirect(room, subscription_id, track)
            case SetSourceActive(stream, kind, active):
                self._endpoints.change(room, stream, action)
                self._mute(room, stream, kind, active)
            case SetSinkActive(name) | SetSinkLayer(name) | ForgetSinkOrigin(name):
                self._endpoints.change(room, name, action)
            case SetComposition(view, composition):
                self._views[room, view] = composition
            case CloseTransports(owner):
                self._leave(room, owner)

    def _report(self, room: RoomId, report: Report) -> None:
        self._reports.put_nowait((room, report))

    def _check_running(self) -> None:
        if self._stopped:
            raise EngineError("the media engine is stopped")

    def _accept(
        self,
        room: RoomId,
        session: str,
        owner: ParticipantId | None,
        action: OpenSource | OpenSink,
        mids: list[str],
    ) -> None:
        transport = _transport(action)
        if transport is None or owner is None:
            raise EngineError("this engine has no sources and sinks but those of clients")
        if (room, session) in self._open:
            raise EngineError(f"{session} is open already")
        if len(set(mids)) != len(mids):
            raise EngineError("two tracks are on the same section")
        if self._owners.get((room, transport), owner) != owner:
            raise EngineError("the transport belongs to another participant")
        if taken := set(mids) & set().union(*map(_mids, self._on(room, transport).values())):
            raise EngineError(f"section {min(taken)} of the transport is in use")
        self._owners[room, transport] = owner
        self._open[room, session] = action

    def _redirect(self, room: RoomId, session: str, track: SubscribedTrack) -> None:
        action = self._open.get((room, session))
        if isinstance(action, OpenSink):
            self._open[room, session] = action.redirected(track)
            if self._outgoing(room, session, track) is None:
                self.fail(room, session, SOURCE_GONE)

    def _mute(self, room: RoomId, stream: str, kind: Kind, active: bool) -> None:
        if active:
            self._muted.discard((room, stream, kind))
        elif (room, stream) in self._open:
            self._muted.add((room, stream, kind))

    def _forget(self, room: RoomId, session: str) -> None:
        self._muted -= {(room, session, kind) for kind in KINDS}
        self._open.pop((room, session), None)
        self._bound.pop((room, session), None)
        self._rejected.pop((room, session), None)
        self._told.discard((room, session))

    def _leave(self, room: RoomId, owner: ParticipantId) -> None:
        for key in [key for key, one in self._owners.items() if key[0] == room and one == owner]:
            self._drop(*key)

    def _drop(self, room: RoomId, transport: TransportId) -> None:
        for session in self._on(room, transport):
            self._forget(room, session)
        self._owners.pop((room, transport), None)
        self._ready.discard((room, transport))

    def _on(self, room: RoomId, transport: TransportId) -> dict[str, OpenSource | OpenSink]:
        found = {}
        for (where, session), action in self._open.items():
            if where == room and _transport(action) == transport:
                found[session] = action
        return found

    def _wanted(self, room: RoomId, transport: TransportId) -> dict[str, Wanted]:
        wanted: dict[str, Wanted] = {}
        for session, action in self._on(room, transport).items():
            bound = self._settled(room, session)
            if isinstance(action, OpenSource):
                for track in on_transport(action).tracks:
                    if track.mid not in bound:
                        allowed = action.audio_in if track.kind == "audio" else action.video_in
                        wanted[track.mid] = Incoming(session, track.kind, allowed)
            else:
                for asked in action.subscription.tracks:
                    want = self._outgoing(room, session, asked)
                    if asked.mid is not None and asked.mid not in bound and want is not None:
                        wanted[asked.mid] = want
        return wanted

    def _settled(self, room: RoomId, session: str) -> set[str]:
        """The sections of a session that no offer has to bring any more."""
        return {*self._bound.get((room, session), ()), *self._rejected.get((room, session), ())}

    def _source_gone(self, room: RoomId, session: str, action: OpenSink) -> bool:
        """Whether the sink waits for a source that is no more."""
        bound = self._settled(room, session)
        waiting = [track for track in action.subscription.tracks if track.mid not in bound]
        return any(self._outgoing(room, session, track) is None for track in waiting)

    def _outgoing(self, room: RoomId, session: str, track: SubscribedTrack) -> Outgoing | None:
        """What a sink's track may leave as; None if its source is gone."""
        if (room, track.stream) in self._views:
            return Outgoing(session, track.kind, None, track.formats)
        payload = self._payload(room, track.stream, track.track, track.kind)
        if payload is None:
            return None
        return Outgoing(session, track.kind, None if track.transcoded else payload, track.formats)

    def _payload(self, room: RoomId, stream: str, track: str | None, kind: str) -> Payload | None:
        action = self._open.get((room, stream))
        section = section_of(track) if track is not None else None
        for mid, bound in self._bound.get((room, stream), {}).items():
            same = isinstance(action, OpenSource) and section in (
                None,
                track_id(on_transport(action).transport, mid),
            )
            if bound.kind == kind and same:
                return bound.payload
        return None

    async def negotiate(self, room: RoomId, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        """See Engine. The answer mirrors the sections of the offer."""
        self._check_running()
        if self._owners.get((room, transport)) != owner:
            raise TransportNotFound(f"Transport {transport} does NOT exist")
        sessions = self._on(room, transport)
        used = {mid: b for s in sessions for mid, b in self._bound.get((room, s), {}).items()}
        prepared = plan(offer, self._wanted(room, transport), used)
        for bound in prepared.bound:
            self._bound.setdefault((room, bound.session), {})[bound.mid] = bound
        for mid, session in prepared.rejected.items():
            self._rejected.setdefault((room, session), set()).add(mid)
        for session, reason in prepared.failed.items():
            self.fail(room, session, reason)
        for session, action in sessions.items():
            if isinstance(action, OpenSink) and self._source_gone(room, session, action):
                self.fail(room, session, SOURCE_GONE)
            elif (lanes := self._bound.get((room, session))) and lanes.keys() == _mids(
                action
            ) <= prepared.stopped:
                self.fail(room, session, STOPPED)
        if not self.hold:
            self.connect(room, transport)
        answer = parse(prepared.offer)
        for section in answer.sections:
            section.direction = _MIRROR[section.direction]
            section.without("candidate", "ice-options")
        return str(answer)

    def connect(self, room: RoomId, transport: TransportId) -> None:
        """Say that a transport works, and whatever is complete on it."""
        if (room, transport) not in self._ready:
            self._ready.add((room, transport))
            self._reports.put_nowait((room, TransportReady(transport)))
        for session, action in self._on(room, transport).items():
            bound = self._bound.get((room, session), {})
            if (room, session) in self._told or not self._settled(room, session) >= _mids(action):
                continue
            self._told.add((room, session))
            if isinstance(action, OpenSource):
                muted = {kind for kind in KINDS if (room, session, kind) in self._muted}
                self._reports.put_nowait(
                    (room, SourceReady(action.stream, source_tracks(action, bound, muted)))
                )
            else:
                self._reports.put_nowait((room, SinkReady(SubscriptionId(session))))

    def fail(self, room: RoomId, session: str, reason: str) -> None:
        """Let a source or sink fail."""
        if entry := self._endpoints.entry(room, session):
            self._endpoints.fail(entry, reason)
            return
        action = self._open.get((room, session))
        self._forget(room, session)
        if isinstance(action, OpenSource):
            self._reports.put_nowait((room, SourceLost(StreamId(session), reason)))
        elif action is not None:
            self._reports.put_nowait((room, SinkLost(SubscriptionId(session), reason)))

    def lose(self, room: RoomId, transport: TransportId, reason: str) -> None:
        """Let a transport fail with everything on it."""
        self._drop(room, transport)
        self._reports.put_nowait((room, TransportLost(transport, reason)))

    def show(self, room: RoomId, stream: str, track: TrackId, resolution: Resolution) -> None:
        """Let a key frame arrive on a track of a source."""
        self._reports.put_nowait((room, ResolutionSeen(StreamId(stream), track, resolution)))

    def speak(self, room: RoomId, view: str, stream: str) -> None:
        """Let an input of a view be the one that speaks."""
        self._reports.put_nowait((room, SpeakerHeard(StreamId(view), StreamId(stream))))

    def composition(self, room: RoomId, view: str) -> Composition | None:
        """What a view is made of, if that was said."""
        return self._views.get((room, view))

    async def add_candidate(
        self, room: RoomId, owner: ParticipantId, transport: TransportId, candidate: str
    ) -> None:
        """See Engine."""
        self._check_running()
        if self._owners.get((room, transport)) != owner:
            raise TransportNotFound(f"Transport {transport} does NOT exist")
        candidate_line(candidate)

    async def close_room(self, room: RoomId) -> None:
        """See Engine."""
        self._endpoints.close_room(room)
        for key in [key for key in self._owners if key[0] == room]:
            self._drop(*key)
        for view in [key for key in self._views if key[0] == room]:
            del self._views[view]

    async def reports(self) -> AsyncIterator[tuple[RoomId, Report]]:
        """See Engine; ends after ``stop``."""
        while (report := await self._reports.get()) is not None:
            yield report

    def stop(self) -> None:
        """End ``reports``; nothing is accepted any more."""
        self._stopped = True
        self._endpoints.close_all()
        self._reports.put_nowait(None)

    def stats(self) -> Mapping[str, float]:
        """See Engine."""
        return {
            "transports": len(self._owners),
            "sessions": len(self._open),
            "tasks_failed_total": self._tasks.failures,
            **self._endpoints.stats(),
        }


@dataclass(eq=False, slots=True)
class FakeMedia:
    """What an endpoint gets of the engine: it may say what it likes, and nothing flows."""

    entry: Entry

    @property
    def room(self) -> RoomId:
        """See RoomMedia."""
        return self.entry.room

    @property
    def thread(self) -> int:
        """See RoomMedia."""
        return 0

    @property
    def log(self) -> structlog.stdlib.BoundLogger:
        """See RoomMedia."""
        log: structlog.stdlib.BoundLogger = structlog.get_logger("palaver.media").bind(room=self.room)
        return log

    @property
    def pipelines(self) -> Pipelines:
        """See RoomMedia."""
        raise EngineError("the engine in memory starts no processes")

    def publish(self, track: NewTrack, pipeline: int, number: int) -> CoreTrack:
        """See RoomMedia."""
        kind: Kind = "audio" if isinstance(track.format, AudioFormat) else "video"
        return CoreTrack(StreamId(self.entry.name), kind, payload_of(track.format, track.fmtp), number)

    def tap(
        self, track: SubscribedTrack, pipeline: int, number: int, layer: LayerPreference | None = None
    ) -> Tap | None:
        """See RoomMedia."""
        return None

    def receive(self, transport: RtpTransport) -> CoreTrack:
        """See RoomMedia."""
        raise EngineError("the engine in memory opens no ports")

    def send(self, track: SubscribedTrack, transport: RtpTransport) -> Sending | None:
        """See RoomMedia."""
        raise EngineError("the engine in memory opens no ports")

    def ready(self, tracks: tuple[Track, ...] = ()) -> None:
        """See RoomMedia."""
        self.entry.ready(tracks)

    def interrupted(self, reason: str) -> None:
        """See RoomMedia."""
        self.entry.interrupted(reason)

    def resumed(self, tracks: tuple[Track, ...]) -> None:
        """See RoomMedia."""
        self.entry.resumed(tracks)


@dataclass(eq=False, slots=True)
class FakeEndpoint:
    """A source or sink that works at once, in the first formats that the room takes."""

    action: OpenSource | OpenSink
    media: RoomMedia

    async def run(self) -> None:
        """See Endpoint."""
        self.media.ready(self._tracks())
        await asyncio.Event().wait()

    def _tracks(self) -> tuple[Track, ...]:
        if not isinstance(self.action, OpenSource):
            return ()
        accepted: tuple[tuple[Kind, tuple[Format, ...]], ...] = (
            ("audio", self.action.audio_in),
            ("video", self.action.video_in),
        )
        return tuple(
            Track(kind, formats[0])
            for kind, formats in accepted
            if kind in self.action.source.kinds and formats
        )

    def change(self, action: Action) -> None:
        """See Endpoint."""


def _transport(action: OpenSource | OpenSink) -> TransportId | None:
    return transport_of(action.source if isinstance(action, OpenSource) else action.sink)


def _mids(action: OpenSource | OpenSink) -> set[str]:
    if isinstance(action, OpenSource):
        return {track.mid for track in on_transport(action).tracks}
    return {track.mid for track in action.subscription.tracks if track.mid is not None}
