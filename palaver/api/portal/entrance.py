"""How clients come in: by token, by ticket, and by a ticket from before a restart."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from palaver.api.auth.tokens import TokenRefused
from palaver.api.portal import faults, notify
from palaver.api.portal.dialects import DIALECTS, Refusal
from palaver.api.portal.session import Identity, Session
from palaver.api.portal.states import State
from palaver.api.portal.tickets import Ticket, TicketRefused, Tickets
from palaver.api.wire.participants import participant_info, permission_info
from palaver.api.wire.portal import Sdk
from palaver.jobs.opening import RoomNotFound
from palaver.room.errors import RoomError
from palaver.room.messages import Join, SetPermission
from palaver.room.values import ParticipantId, RoomId
from palaver.store import StoreError

if TYPE_CHECKING:
    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.portal.connection import Connection
    from palaver.api.portal.dialects import Dialect
    from palaver.api.portal.members import Member, Members
    from palaver.api.portal.settings import PortalSettings
    from palaver.host import RoomHost
    from palaver.jobs.opening import RoomOpener

DEPRECATED_SDK = "3.5"

TRANSPORTS_TOLD = 16
"""Transports of a restored client that are declared lost: with one for everything or one per session, enough."""

RESTARTED = "Server restarted"


class Entrance:
    """Checks whoever comes, and brings them into their rooms. A refusal ends the connection."""

    def __init__(
        self, opener: RoomOpener, tokens: TokenDesk, members: Members, settings: PortalSettings
    ) -> None:
        self._opener, self._tokens, self._members, self._settings = opener, tokens, members, settings
        self._tickets = Tickets(settings.ticket_key, settings.ticket_lifetime_s)
        self._run = secrets.token_hex(8)

    # ── login ───────────────────────────────────────────────────────────────────────────────────────

    async def login(self, connection: Connection, data: object) -> dict[str, Any]:
        """Admit a newcomer; the answer. Raises Refusal, after which a fresh connection ends."""
        session = connection.session
        if not session.begin():
            raise Refusal("Connection is in service")
        try:
            dialect, sdk = _client(data)
            member = await self._join(connection, session, data, dialect, sdk)
        except BaseException:
            session.refuse()
            connection.finish()
            raise
        return self._welcome(member)

    async def _join(
        self, connection: Connection, session: Session, data: object, dialect: Dialect, sdk: str
    ) -> Member:
        token = data.get("token") if isinstance(data, dict) else None
        if not isinstance(token, str):
            raise Refusal("Invalid token")
        try:
            async with (
                asyncio.timeout(self._settings.request_timeout_s),
                self._tokens.admission(token) as record,
            ):
                host = await self._opener.open(RoomId(record.room))
                participant = ParticipantId(connection.link.sid)
                identity = Identity(
                    participant, RoomId(record.room), record.user, record.role, sdk, dialect, self._run
                )
                return self._admit(connection, session, identity, host)
        except TokenRefused as refused:
            raise Refusal(str(refused)) from None
        except (RoomNotFound, StoreError, RoomError, TimeoutError) as problem:
            raise Refusal("Joining room failed") from problem

    def _admit(self, connection: Connection, session: Session, identity: Identity, host: RoomHost) -> Member:
        """Join, in one go with listening to the room, so that nothing is missed or told twice."""
        if session.state is not State.ENTERING:
            raise Refusal("Participant early left")
        try:
            host.submit(Join(identity.participant, identity.user, identity.role))
        except RoomError as error:
            raise Refusal(faults.login_text(error)) from None
        session.admit(identity)
        return self._members.enter(session, identity, host, connection)

    def _welcome(self, member: Member) -> dict[str, Any]:
        identity, room = member.identity, member.host.room
        streams = [notify.describe(stream, room.config, identity.dialect) for stream in room.live_streams()]
        answer: dict[str, Any] = {
            "id": identity.participant,
            "user": identity.user,
            "role": identity.role,
            "permission": permission_info(room.participants[identity.participant].permission),
            "room": {
                "id": room.config.id,
                "views": [view.label for view in room.config.views],
                "participants": [participant_info(other) for other in room.participants.values()],
                "streams": streams,
            },
        }
        if room.recording is not None:
            answer["room"]["recording"] = room.recording
        if servers := self._settings.ice_servers(secrets.token_hex(8)):
            answer["iceServers"] = [server.info() for server in servers]
        if identity.reconnectable:
            answer["reconnectionTicket"] = self.ticket(member)
        return answer

    # ── coming back ─────────────────────────────────────────────────────────────────────────────────

    def ticket(self, member: Member) -> str:
        """A new ticket for the member."""
        identity = member.identity
        unsigned = Ticket(
            participant_id=identity.participant,
            ticket_id=secrets.token_hex(16),
            not_before=0,
            not_after=0,
            run=identity.run,
            room=identity.room,
            user=identity.user,
            role=identity.role,
            sdk=identity.sdk,
            protocol=identity.dialect.version,
        )
        return self._tickets.issue(unsigned, self._now_ms())

    def next_transport(self, member: Member) -> str:
        """The id of the member's next transport, and of the session that begins it."""
        identity = member.identity
        return self._tickets.transport_id(identity.participant, identity.run, member.session.transports)

    async def relogin(self, connection: Connection, data: object) -> str | dict[str, Any]:
        """Continue an earlier session; the answer. Raises Refusal, after which a fresh connection ends."""
        fresh = connection.session
        if not fresh.begin():
            raise Refusal("Connection is in service")
        try:
            ticket = self._tickets.read(data, self._now_ms())
            member = self._members.get(ParticipantId(ticket.participant_id))
            if member is None:
                member = await self._restore(connection, fresh, ticket)
            else:
                self._resume(connection, fresh, member, ticket)
        except TicketRefused as refused:
            fresh.refuse()
            connection.finish()
            raise Refusal(str(refused)) from None
        except BaseException:
            fresh.refuse()
            connection.finish()
            raise
        return self._resumed(member)

    def _resume(self, connection: Connection, fresh: Session, member: Member, ticket: Ticket) -> None:
        if ticket.room != member.identity.room:
            raise Refusal("Participant ID is not matched")
        if not member.identity.reconnectable:
            raise Refusal("Reconnection is not allowed")
        fresh.refuse()
        old = member.connection
        member.session.resume(connection.wake)
        connection.adopt(member.session)
        self._members.back(member, connection)
        if old is not None:
            old.adopt(fresh)  # which is gone: nothing more is sent there
            old.finish()

    async def _restore(self, connection: Connection, fresh: Session, ticket: Ticket) -> Member:
        """Bring back a participant from before a restart, without the streams that it had."""
        if ticket.run == self._run:  # it left meanwhile
            raise Refusal("Client does NOT exist")
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                participant = ParticipantId(ticket.participant_id)
                may_return, permission = await self._tokens.readmission.standing(participant)
                if not may_return:
                    raise Refusal("Client does NOT exist")
                host = await self._opener.open(RoomId(ticket.room))
        except (RoomNotFound, StoreError, RoomError, TimeoutError) as problem:
            raise Refusal("Client does NOT exist") from problem
        identity = Identity(
            participant=participant,
            room=RoomId(ticket.room),
            user=ticket.user,
            role=ticket.role,
            sdk=ticket.sdk,
            dialect=DIALECTS[ticket.protocol],
            run=self._run,
        )
        member = self._admit(connection, fresh, identity, host)
        if permission is not None:
            host.submit(SetPermission(participant, permission))
        self._tell_restored(member, ticket)
        return member

    def _tell_restored(self, member: Member, ticket: Ticket) -> None:
        """Declare the old transports lost, and announce what the client cannot have heard of."""
        for number in range(TRANSPORTS_TOLD):
            lost = self._tickets.transport_id(ticket.participant_id, ticket.run, number)
            self._members.tell(member, notify.error(lost, RESTARTED))
        room = member.host.room
        if member.identity.dialect.version == "1.2":
            self._members.tell(member, notify.recorded(room.recording))
        for participant in room.participants.values():
            if participant.id != member.identity.participant and room.config.notify_participants:
                self._members.tell(member, notify.joined(participant))
        for stream in room.live_streams():
            if not stream.mixed and room.config.notify_streams:
                self._members.tell(member, notify.added(stream, room.config, member.identity.dialect))

    def _now_ms(self) -> int:
        return int(self._settings.wall_clock() * 1000)

    def _resumed(self, member: Member) -> str | dict[str, Any]:
        ticket = self.ticket(member)
        if not member.identity.resumes_with_messages:
            return ticket
        missed = [
            {"event": entry.notification.event, "data": entry.notification.data, "seq": entry.seq}
            for entry in member.session.outbox.drain()
        ]
        return {"ticket": ticket, "messages": missed}


def _client(data: object) -> tuple[Dialect, str]:
    """The dialect that a login speaks and the type of its SDK. Raises Refusal."""
    protocol = data.get("protocol") if isinstance(data, dict) else None
    dialect = DIALECTS.get(protocol) if isinstance(protocol, str) else None
    if not isinstance(data, dict) or dialect is None:
        raise Refusal("Unknown client protocol")
    agent = data.get("userAgent")
    try:
        sdk = msgspec.convert(agent.get("sdk") if isinstance(agent, dict) else None, Sdk)
    except msgspec.ValidationError:
        raise Refusal("User agent info is incorrect") from None
    if sdk.version == DEPRECATED_SDK:
        raise Refusal("Deprecated client version")
    if not sdk.version or not sdk.type or len(sdk.type) > 64:
        raise Refusal("User agent info is incorrect")
    return dialect, sdk.type
