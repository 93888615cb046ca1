"""Reconnection tickets."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.api.portal.tickets import Ticket, TicketRefused, Tickets

KEY = b"k" * 32
TICKET = Ticket(
    participant_id="ann", ticket_id="t", not_before=0, not_after=0, run="r", room="room", user="Ann",
    role="presenter", sdk="JavaScript", protocol="1.2",
)  # fmt: skip


def altered(ticket: str, **changes: Any) -> str:
    content = json.loads(base64.b64decode(ticket)) | changes
    return base64.b64encode(json.dumps(content).encode()).decode()


def test_a_ticket_is_read_back_by_another_life_of_the_server() -> None:
    text = Tickets(KEY, 600).issue(TICKET, 1_000)
    ticket = Tickets(KEY, 600).read(text, 2_000)
    assert (ticket.participant_id, ticket.room, ticket.user) == ("ann", "room", "Ann")
    assert json.loads(base64.b64decode(text))["notAfter"] == 601_000  # what clients schedule the refresh by


def test_an_old_ticket_is_refused_as_expired() -> None:
    tickets = Tickets(KEY, 600)
    text = tickets.issue(TICKET, 0)
    tickets.read(text, 600_000)
    with pytest.raises(TicketRefused, match=r"^Ticket is expired$"):
        tickets.read(text, 600_001)


@pytest.mark.parametrize(
    "change", [{"participantId": "bob"}, {"notAfter": 10**15}, {"role": "admin"}, {"run": "s"}]
)
def test_an_altered_ticket_is_refused(change: dict[str, Any]) -> None:
    tickets = Tickets(KEY, 600)
    with pytest.raises(TicketRefused, match=r"^Invalid reconnection ticket signature$"):
        tickets.read(altered(tickets.issue(TICKET, 0), **change), 1)


def test_a_ticket_of_another_key_is_refused() -> None:
    with pytest.raises(TicketRefused):
        Tickets(b"x" * 32, 600).read(Tickets(KEY, 600).issue(TICKET, 0), 1)


@given(st.none() | st.integers() | st.text() | st.binary().map(lambda b: base64.b64encode(b).decode()))
def test_anything_else_is_refused_and_nothing_breaks(text: object) -> None:
    with pytest.raises(TicketRefused):
        Tickets(KEY, 600).read(text, 0)


def test_a_short_key_is_not_accepted() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Tickets(b"short", 600)
