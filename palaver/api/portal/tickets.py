"""Reconnection tickets: what a client shows to continue its session, also after the server was restarted."""

from __future__ import annotations

import base64
import hmac
from hashlib import sha256

import msgspec
from msgspec import Struct

_MAX_LENGTH = 4096


class TicketRefused(Exception):
    """A ticket that cannot be used; the text is the protocol's."""


class Ticket(Struct, frozen=True, rename="camel", kw_only=True):
    """Who may continue, until when (ms since the epoch), and what a restarted server must know to restore it.

    ``run`` names the life of the portal that began the session; clients read ``notAfter`` only.
    """

    participant_id: str
    ticket_id: str
    not_before: int
    not_after: int
    run: str
    room: str
    user: str
    role: str
    sdk: str
    protocol: str
    signature: str = ""


class Tickets:
    """Signs and checks tickets with a key that survives restarts."""

    def __init__(self, key: bytes, lifetime_s: float) -> None:
        if len(key) < 16:
            raise ValueError("the ticket key must have at least 16 bytes")
        self._key, self._lifetime_ms = key, int(lifetime_s * 1000)

    def issue(self, ticket: Ticket, now_ms: int) -> str:
        """The ticket as a string, valid from now on; its times and signature are filled in."""
        dated = msgspec.structs.replace(
            ticket, not_before=now_ms, not_after=now_ms + self._lifetime_ms, signature=""
        )
        signed = msgspec.structs.replace(dated, signature=self._sign(dated))
        return base64.b64encode(msgspec.json.encode(signed)).decode()

    def read(self, text: object, now_ms: int) -> Ticket:
        """The ticket behind ``text``. Raises TicketRefused if it was not made here or is too old."""
        ticket = _decode(text)
        expected = self._sign(msgspec.structs.replace(ticket, signature=""))
        if not hmac.compare_digest(expected.encode(), ticket.signature.encode()):
            raise TicketRefused("Invalid reconnection ticket signature")
        if now_ms > ticket.not_after:
            raise TicketRefused("Ticket is expired")
        return ticket

    def transport_id(self, participant: str, run: str, number: int) -> str:
        """The id of a participant's ``number``-th transport in a run of the portal: 32 hex digits.

        Derived, so that a restarted server can name the transports that a restored client still believes in.
        """
        seed = f"transport,{participant},{run},{number}"
        return hmac.digest(self._key, seed.encode(), sha256).hex()[:32]

    def _sign(self, unsigned: Ticket) -> str:
        return base64.b64encode(hmac.digest(self._key, msgspec.json.encode(unsigned), sha256)).decode()


def _decode(text: object) -> Ticket:
    try:
        if not isinstance(text, str) or len(text) > _MAX_LENGTH:
            raise ValueError
        return msgspec.json.decode(base64.b64decode(text, validate=True), type=Ticket)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise TicketRefused("Invalid reconnection ticket signature") from None
