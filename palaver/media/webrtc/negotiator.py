"""Answers clients' offers, and binds to their sections what waits for them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from palaver.media import _core
from palaver.media.ports import EngineError, NegotiationError, TransportNotFound
from palaver.media.webrtc.negotiation import candidate_line, finish, plan
from palaver.media.webrtc.sessions import STOPPED, gone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palaver.media.context import EngineContext
    from palaver.media.webrtc.engine import WebRtcEngine
    from palaver.media.webrtc.negotiation import Bound, Plan
    from palaver.media.webrtc.sessions import Transport
    from palaver.room.values import ParticipantId, RoomId, TransportId

READY_DELAY_S: Final = 0.01
"""Between an answer on a working transport and the word that its sessions are ready, so that clients apply it first."""


class Negotiator:
    """One negotiation at a time on each transport."""

    def __init__(self, context: EngineContext, webrtc: WebRtcEngine, public_addresses: Sequence[str]) -> None:
        self._context, self._webrtc = context, webrtc
        self._public = tuple(public_addresses)
        self._log = structlog.get_logger("palaver.media")

    def _owned(self, room: RoomId, owner: ParticipantId, transport: TransportId) -> Transport:
        found = self._webrtc.transports.get(room, transport)
        if found is None or found.owner != owner:
            raise gone(transport)
        return found

    async def negotiate(self, room: RoomId, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        """See Engine."""
        found = self._owned(room, owner, transport)
        async with found.lock:
            self._check_alive(found)
            prepared = plan(offer, found.wanted(), found.used())
            answer = await self._ask(found, prepared.offer)
            self._check_alive(found)
            self._settle(found, prepared)
            return finish(answer, found.names(), self._public, prepared.parameters)

    async def add_candidate(
        self, room: RoomId, owner: ParticipantId, transport: TransportId, candidate: str
    ) -> None:
        """See Engine."""
        found = self._owned(room, owner, transport)
        line = candidate_line(candidate)
        if line is None or (not found.negotiated and found.answer is None):
            return  # before the offer there is nothing to add it to; the client's checks will show its address
        try:
            self._context.core.add_candidate(found.handle, line)
        except _core.CoreBusy as busy:
            raise EngineError(str(busy)) from busy

    def _check_alive(self, transport: Transport) -> None:
        if self._webrtc.transports.by_handle(transport.handle) is not transport:
            raise gone(transport.id)

    async def _ask(self, transport: Transport, offer: str) -> str:
        try:
            answer = await self._webrtc.answers.ask(self._context.core, transport, offer)
        except TransportNotFound:
            raise
        except NegotiationError:
            self._renew(transport)
            raise
        transport.negotiated = True
        return answer

    def _renew(self, transport: Transport) -> None:
        """The core keeps no transport whose first offer it refused, and uses no handle twice."""
        transports, core = self._webrtc.transports, self._context.core
        if transport.negotiated or transports.by_handle(transport.handle) is not transport:
            return
        self._context.backlog.do(partial(core.close_transport, transport.handle))
        transports.rename(transport, core.create_transport(*transports.place(transport.room)))

    def _settle(self, transport: Transport, prepared: Plan) -> None:
        """Bind what the answered offer brought, end what it cannot carry."""
        for bound in prepared.bound:
            self._bind(transport, bound)
        for mid, name in prepared.rejected.items():
            if session := transport.sessions.get(name):
                session.wanted.pop(mid, None)
                session.rejected.add(mid)
                self._log.info("no common codec", session=name, section=mid, room=transport.room)
        for name, reason in prepared.failed.items():
            self._webrtc.fail(transport.sessions.get(name), reason)
        for session in list(transport.sessions.values()):
            if session.sections and not session.wanted and session.sections.keys() <= prepared.stopped:
                self._webrtc.fail(session, STOPPED)
        if transport.ready:
            asyncio.get_running_loop().call_later(READY_DELAY_S, self._webrtc.tell_ready, transport)

    def _bind(self, transport: Transport, bound: Bound) -> None:
        session = transport.sessions.get(bound.session)
        if session is None or session.wanted.pop(bound.mid, None) is None:
            return  # it ended while the core was answering
        self._webrtc.attach(session, bound)
