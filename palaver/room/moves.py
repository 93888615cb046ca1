"""Every legal move of a stream and of a subscription; a report that finds none came too late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.room.messages import (
    Close,
    Leave,
    ResolutionSeen,
    SinkLost,
    SinkReady,
    SourceInterrupted,
    SourceLost,
    SourceReady,
    SourceResumed,
    StreamRemoved,
    Tick,
    TransportLost,
    Unpublish,
    Unsubscribe,
)
from palaver.room.values import StreamState, SubscriptionState

if TYPE_CHECKING:
    from collections.abc import Mapping

# A trigger is the type of what moved it: ``Leave`` is every way of going (Drop and Close too), ``Close`` the end of the
# room for what has no owner, ``Tick`` the deadline to begin, ``StreamRemoved`` the end of a stream that a subscription
# draws from.

STREAM_MOVES: Final[Mapping[tuple[StreamState, type], StreamState]] = {
    (StreamState.NEGOTIATING, SourceReady): StreamState.LIVE,
    (StreamState.NEGOTIATING, SourceLost): StreamState.ENDED,
    (StreamState.NEGOTIATING, TransportLost): StreamState.ENDED,
    (StreamState.NEGOTIATING, Unpublish): StreamState.ENDED,
    (StreamState.NEGOTIATING, Leave): StreamState.ENDED,
    (StreamState.NEGOTIATING, Tick): StreamState.ENDED,
    (StreamState.NEGOTIATING, Close): StreamState.ENDED,
    (StreamState.LIVE, ResolutionSeen): StreamState.LIVE,
    (StreamState.LIVE, SourceInterrupted): StreamState.LIVE,
    (StreamState.LIVE, SourceResumed): StreamState.LIVE,
    (StreamState.LIVE, SourceLost): StreamState.ENDED,
    (StreamState.LIVE, TransportLost): StreamState.ENDED,
    (StreamState.LIVE, Unpublish): StreamState.ENDED,
    (StreamState.LIVE, Leave): StreamState.ENDED,
    (StreamState.LIVE, Close): StreamState.ENDED,
}

SUBSCRIPTION_MOVES: Final[Mapping[tuple[SubscriptionState, type], SubscriptionState]] = {
    (SubscriptionState.NEGOTIATING, SinkReady): SubscriptionState.LIVE,
    (SubscriptionState.NEGOTIATING, SinkLost): SubscriptionState.ENDED,
    (SubscriptionState.NEGOTIATING, TransportLost): SubscriptionState.ENDED,
    (SubscriptionState.NEGOTIATING, StreamRemoved): SubscriptionState.ENDED,
    (SubscriptionState.NEGOTIATING, Unsubscribe): SubscriptionState.ENDED,
    (SubscriptionState.NEGOTIATING, Leave): SubscriptionState.ENDED,
    (SubscriptionState.NEGOTIATING, Close): SubscriptionState.ENDED,
    (SubscriptionState.NEGOTIATING, Tick): SubscriptionState.ENDED,
    (SubscriptionState.LIVE, SinkLost): SubscriptionState.ENDED,
    (SubscriptionState.LIVE, TransportLost): SubscriptionState.ENDED,
    (SubscriptionState.LIVE, StreamRemoved): SubscriptionState.ENDED,
    (SubscriptionState.LIVE, Unsubscribe): SubscriptionState.ENDED,
    (SubscriptionState.LIVE, Leave): SubscriptionState.ENDED,
    (SubscriptionState.LIVE, Close): SubscriptionState.ENDED,
}
