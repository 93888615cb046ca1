"""The port between rooms and the media plane: in process, on another node, or the fake that ships with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from palaver.room.messages import Action, Report
    from palaver.room.values import ParticipantId, RoomId, TransportId


class NegotiationError(Exception):
    """An offer or candidate that cannot be used; the text says why and may be shown to the client."""


class TransportNotFound(NegotiationError):
    """Nothing was ever published or subscribed on this transport, or it is gone."""


class EngineError(Exception):
    """The media plane cannot take the work now (full, stopped); the text says why."""


class Engine(Protocol):
    """Carries out what rooms decide about media. One engine serves all rooms of a node.

    Everything passed in and out is plain data, so that an engine may live in another process.
    """

    async def perform(self, room: RoomId, action: Action) -> None:
        """Accept the work and return; its outcome arrives later as a report.

        Raises EngineError if it cannot be accepted. Actions of one room are carried out in the order given.
        Closing what does not exist is not an error.
        """
        ...

    def reports(self) -> AsyncIterator[tuple[RoomId, Report]]:
        """All reports, in order per room, until the engine stops. One consumer."""
        ...

    async def negotiate(self, room: RoomId, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        """Answer an SDP offer (RFC 8829): binds the sections that opened sources and sinks wait for.

        Raises TransportNotFound if ``owner`` has no such transport, NegotiationError if the offer is refused.
        """
        ...

    async def add_candidate(
        self, room: RoomId, owner: ParticipantId, transport: TransportId, candidate: str
    ) -> None:
        """Take a remote ICE candidate (RFC 8839 ``candidate:…``, with or without ``a=``). Raises like negotiate."""
        ...

    async def close_room(self, room: RoomId) -> None:
        """Release everything the room still holds."""
        ...

    def stats(self) -> Mapping[str, float]:
        """Counters and gauges of the media plane by their metric name without prefix."""
        ...
