"""What an endpoint of the server gets of the in-process engine: see RoomMedia."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from palaver.media._core import CoreBusy
from palaver.media.formats import payload_of, same_stream
from palaver.media.ports import EngineError
from palaver.media.rtp import SECTION
from palaver.media.rtp_sending import RtpSending
from palaver.media.tracks import CoreTrack, thread_of
from palaver.room.messages import OpenSink, OpenSource

if TYPE_CHECKING:
    from collections.abc import Callable

    import structlog

    from palaver.media.context import EngineContext
    from palaver.media.encoders import Demand
    from palaver.media.endpoints import NewTrack
    from palaver.media.pipelines.supervisor import Pipelines
    from palaver.media.rtp import RtpTransport
    from palaver.media.server_side import Entry
    from palaver.room.values import Format, Kind, LayerPreference, RoomId, SubscribedTrack, Track


@dataclass(eq=False, slots=True)
class CoreTap:
    """A track that the core gives to a pipeline; ``draws`` is its producer."""

    format: Format
    draws: int
    _end: Callable[[], None]
    _demand: Demand | None = None
    closed: bool = False

    def close(self) -> None:
        """See Tap."""
        if self.closed:
            return
        self.closed = True
        self._end()
        if self._demand is not None:
            self._demand.release()


@dataclass(eq=False, slots=True)
class EndpointMedia:
    """The engine as one endpoint sees it. ``replaced`` hears which producer has another in its place."""

    context: EngineContext
    entry: Entry
    thread: int
    pipelines: Pipelines
    log: structlog.stdlib.BoundLogger
    replaced: Callable[[RoomId, int], None]
    tracks: dict[Kind, CoreTrack] = field(default_factory=dict)
    taps: list[CoreTap] = field(default_factory=list)
    sendings: dict[int, RtpSending] = field(default_factory=dict)  # by what the core calls the transport

    @property
    def room(self) -> RoomId:
        """See RoomMedia."""
        return self.entry.room

    def publish(self, track: NewTrack, pipeline: int, number: int) -> CoreTrack:
        """See RoomMedia."""
        assert isinstance(self.entry.action, OpenSource), "only a source publishes"
        core, coding = self.context.core, payload_of(track.format, track.fmtp)
        kind: Kind = "audio" if coding.channels is not None else "video"
        known = self.tracks.get(kind)
        if known is not None and same_stream(coding, known.coding) and coding.fmtp == known.coding.fmtp:
            known.size = track.size or known.size
            core.connect_output(known.producer, pipeline, number)
            return known
        producer = core.create_output(thread_of(pipeline), coding.codec)
        core.connect_output(producer, pipeline, number)
        new = CoreTrack(self.entry.action.stream, kind, coding, producer, size=track.size)
        return self._replace(new)

    def receive(self, transport: RtpTransport) -> CoreTrack:
        """See RoomMedia."""
        assert isinstance(self.entry.action, OpenSource), "only a source publishes"
        if transport.section is None:
            raise EngineError("nothing is agreed on for this RTP transport")
        section, action = transport.section, self.entry.action
        if transport.producer is not None:  # a section has one at a time
            self.context.backlog.do(partial(self.context.core.unpublish, transport.producer))
        producer = self.context.core.publish(transport.handle, SECTION)
        transport.published(producer)
        return self._replace(CoreTrack(action.stream, section.kind, section.payload, producer, action.owner))

    def _replace(self, new: CoreTrack) -> CoreTrack:
        """Let ``new`` be the source's track of its kind; whoever received the one before gets this one."""
        known = self.tracks.get(new.kind)
        self.tracks[new.kind] = new
        if known is not None:
            new.active = known.active
            self.context.tracks.remove(self.room, known)
        self.context.tracks.add(self.room, new)
        core = self.context.core
        if not new.active:
            self.context.backlog.do(partial(core.set_producer_active, new.producer, False))
        if known is not None:
            self.replaced(self.room, known.producer)
            self.context.backlog.do(partial(core.unpublish, known.producer))
        self.context.encoders.sources_changed(self.room)
        return new

    def send(self, track: SubscribedTrack, transport: RtpTransport) -> RtpSending | None:
        """See RoomMedia."""
        assert isinstance(self.entry.action, OpenSink), "only a sink sends"
        if former := self.sendings.pop(transport.handle, None):
            former.close()
        owner = self.entry.action.subscription.owner
        sending = RtpSending(self.context, self.room, self.thread, transport, track, owner)
        if not sending.attach():
            return None
        self.sendings[transport.handle] = sending
        return sending

    def listeners_changed(self) -> bool:
        """Somebody came into a view, or left it. False if what is sent is not to be had any more."""
        return all([one.renew() for one in self._sent()])

    def track_replaced(self, producer: int) -> bool:
        """Another track has come in place of ``producer``. False if it cannot be sent."""
        return all([one.attach() for one in self._sent() if one.draws == producer])

    def _sent(self) -> list[RtpSending]:
        return [one for one in self.sendings.values() if not one.closed]

    def tap(
        self, track: SubscribedTrack, pipeline: int, number: int, layer: LayerPreference | None = None
    ) -> CoreTap | None:
        """See RoomMedia."""
        core, source = self.context.core, self.context.tracks.find(self.room, track)
        demand: Demand | None = None
        if source is not None and not track.transcoded and source.format is not None:
            form, draws = source.format, source.producer
        else:
            if not track.formats:
                return None
            wanted = track.formats[0]
            demand = self.context.encoders.demand(self.room, track, wanted, None, self.thread)
            if demand is None:
                return None
            form, draws = demand.format, demand.producer
            demand.begin()
        try:
            consumer = core.tap(draws, pipeline, number)
        except CoreBusy:
            if demand is not None:
                demand.release()
            raise
        if layer is not None and demand is None:
            limits = (layer.max_width, layer.max_height, layer.max_framerate)
            self.context.backlog.do(partial(core.set_layer, consumer, layer.rid, *limits))
        end = partial(self.context.backlog.do, partial(core.unsubscribe, consumer))
        self.taps.append(tap := CoreTap(form, draws, end, demand))
        self.taps = [one for one in self.taps if not one.closed]
        return tap

    def ready(self, tracks: tuple[Track, ...] = ()) -> None:
        """See RoomMedia."""
        self.entry.ready(tracks)

    def interrupted(self, reason: str) -> None:
        """See RoomMedia."""
        self.entry.interrupted(reason)

    def resumed(self, tracks: tuple[Track, ...]) -> None:
        """See RoomMedia."""
        self.entry.resumed(tracks)

    def draws_from(self, producer: int) -> bool:
        """Whether one of its taps, or what it sends, gets what the core calls ``producer``."""
        tapped = any(tap.draws == producer and not tap.closed for tap in self.taps)
        return tapped or any(sending.draws == producer for sending in self._sent())

    def close(self) -> None:
        """End what the endpoint left open."""
        for tap in self.taps:
            tap.close()
        for sending in self.sendings.values():
            sending.close()
        for track in self.tracks.values():
            self.context.tracks.remove(self.room, track)
            self.context.backlog.do(partial(self.context.core.unpublish, track.producer))
        if self.tracks:
            self.context.encoders.sources_changed(self.room)
        self.tracks.clear()
        self.taps.clear()
        self.sendings.clear()
