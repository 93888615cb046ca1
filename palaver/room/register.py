"""Who is in a room and what they have there, and the look-ups that refuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from palaver.room.checks import check_own
from palaver.room.errors import Fault, RoomError
from palaver.room.values import StreamState

if TYPE_CHECKING:
    from palaver.room.values import (
        Participant,
        ParticipantId,
        Stream,
        StreamId,
        Subscription,
        SubscriptionId,
    )


@dataclass(slots=True)
class Register:
    """The tables of a room; ``streams`` has mixed ones first, then forward ones by age.

    ``by`` is who asks, as in commands: None may do everything.
    """

    participants: dict[ParticipantId, Participant] = field(default_factory=dict)
    streams: dict[StreamId, Stream] = field(default_factory=dict)
    subscriptions: dict[SubscriptionId, Subscription] = field(default_factory=dict)

    def participant(self, wanted: ParticipantId) -> Participant:
        """The participant ``wanted``."""
        participant = self.participants.get(wanted)
        if participant is None:
            raise RoomError(Fault.PARTICIPANT_NOT_FOUND, wanted)
        return participant

    def forward_stream(self, by: ParticipantId | None, wanted: StreamId) -> Stream:
        """The forward stream ``wanted``, if ``by`` may act on it."""
        actor = self.participant(by) if by is not None else None
        stream = self.streams.get(wanted)
        if stream is None:
            raise RoomError(Fault.STREAM_NOT_FOUND, wanted)
        if stream.mixed:
            raise RoomError(Fault.STREAM_IS_MIXED, wanted)
        check_own(actor, stream.owner, wanted)
        return stream

    def live_stream(self, by: ParticipantId | None, wanted: StreamId) -> Stream:
        """The forward stream ``wanted``, if others can see it and ``by`` may act on it."""
        stream = self.forward_stream(by, wanted)
        if stream.state is not StreamState.LIVE:
            raise RoomError(Fault.STREAM_NOT_FOUND, wanted)
        return stream

    def mixed_stream(self, wanted: StreamId) -> Stream:
        """The mixed stream ``wanted``."""
        stream = self.streams.get(wanted)
        if stream is None:
            raise RoomError(Fault.STREAM_NOT_FOUND, wanted)
        if not stream.mixed:
            raise RoomError(Fault.STREAM_IS_NOT_MIXED, wanted)
        return stream

    def subscription(self, by: ParticipantId | None, wanted: SubscriptionId) -> Subscription:
        """The subscription ``wanted``, if ``by`` may act on it."""
        actor = self.participant(by) if by is not None else None
        subscription = self.subscriptions.get(wanted)
        if subscription is None:
            raise RoomError(Fault.SUBSCRIPTION_NOT_FOUND, wanted)
        check_own(actor, subscription.owner, wanted)
        return subscription

    def subscribers(self, wanted: StreamId) -> list[Subscription]:
        """The subscriptions that draw from a stream."""
        return [
            subscription
            for subscription in self.subscriptions.values()
            if any(track.stream == wanted for track in subscription.tracks)
        ]

    def name_of(self, stream: Stream) -> str:
        """What is shown for a stream without a picture."""
        owner = self.participants.get(stream.owner) if stream.owner is not None else None
        return owner.user if owner is not None else stream.id

    def check_new(self, wanted: StreamId | SubscriptionId, fault: Fault) -> None:
        """Refuse the id of a stream or subscription that there is."""
        if wanted in self.streams or wanted in self.subscriptions:
            raise RoomError(fault, wanted)
