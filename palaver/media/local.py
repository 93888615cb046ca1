"""The engine in this process: decides in Python, moves packets in the Rust core."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from palaver.media import _core
from palaver.media.context import EngineContext
from palaver.media.core_events import CoreEvents
from palaver.media.encoders import USUAL_FORMS, EncoderContext, FormLimits, NoEncoders, TooManyForms
from palaver.media.endpoint_media import EndpointMedia
from palaver.media.pipelines.confinement import USUAL, Limits
from palaver.media.pipelines.process import ForkServer
from palaver.media.pipelines.supervisor import Pipelines
from palaver.media.ports import EngineError
from palaver.media.rtp import RtpPorts, RtpSettings
from palaver.media.server_side import ServerEndpoints
from palaver.media.webrtc.engine import WebRtcEngine
from palaver.media.webrtc.negotiator import Negotiator
from palaver.media.webrtc.sessions import SOURCE_GONE
from palaver.room.endpoints import WebRtcSink, WebRtcSource
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    CloseTransports,
    ForgetSinkOrigin,
    OpenSink,
    OpenSource,
    SetComposition,
    SetSinkActive,
    SetSinkLayer,
    SetSinkOrigin,
    SetSourceActive,
)
from palaver.room.values import StreamId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from palaver.media.encoders import EncoderFactory
    from palaver.media.endpoints import EndpointKind, RoomMedia
    from palaver.media.server_side import Entry
    from palaver.room.messages import Action, Report
    from palaver.room.values import ParticipantId, RoomId, TransportId

_GAUGES: Final = ("transports", "producers", "consumers", "tcp_connections", "videos_paused")


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
        encoders: EncoderFactory = NoEncoders,
        kinds: Mapping[type, EndpointKind] | None = None,
        limits: Limits = USUAL,
        rtp: RtpSettings | None = None,
        forms: FormLimits = USUAL_FORMS,
    ) -> None:
        """``encoders`` make views and other ``forms`` of streams, ``kinds`` are the server's own sources and sinks.

        ``limits`` are those of each child process; ``rtp`` says where plain RTP is taken, unless on any port of the
        first address.

        Raises OSError if a media port is taken, ValueError for an address that is none.
        """
        core = _core.Core(addresses, port, threads, tcp=tcp, connect_timeout_s=connect_timeout_s)
        kinds = kinds or {}
        preload = dict.fromkeys(encoders.preload)
        for kind in kinds.values():
            preload |= dict.fromkeys(kind.preload)
        self._log = structlog.get_logger("palaver.media")
        self._reports: asyncio.Queue[tuple[RoomId, Report] | None] = asyncio.Queue()
        self._context = context = EngineContext(core, self._report)
        self._backlog, self._tracks, self._tasks = context.backlog, context.tracks, context.tasks
        self._fork_server = ForkServer(tuple(preload), limits)
        self._pipelines = Pipelines(core, self._fork_server, context.tasks)
        self._encoders = context.encoders = encoders(
            EncoderContext(
                self._pipelines, context.tracks, context.tasks, self._report, self._cannot_encode, forms
            )
        )
        self._webrtc = WebRtcEngine(context, threads)
        self._negotiator = Negotiator(context, self._webrtc, public_addresses)
        self._endpoints = ServerEndpoints(kinds, context.tasks, self._report, self._media_of)
        self._medias: dict[Entry, EndpointMedia] = {}
        settings = rtp or RtpSettings(addresses[0], 1024, 65535, [*public_addresses, addresses[0]][0])
        self.rtp = RtpPorts(core, context.backlog, settings)
        self._events = CoreEvents(context, self._webrtc, self.rtp)
        self._closed = False

    @property
    def ports(self) -> list[int]:
        """The port of each thread, for UDP and TCP."""
        return self._context.core.ports

    async def run(self) -> None:
        """Turn the core's events into reports until cancelled; then close the core."""
        loop, core = asyncio.get_running_loop(), self._context.core
        loop.add_reader(core.fileno(), self._events.take)
        try:
            await asyncio.Event().wait()
        finally:
            self._closed = True
            await self._tasks.close()
            self._fork_server.close()
            loop.remove_reader(core.fileno())
            self._reports.put_nowait(None)
            self._backlog.close()
            self._webrtc.answers.close()
            await loop.run_in_executor(None, core.close)

    async def reports(self) -> AsyncIterator[tuple[RoomId, Report]]:
        """See Engine."""
        while (report := await self._reports.get()) is not None:
            yield report

    def _report(self, room: RoomId, report: Report) -> None:
        self._reports.put_nowait((room, report))

    # ── actions ─────────────────────────────────────────────────────────────────────────────────────

    async def perform(self, room: RoomId, action: Action) -> None:
        """See Engine."""
        self._check_open()
        match action:
            case OpenSource() | OpenSink():
                self._open(room, action)
            case CloseSource(name) | CloseSink(name):
                self._close(room, name)
            case SetSourceActive() | SetSinkActive() | SetSinkLayer() | SetSinkOrigin() | ForgetSinkOrigin():
                self._change(room, action)
            case SetComposition(view, composition):
                self._encoders.compose(room, view, composition)
                self._webrtc.renew_listeners(room, view)
                self._renew_sent(room, EndpointMedia.listeners_changed)
            case CloseTransports(owner):
                self._webrtc.close(room, lambda transport: transport.owner == owner)

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("the media engine is stopped")

    def _open(self, room: RoomId, action: OpenSource | OpenSink) -> None:
        match action:
            case OpenSource(source=WebRtcSource()):
                self._webrtc.open_source(room, action)
            case OpenSink(sink=WebRtcSink()):
                self._webrtc.open_sink(room, action)
            case _:
                self._endpoints.open(room, action)

    def _close(self, room: RoomId, name: str) -> None:
        if self._endpoints.has(room, name):
            self._endpoints.close(room, name)
        else:
            self._webrtc.end(self._webrtc.transports.session(room, name))
        self._encoders.forget_stream(room, StreamId(name))

    def _change(
        self,
        room: RoomId,
        action: SetSourceActive | SetSinkActive | SetSinkLayer | SetSinkOrigin | ForgetSinkOrigin,
    ) -> None:
        name = action.stream if isinstance(action, SetSourceActive) else action.subscription
        if self._endpoints.has(room, name):
            if isinstance(action, SetSourceActive):
                self._context.mute(room, action.stream, action.kind, action.active)
            self._endpoints.change(room, name, action)
            return
        session = self._webrtc.transports.session(room, name)
        if session is None:
            return
        match action:
            case SetSourceActive(_, kind, active):
                self._webrtc.mute_source(session, kind, active)
            case SetSinkActive(_, kind, active):
                self._webrtc.mute_sink(session, kind, active)
            case SetSinkLayer(_, mid, layer):
                self._webrtc.set_layer(session, mid, layer)
            case SetSinkOrigin(_, track):
                self._webrtc.set_origin(session, track)

    async def close_room(self, room: RoomId) -> None:
        """See Engine."""
        if not self._closed:
            self._endpoints.close_room(room)
            self._webrtc.close(room, lambda _: True)
            self._encoders.close_room(room)
            self._webrtc.transports.close_room(room)

    # ── what endpoints of the server get ────────────────────────────────────────────────────────────

    def _media_of(self, entry: Entry) -> RoomMedia:
        media = EndpointMedia(
            self._context,
            entry,
            self._webrtc.transports.begin(entry.room).thread,
            self._pipelines,
            self._log.bind(room=entry.room, endpoint=entry.name),
            self._track_replaced,
        )
        self._medias[entry] = media
        entry.close_media += [media.close, lambda: self._forget_media(entry)]
        return media

    def _track_replaced(self, room: RoomId, producer: int) -> None:
        self._webrtc.track_replaced(room, producer)
        self._renew_sent(room, lambda media: media.track_replaced(producer))

    def _renew_sent(self, room: RoomId, renew: Callable[[EndpointMedia], bool]) -> None:
        """Let what endpoints send follow a change of where it comes from."""
        for entry, media in [one for one in self._medias.items() if one[0].room == room]:
            try:
                reason = "" if renew(media) else SOURCE_GONE
            except TooManyForms as refusal:
                reason = str(refusal)
            if reason:
                self._endpoints.fail(entry, reason)

    def _forget_media(self, entry: Entry) -> None:
        self._medias.pop(entry, None)

    def _cannot_encode(self, producer: int, reason: str) -> None:
        self._webrtc.cannot_encode(producer, reason)
        for entry in [one for one, media in self._medias.items() if media.draws_from(producer)]:
            self._endpoints.fail(entry, reason)

    # ── negotiation ─────────────────────────────────────────────────────────────────────────────────

    async def negotiate(self, room: RoomId, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        """See Engine."""
        self._check_open()
        return await self._negotiator.negotiate(room, owner, transport, offer)

    async def add_candidate(
        self, room: RoomId, owner: ParticipantId, transport: TransportId, candidate: str
    ) -> None:
        """See Engine."""
        self._check_open()
        await self._negotiator.add_candidate(room, owner, transport, candidate)

    # ── figures ─────────────────────────────────────────────────────────────────────────────────────

    def audio_levels(self, room: RoomId) -> Mapping[StreamId, tuple[int, bool]]:
        """The last (level in dBov, voice activity) of each audio stream of a room (RFC 6464)."""
        return self._tracks.levels(room)

    def stats(self) -> Mapping[str, float]:
        """Sums over the core's threads; counters end in ``_total``."""
        if self._closed:
            return {}
        sums: dict[str, float] = {
            "layer_changes_total": self._webrtc.layer_changes,
            "tasks_failed_total": self._tasks.failures,
            **self._endpoints.stats(),
            **self._encoders.stats(),
        }
        for thread in self._context.core.stats():
            for name, value in thread.items():
                key = name if name in _GAUGES else f"{name}_total"
                sums[key] = sums.get(key, 0) + value
        return sums
