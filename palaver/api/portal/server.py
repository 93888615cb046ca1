"""The Socket.IO server that clients join through."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import socketio
import structlog

from palaver.api.portal import faults, notify, packets
from palaver.api.portal.connection import Connection
from palaver.api.portal.dialects import Refusal
from palaver.api.portal.early import EarlySessions
from palaver.api.portal.entrance import Entrance
from palaver.api.portal.library import SocketLink, SocketServer
from palaver.api.portal.limits import TokenBucket
from palaver.api.portal.members import Members
from palaver.api.portal.requests import PLANS, Answer, Negotiate, Requester, Submit, Trickle
from palaver.api.portal.session import Session
from palaver.api.portal.socket_guard import SocketGuard
from palaver.api.portal.states import State
from palaver.containment import OwnedTasks
from palaver.media.ports import EngineError, NegotiationError, TransportNotFound
from palaver.room.errors import RoomError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.portal.library import Scope
    from palaver.api.portal.members import Member
    from palaver.api.portal.session import Identity
    from palaver.api.portal.settings import PortalSettings
    from palaver.api.portal.socket_guard import App
    from palaver.host import Rooms
    from palaver.jobs.opening import RoomOpener

Ack = tuple[Any, ...]


class Portal:
    """Serves every client. ``run`` must be running before the first one comes."""

    def __init__(self, rooms: Rooms, opener: RoomOpener, tokens: TokenDesk, settings: PortalSettings) -> None:
        self._settings, self._rooms = settings, rooms
        self._members = Members(settings, self._revoke)
        self._readmission = tokens.readmission
        self._entrance = Entrance(opener, tokens, self._members, settings)
        self._connections: dict[str, Connection] = {}
        self._strangers: dict[str, float] = {}
        self.tasks = OwnedTasks("palaver.portal")
        self._tasks: OwnedTasks | None = None
        self._closing = False
        self._requests = self._refusals = self._bugs = 0
        self._log = structlog.get_logger("palaver.portal")
        self._early = EarlySessions(
            settings.max_early_sessions, settings.max_early_sessions_per_source, settings.sources
        )
        self._guard = SocketGuard(settings.path, self._early, settings.max_early_bytes)
        self._texts_refused = 0
        self._sio = self._socketio()

    def _socketio(self) -> SocketServer:
        """The library's server: one request at a time per client, in the order sent."""
        settings = self._settings
        silent = logging.getLogger("palaver.portal.socketio")
        silent.setLevel(logging.CRITICAL + 1)  # what it calls errors are the malformed packets of strangers
        server = SocketServer(
            async_mode="asgi",
            async_handlers=False,
            serializer=packets.TextPacket,
            json=packets,
            cors_allowed_origins=list(settings.origins),
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            max_http_buffer_size=settings.max_message_bytes,
            logger=silent,
            engineio_logger=silent,
        )
        server.begins, server.ends = self._session_begins, self._session_ends
        server.on("connect", self._on_connect)
        server.on("disconnect", self._on_disconnect)
        server.on("*", self._on_request)
        return server

    # ── life ────────────────────────────────────────────────────────────────────────────────────────

    def asgi(self, other: App) -> App:
        """The application that serves the portal's path here and everything else by ``other``."""
        app = socketio.ASGIApp(self._sio, other, socketio_path=self._settings.path)
        return self._guard.wrap(app)

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            self._tasks = self.tasks
            await self.tasks.kept(self._turn_out_strangers, "strangers")
        finally:
            self._tasks = None
            await self.tasks.close()
            self._members.stop()

    async def close(self) -> None:
        """Close every connection in the way after which clients try to come back, to this server's successor."""
        if self._closing:
            return
        self._closing = self._guard.shut = True
        for sid in self._sio.engine_sids:
            await self._sio.close_socket(sid)
        await self._sio.shutdown()

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        return {
            "portal_connections": len(self._connections),
            "portal_sessions": len(self._members),
            "portal_sessions_away": self._members.away,
            "portal_sessions_ended": self._members.ended,
            "portal_sessions_early": len(self._early),
            "portal_sessions_early_refused_total": self._early.refused,
            "portal_bodies_early_oversized_total": self._guard.oversized,
            "portal_texts_refused_total": self._texts_refused,
            "portal_texts_dropped_total": self._members.texts_dropped,
            "portal_requests": self._requests,
            "portal_requests_refused": self._refusals,
            "portal_requests_failed": self._bugs,
        }

    async def _turn_out_strangers(self) -> None:
        """Close what stays without being in service; sockets that never join the namespace included."""
        limit = self._settings.idle_timeout_s
        while True:
            await asyncio.sleep(limit / 10)
            now = self._settings.clock()
            served = {
                connection.link.engine_sid
                for connection in self._connections.values()
                if connection.session.state is State.IN_SERVICE
            }
            idle = [sid for sid in self._sio.engine_sids if sid not in served]
            self._strangers = {sid: self._strangers.get(sid, now) for sid in idle}
            for sid, since in self._strangers.items():
                if now - since >= limit:
                    await self._sio.close_socket(sid)

    # ── connections ─────────────────────────────────────────────────────────────────────────────────

    def _session_begins(self, engine_sid: str, scope: Scope) -> None:
        client = scope.get("client")
        self._early.begin(engine_sid, str(client[0]) if client else "")

    def _session_ends(self, engine_sid: str) -> None:
        self._early.end(engine_sid)
        self._guard.forget(engine_sid)

    def _trust(self, connection: Connection) -> None:
        """The client logged in: it counts no more as a stranger, and may send what members send."""
        engine_sid = connection.link.engine_sid
        self._early.end(engine_sid)
        scope = self._sio.scope_of(engine_sid)
        if scope is not None:  # else it went away meanwhile
            self._guard.trust(engine_sid, scope)

    async def _on_connect(self, sid: str, _environ: Any, _auth: Any = None) -> bool:
        if self._tasks is None or self._closing:
            return False
        settings = self._settings
        bucket = TokenBucket(settings.requests_per_s, settings.request_burst, settings.clock())
        session = Session(max_waiting=settings.max_waiting, max_texts=settings.max_waiting_texts)
        connection = Connection(SocketLink(self._sio, sid), session, bucket, settings.clock)
        self._connections[sid] = connection
        self._tasks.start(partial(self._serve, connection), "connection")
        return True

    async def _serve(self, connection: Connection) -> None:
        """Run the connection; a bug costs it and nobody else."""
        try:
            await connection.run()
        except Exception:
            self._bugs += 1
            self._log.exception("connection failed", participant=_id(connection))
            await connection.link.abort()

    async def _on_disconnect(self, sid: str, reason: str = "") -> None:
        connection = self._connections.pop(sid, None)
        if connection is None:
            return
        connection.lose()
        if reason == self._sio.reason.CLIENT_DISCONNECT:
            connection.link.finish_poll()
        session = connection.session
        participant = session.identity.participant if session.identity else None
        member = self._members.get(participant) if participant else None
        if member is None or member.connection is not connection:
            if session.state in (State.FRESH, State.ENTERING):
                session.lose(half_open=False)
        elif session.lose(half_open=self._half_open(connection, reason)) is State.AWAY:
            if not self._closing:
                self._members.away_from(member)
        else:
            self._members.leave(member, reason or "disconnected")
        self._log.debug("disconnected", participant=participant, reason=reason)

    def _half_open(self, connection: Connection, reason: str) -> bool:
        """Whether the connection may have been dead for a while: nobody closed it, it was found dead."""
        known = self._sio.reason
        if reason in (known.CLIENT_DISCONNECT, known.SERVER_DISCONNECT):
            return False
        engine_sid = connection.link.engine_sid
        return not self._guard.said_goodbye(engine_sid, self._sio.scope_of(engine_sid) or {})

    # ── requests ────────────────────────────────────────────────────────────────────────────────────

    async def _on_request(self, name: str, sid: str, *arguments: Any) -> Ack:
        """Answer one request: the two arguments of the acknowledgement. Never raises."""
        connection = self._connections.get(sid)
        if connection is None:
            return "error", "Illegal request"
        self._requests += 1
        connection.hold()
        try:
            data = await self._answer(connection, name, arguments[0] if arguments else None)
            return ("ok",) if data is None else ("ok", data)
        except Refusal as refusal:
            return self._refused(connection, name, str(refusal))
        except RoomError as error:
            return self._refused(connection, name, faults.text(error))
        except Exception:
            self._bugs += 1
            self._log.exception("request failed", request=name[:32], participant=_id(connection))
            return "error", "Internal error"
        finally:
            # The library queues the acknowledgement without giving way to other tasks, so this comes after it.
            asyncio.get_running_loop().call_soon(connection.release)

    async def _answer(self, connection: Connection, name: str, data: object) -> Any:
        if not connection.bucket.take(self._settings.clock()):
            connection.refused += 1
            if connection.refused > self._settings.request_burst:
                connection.finish()
            raise Refusal("Too many requests")
        if name == "login":
            welcome = await self._entrance.login(connection, data)
            self._trust(connection)
            return welcome
        if name == "relogin":
            resumed = await self._entrance.relogin(connection, data)
            self._trust(connection)
            return resumed
        member = self._member(connection)
        if member is None:
            raise Refusal("Illegal request")
        if name == "logout":
            await self._logged_out(member)
            return None
        if name == "refreshReconnectionTicket":
            if not member.identity.reconnectable:
                raise Refusal("Reconnection is not enabled.")
            return self._entrance.ticket(member)
        return await self._in_service(member, name, data)

    async def _logged_out(self, member: Member) -> None:
        """The member leaves, and does not come back after a restart either."""
        identity = member.identity
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.request_timeout_s):
                await self._readmission.try_to_revoke(identity.room, identity.participant)
        self._members.leave(member, "logged out")

    def _revoke(self, identity: Identity) -> None:
        """Whoever is gone does not come back after a restart; but whom the server's end ends, does."""
        if self._tasks is not None and not self._closing and identity.reconnectable:
            revoke = partial(self._readmission.try_to_revoke, identity.room, identity.participant)
            self._tasks.start(revoke, "revocation")

    async def _in_service(self, member: Member, name: str, data: object) -> Any:
        plan_request = PLANS.get(name)
        participant = member.host.room.participants.get(member.identity.participant)
        if plan_request is None or participant is None:
            raise Refusal("Illegal request")
        if name == "text" and not self._members.may_send(
            member, data.get("to") if isinstance(data, dict) else ""
        ):
            self._texts_refused += 1
            raise Refusal("Too many texts")
        requester = Requester(
            participant,
            member.identity.dialect,
            member.host.room,
            new_transport=lambda: self._entrance.next_transport(member),
            new_id=lambda: secrets.token_hex(16),
        )
        match plan_request(requester, data):
            case Submit(command, answer, opens):
                member.host.submit(command)
                if opens is not None:
                    member.session.transports += 1
                return answer
            case Answer(known):
                return known
            case Negotiate() | Trickle() as signal:
                return await self._signal(member, signal)

    async def _signal(self, member: Member, signal: Negotiate | Trickle) -> None:
        """Pass an offer or candidates on; the answer to an offer follows the acknowledgement."""
        owner = member.identity.participant
        if isinstance(signal, Negotiate) and len(signal.offer) > self._settings.max_offer_bytes:
            raise Refusal(f"The offer is larger than {self._settings.max_offer_bytes} bytes")
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                if isinstance(signal, Negotiate):
                    sdp = await member.host.negotiate(owner, signal.transport, signal.offer)
                    self._members.tell(member, notify.answer(signal.transport, sdp))
                else:
                    for candidate in signal.candidates:
                        await member.host.add_candidate(owner, signal.transport, candidate)
        except TransportNotFound:
            raise Refusal(f"Transport {signal.transport[:64]} does NOT exist") from None
        except (NegotiationError, EngineError) as refusal:
            raise Refusal(str(refusal)) from None
        except TimeoutError:
            raise Refusal("The media plane did not answer in time") from None

    def _member(self, connection: Connection) -> Member | None:
        """The member that the connection serves now."""
        identity = connection.session.identity
        member = self._members.get(identity.participant) if identity else None
        return member if member is not None and member.connection is connection else None

    def _refused(self, connection: Connection, name: str, text: str) -> Ack:
        self._refusals += 1
        self._log.debug("request refused", request=name[:32], participant=_id(connection), text=text)
        return "error", text


def _id(connection: Connection) -> str | None:
    identity = connection.session.identity
    return identity.participant if identity else None
