"""The sessions of WHIP and WHEP: a participant each, with one publication or subscription."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import structlog

from palaver.media.ports import NegotiationError, TransportNotFound
from palaver.media.webrtc import offers
from palaver.room.endpoints import WebRtcSource
from palaver.room.errors import RoomError
from palaver.room.messages import (
    Join,
    Leave,
    ParticipantLeft,
    Publish,
    SessionFailed,
    Subscribe,
    TransportFailed,
)
from palaver.room.values import ParticipantId, TransportId

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.host import RoomHost
    from palaver.room.messages import Event
    from palaver.room.values import StreamId
    from palaver.store import TokenRecord

Protocol = Literal["whip", "whep"]


class SessionEnded(Exception):
    """The session ended while it was asked for something; the text is the reason."""


@dataclass(eq=False, slots=True)
class Session:
    """One client. Its ``id`` is a secret between it and us: whoever knows it can address the session.

    ``etag`` names the ICE session, ``offer`` is the last one that was answered; ``lock`` serialises changes of both.
    """

    protocol: Protocol
    host: RoomHost
    token: bytes
    offer: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    participant: ParticipantId = field(default_factory=lambda: ParticipantId(secrets.token_urlsafe(15)))
    transport: TransportId = field(default_factory=lambda: TransportId(secrets.token_hex(16)))
    etag: str = field(default_factory=lambda: new_etag())
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""

    def belongs_to(self, token: str) -> bool:
        """Whether it was made with this token."""
        return hmac.compare_digest(self.token, digest(token))

    @property
    def path(self) -> str:
        """Where it is addressed."""
        return f"/{self.protocol}/{self.host.room.config.id}/sessions/{self.id}"


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def new_etag() -> str:
    """The strong entity tag of a new ICE session (RFC 9110 §8.8.3)."""
    return f'"{secrets.token_hex(8)}"'


class Sessions:
    """Every session, and what their rooms say about them."""

    def __init__(self, verdict_timeout_s: float) -> None:
        self._verdict_timeout_s = verdict_timeout_s
        self._by_id: dict[str, Session] = {}
        self._listeners: dict[RoomHost, RoomListener] = {}
        self._log = structlog.get_logger("palaver.whip")

    def __len__(self) -> int:
        return len(self._by_id)

    def count(self, protocol: Protocol) -> int:
        """How many there are of one protocol."""
        return sum(session.protocol == protocol for session in self._by_id.values())

    def get(self, session: str, protocol: Protocol, room: str) -> Session | None:
        """The session of this id, if it is one of this protocol in this room."""
        found = self._by_id.get(session)
        if found is None or found.protocol != protocol or found.host.room.config.id != room:
            return None
        return found

    def publisher_of(self, host: RoomHost, stream: StreamId) -> Session | None:
        """The session that publishes ``stream``."""
        listener, known = self._listeners.get(host), host.room.streams.get(stream)
        return listener.sessions.get(known.owner) if listener and known and known.owner else None

    async def begin(self, session: Session, who: TokenRecord, first: Publish | Subscribe) -> str:
        """Join with the first command, and negotiate; the answer. Raises RoomError, NegotiationError, EngineError,
        SessionEnded; then nothing is left of the session.
        """
        session.host.enter(Join(session.participant, who.user, who.role), first)
        self._remember(session)
        wanted = _sections(first)
        try:
            answer = await self.negotiate(session, session.offer)
            if offers.closed_sections(answer).issuperset(wanted):
                raise NegotiationError(await self._verdict(session))
        except BaseException:
            self.end(session, "the offer was refused")
            raise
        return answer

    async def negotiate(self, session: Session, offer: str) -> str:
        """The answer to an offer, which becomes the session's. Raises NegotiationError, EngineError, SessionEnded."""
        try:
            answer = await session.host.negotiate(session.participant, session.transport, offer)
        except TransportNotFound as gone:
            raise SessionEnded(session.reason or str(gone)) from None
        session.offer = offer
        return answer

    async def _verdict(self, session: Session) -> str:
        """Why a section was closed: the room is told after the answer was made."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._verdict_timeout_s):
                await session.ended.wait()
        return session.reason or "the offer cannot be used"

    def end(self, session: Session, reason: str) -> None:
        """End the session, and with it its participant; again is not an error."""
        if self._forget(session, reason):
            with suppress(RoomError):  # it left, or the room ended
                session.host.submit(Leave(session.participant))

    def _remember(self, session: Session) -> None:
        self._by_id[session.id] = session
        listener = self._listeners.get(session.host)
        if listener is None:
            listener = self._listeners[session.host] = RoomListener(session.host, self)
        listener.sessions[session.participant] = session
        self._log.info("session begins", **_words(session))

    def _forget(self, session: Session, reason: str) -> bool:
        if self._by_id.pop(session.id, None) is None:
            return False
        session.reason = reason
        session.ended.set()
        listener = self._listeners[session.host]
        del listener.sessions[session.participant]
        if not listener.sessions:
            listener.stop()
            del self._listeners[session.host]
        self._log.info("session ends", why=reason, **_words(session))
        return True

    def left(self, session: Session) -> None:
        """The room says that its participant is gone."""
        self._forget(session, "dropped")


class RoomListener:
    """Looks among the events of one room for those that end a session."""

    def __init__(self, host: RoomHost, owner: Sessions) -> None:
        self.sessions: dict[ParticipantId, Session] = {}
        self._owner = owner
        self.stop: Callable[[], None] = host.listen(self._hear)

    def _hear(self, event: Event) -> None:
        match event:
            case SessionFailed(owner=who, reason=reason) | TransportFailed(owner=who, reason=reason):
                if who is not None and (session := self.sessions.get(who)):
                    self._owner.end(session, reason)
            case ParticipantLeft(participant=who):
                if session := self.sessions.get(who):
                    self._owner.left(session)


def _words(session: Session) -> dict[str, str]:
    return {
        "protocol": session.protocol,
        "room": session.host.room.config.id,
        "participant": session.participant,
    }


def _sections(first: Publish | Subscribe) -> list[str | None]:
    if isinstance(first, Subscribe):
        return [track.mid for track in first.tracks]
    return [track.mid for track in first.source.tracks] if isinstance(first.source, WebRtcSource) else []
