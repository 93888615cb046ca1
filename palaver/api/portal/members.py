"""The sessions in service: told what happens in their rooms, kept while they are away, ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from palaver.api.portal.limits import TokenBucket
from palaver.api.portal.notify import DROP, notice
from palaver.api.portal.outbox import Notification, Overflow
from palaver.api.portal.states import State
from palaver.room.errors import RoomError
from palaver.room.messages import Leave, ParticipantDropped, ParticipantLeft

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.api.portal.connection import Connection
    from palaver.api.portal.dialects import Dialect
    from palaver.api.portal.notify import Notice
    from palaver.api.portal.session import Identity, Session
    from palaver.api.portal.settings import PortalSettings
    from palaver.host import RoomHost
    from palaver.room.messages import Event
    from palaver.room.values import ParticipantId

_BURST_S: Final = 5.0
"""Texts that may come at once: those of so many seconds."""


@dataclass(slots=True)
class Member:
    """A session in service or away, and what it needs. ``connection`` None: away until ``timer`` fires."""

    session: Session
    identity: Identity
    host: RoomHost
    connection: Connection | None
    texts: TokenBucket
    timer: asyncio.TimerHandle | None = None


class Members:
    """Every member that joined through this portal."""

    def __init__(self, settings: PortalSettings, gone: Callable[[Identity], None]) -> None:
        """``gone`` is called for each member that ends for good, not for those that a restart interrupts."""
        self._settings, self._gone = settings, gone
        self._members: dict[ParticipantId, Member] = {}
        self._listeners: dict[RoomHost, RoomListener] = {}
        self._log = structlog.get_logger("palaver.portal")
        self.ended = 0
        self._texts_dropped = 0

    def __len__(self) -> int:
        return len(self._members)

    @property
    def away(self) -> int:
        """How many members have no connection now."""
        return sum(member.connection is None for member in self._members.values())

    @property
    def texts_dropped(self) -> int:
        """How many texts never reached members who were away, or read too slowly, for too long."""
        return self._texts_dropped + sum(one.session.outbox.dropped for one in self._members.values())

    def get(self, participant: ParticipantId) -> Member | None:
        """The member of this id."""
        return self._members.get(participant)

    def enter(self, session: Session, identity: Identity, host: RoomHost, connection: Connection) -> Member:
        """Tell ``session`` everything that happens in its room from now on."""
        settings = self._settings
        texts = TokenBucket(settings.texts_per_s, int(settings.texts_per_s * _BURST_S) + 1, settings.clock())
        member = Member(session, identity, host, connection, texts)
        self._members[identity.participant] = member
        listener = self._listeners.get(host)
        if listener is None:
            listener = self._listeners[host] = RoomListener(host, self, self._settings)
        listener.members[identity.participant] = member
        self._log.info("session begins", room=identity.room, participant=identity.participant)
        return member

    def may_send(self, member: Member, to: object) -> bool:
        """Whether the member may send a text now to one participant or, ``to`` "all", to the room; it is counted."""
        now = self._settings.clock()
        listener = self._listeners[member.host]
        return member.texts.take(now) and listener.texts.take(
            now, len(listener.members) if to == "all" else 1
        )

    def away_from(self, member: Member) -> None:
        """The member's connection is gone: wait for it to come back, but not for ever."""
        member.connection = None
        loop = asyncio.get_running_loop()
        member.timer = loop.call_later(
            self._settings.reconnection_timeout_s, self.leave, member, "did not come back"
        )

    def back(self, member: Member, connection: Connection) -> None:
        """The member has a connection again."""
        self._stop_timer(member)
        member.connection = connection

    def leave(self, member: Member, why: str) -> None:
        """The member's session ends, and with it its participant."""
        if self._forget(member, why):
            with suppress(RoomError):  # the room may have ended meanwhile
                member.host.submit(Leave(member.identity.participant))

    def dropped(self, member: Member) -> None:
        """The room removed the participant: tell the client and disconnect it."""
        with suppress(Overflow):  # then it hears of nothing any more
            member.session.tell(DROP, self._settings.clock())
        connection = member.connection
        if self._forget(member, "dropped") and connection is not None:
            connection.finish()

    def tell(self, member: Member, notification: Notification, settle_s: float = 0.0) -> None:
        """Queue a notification; a member with too many of them leaves, when the room is done with this event."""
        if notification.fleeting and member.connection is None:
            return
        try:
            member.session.tell(notification, self._settings.clock(), settle_s)
        except Overflow:
            asyncio.get_running_loop().call_soon(self._overwhelmed, member)

    def stop(self) -> None:
        """Forget everybody without a word: the process ends, and tickets outlive it."""
        for member in self._members.values():
            self._stop_timer(member)
        for listener in self._listeners.values():
            listener.stop()
        self._members.clear()
        self._listeners.clear()

    def _overwhelmed(self, member: Member) -> None:
        connection = member.connection
        self.leave(member, "too many notifications waited")
        if connection is not None:
            connection.finish()

    def _forget(self, member: Member, why: str) -> bool:
        identity = member.identity
        if self._members.get(identity.participant) is not member:
            return False
        self._stop_timer(member)
        del self._members[identity.participant]
        listener = self._listeners[member.host]
        del listener.members[identity.participant]
        if not listener.members:
            listener.stop()
            del self._listeners[member.host]
        if member.session.state is not State.GONE:
            member.session.end()
        self.ended += 1
        self._gone(identity)
        self._texts_dropped += member.session.outbox.dropped
        self._log.info("session ends", room=identity.room, participant=identity.participant, why=why)
        return True

    @staticmethod
    def _stop_timer(member: Member) -> None:
        if member.timer is not None:
            member.timer.cancel()
            member.timer = None


class RoomListener:
    """Tells the events of one room to the members in it; each notification is made once per dialect."""

    def __init__(self, host: RoomHost, owner: Members, settings: PortalSettings) -> None:
        self.members: dict[ParticipantId, Member] = {}
        self._owner, self._config, self._delay_s = owner, host.room.config, settings.stream_delay_s
        rate = settings.text_deliveries_per_s
        self.texts = TokenBucket(rate, int(rate * _BURST_S) + 1, settings.clock())
        self.stop: Callable[[], None] = host.listen(self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, ParticipantDropped | ParticipantLeft):
            gone = self.members.get(event.participant)
            if gone is not None:
                self._owner.dropped(gone)
        if isinstance(event, ParticipantDropped):
            return
        notices: dict[Dialect, Notice | None] = {}
        for participant, member in list(self.members.items()):
            dialect = member.identity.dialect
            if dialect not in notices:
                notices[dialect] = notice(event, self._config, dialect)
            told = notices[dialect]
            if told is not None and told.to in (None, participant) and told.but != participant:
                self._owner.tell(member, told.notification, self._delay_s if told.settle else 0.0)
