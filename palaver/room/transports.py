"""Whose transport is whose, which are up, and which session uses which section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from palaver.room.endpoints import RtpSink, RtpSource, transport_of
from palaver.room.errors import Fault, RoomError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from palaver.room.endpoints import Sink, Source
    from palaver.room.negotiations import Session
    from palaver.room.values import ParticipantId, TransportId


@dataclass(slots=True)
class Transport:
    """One client's media connection; ``sections`` maps each used ``mid`` to its session."""

    owner: ParticipantId
    up: bool = False
    sections: dict[str, Session] = field(default_factory=dict)


@dataclass(slots=True)
class Transports:
    """The transports of a room. One exists from its first session until it is lost, or its owner goes.

    One that never came up is forgotten with its last session: the media plane may never have heard of it.
    """

    _all: dict[TransportId, Transport] = field(default_factory=dict)

    def check(self, owner: ParticipantId, transport: TransportId, mids: Iterable[str | None]) -> None:
        """Raise RoomError unless ``owner`` may put a session on these sections of ``transport``."""
        known = self._all.get(transport)
        if known is not None and known.owner != owner:
            raise RoomError(Fault.FORBIDDEN, transport, "transport of another participant")
        taken = set(known.sections) if known is not None else set()
        for index, mid in enumerate(mids):
            field_name = f"tracks[{index}].mid"
            if not mid:
                raise RoomError(Fault.BAD_REQUEST, field_name, "expected the mid of a section")
            if mid in taken:
                raise RoomError(Fault.BAD_REQUEST, field_name, f"section {mid} is in use")
            taken.add(mid)

    def checked(
        self, owner: ParticipantId | None, endpoint: Source | Sink, mids: Iterable[str | None]
    ) -> TransportId | None:
        """The transport of a source or sink, if ``owner`` may put it on these sections; None for one of the server."""
        transport = transport_of(endpoint)
        if transport is None:
            is_owned = isinstance(endpoint, RtpSource | RtpSink)
            if owner is not None and not is_owned:
                raise RoomError(Fault.FORBIDDEN, owner, "only the server may open this")
            if owner is None and is_owned:
                raise RoomError(Fault.BAD_REQUEST, "by", "a phone belongs to a participant")
            return None
        if owner is None:
            raise RoomError(Fault.BAD_REQUEST, "by", "a client's connection belongs to a participant")
        self.check(owner, transport, mids)
        return transport

    def bind(
        self,
        owner: ParticipantId | None,
        transport: TransportId | None,
        session: Session,
        mids: Iterable[str | None],
    ) -> None:
        """Give these sections to ``session``; ``checked`` has said yes."""
        if owner is None or transport is None:
            return
        known = self._all.setdefault(transport, Transport(owner))
        known.sections.update((mid, session) for mid in mids if mid)

    def release(self, transport: TransportId, session: Session) -> None:
        """Free the sections of ``session``."""
        known = self._all.get(transport)
        if known is None:
            return
        known.sections = {mid: user for mid, user in known.sections.items() if user != session}
        if not known.up and not known.sections:
            del self._all[transport]

    def came_up(self, transport: TransportId) -> ParticipantId | None:
        """Note that ``transport`` is connected; its owner if that is news, else None."""
        known = self._all.get(transport)
        if known is None or known.up:
            return None
        known.up = True
        return known.owner

    def lost(self, transport: TransportId) -> ParticipantId | None:
        """Forget ``transport``; its owner, or None if it was unknown."""
        known = self._all.pop(transport, None)
        return known.owner if known is not None else None

    def left(self, owner: ParticipantId) -> None:
        """Forget every transport of ``owner``."""
        for transport in [one for one, known in self._all.items() if known.owner == owner]:
            del self._all[transport]
