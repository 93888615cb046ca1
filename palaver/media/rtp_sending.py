"""What a call's peer is sent over plain RTP: a track as it comes, or encoded, with its own numbers going on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from palaver.media.formats import carries, fragments_fit, made_as
from palaver.media.rtp import SECTION

if TYPE_CHECKING:
    from palaver.media.context import EngineContext
    from palaver.media.encoders import Demand
    from palaver.media.rtp import RtpTransport
    from palaver.room.values import ParticipantId, RoomId, SubscribedTrack


@dataclass(eq=False, slots=True)
class RtpSending:
    """A subscribed track on its way to a peer. ``draws`` is the producer that it gets, 0 for none."""

    context: EngineContext
    room: RoomId
    thread: int
    transport: RtpTransport
    track: SubscribedTrack
    listener: ParticipantId | None
    draws: int = 0
    active: bool = True
    closed: bool = False
    _consumer: int | None = None
    _demand: Demand | None = field(default=None)

    def attach(self) -> bool:
        """Send the track, in place of what was sent; False if it is not to be had. Raises TooManyForms."""
        former, self._demand = self._demand, None
        self._detach()
        try:
            self._attach()
        finally:
            if former is not None:
                former.release()  # only now: the two may be the same
        return bool(self.draws)

    def _attach(self) -> None:
        section = self.transport.section
        if section is None or self.closed:
            return
        payload, core = section.payload, self.context.core
        source = self.context.tracks.find(self.room, self.track)
        as_it_comes = source is not None and not self.track.transcoded and carries(payload, source.coding)
        if source is not None and as_it_comes and fragments_fit(payload, source.coding):
            self.draws = source.producer
        else:
            form = made_as(payload, self.track.formats)
            if form is not None:
                self._demand = self.context.encoders.demand(
                    self.room, self.track, form, self.listener, self.thread
                )
            if self._demand is not None:
                self._demand.begin()
            self.draws = 0 if self._demand is None else self._demand.producer
        if self.draws:
            self._consumer = core.subscribe(self.draws, self.transport.handle, SECTION)
            self.transport.consumer = self._consumer
            if not self.active:
                self.set_active(False)

    def set_active(self, active: bool) -> None:
        """See Sending."""
        self.active = active
        if self._consumer is not None:
            self.context.backlog.do(partial(self.context.core.set_consumer_active, self._consumer, active))

    def renew(self) -> bool:
        """Send another mix if the listener came into the view, or left it; False if that is not to be had."""
        outdated = (
            self._demand is not None
            and self.listener is not None
            and self.context.encoders.is_outdated(self._demand, self.room, self.track.stream, self.listener)
        )
        return not outdated or self.attach()

    def close(self) -> None:
        """See Sending."""
        if not self.closed:
            self.closed = True
            self._detach()
            if self._demand is not None:
                self._demand.release()
                self._demand = None

    def _detach(self) -> None:
        if self._consumer is not None:
            self.context.backlog.do(partial(self.context.core.unsubscribe, self._consumer))
            self._consumer, self.draws = None, 0
