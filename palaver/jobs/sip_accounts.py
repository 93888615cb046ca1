"""The accounts of rooms at SIP servers: which there are, and how they stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from palaver.sip.events import AccountFailed, AccountLeft, AccountRegistered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.sip.events import AccountEvent
    from palaver.sip.stack import SipStack
    from palaver.store import RoomDefinition


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a room's definition says of its account."""

    server: str
    user: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, definition: RoomDefinition | None) -> Credentials | None:
        """The account of a room; None if it has none."""
        sip: Mapping[str, Any] = (definition.document.get("sip") or {}) if definition is not None else {}
        server, user = str(sip.get("sipServer") or ""), str(sip.get("username") or "")
        return cls(server, user, str(sip.get("password") or "")) if server and user else None


@dataclass(slots=True)
class Account:
    """The account of a room. ``status``: "registering", "registered" or "failed", with the ``reason``."""

    room: str
    credentials: Credentials
    number: int | None = None
    status: str = "registering"
    reason: str = ""


class Accounts:
    """Keeps the accounts of rooms registered; ``stack`` opens the SIP stack when one is needed."""

    def __init__(self, stack: Callable[[], SipStack]) -> None:
        self._stack = stack
        self._by_room: dict[str, Account] = {}
        self._by_number: dict[int, Account] = {}
        self._counts: Counter[str] = Counter()
        self._log = structlog.get_logger("palaver.sip")

    def of(self, room: str) -> Account | None:
        """The account of a room."""
        return self._by_room.get(room)

    def numbered(self, number: int) -> Account | None:
        """The account that the stack calls so."""
        return self._by_number.get(number)

    def set(self, room: str, wanted: Credentials | None) -> None:
        """A room has this account from now on, or none; one that is the same goes on."""
        known = self._by_room.get(room)
        if known is not None and known.credentials == wanted:
            return
        if known is not None:
            self._drop(known)
        if wanted is not None:
            self._by_room[room] = account = Account(room, wanted)
            self._register(account)

    def _register(self, account: Account) -> None:
        wanted = account.credentials
        try:
            account.number = self._stack().register(wanted.server, wanted.user, wanted.password)
        except (OSError, ValueError, RuntimeError) as problem:
            account.status, account.reason = "failed", str(problem)
            self._counts["failures"] += 1
            self._log.warning("sip account not registered", room=account.room, reason=str(problem))
            return
        self._by_number[account.number] = account

    def _drop(self, account: Account) -> None:
        del self._by_room[account.room]
        if account.number is not None and self._by_number.pop(account.number, None) is not None:
            self._stack().unregister(account.number)

    def hear(self, event: AccountEvent) -> None:
        """What the stack tells of an account."""
        account = self._by_number.get(event.account)
        if account is None:
            return
        match event:
            case AccountRegistered():
                if account.status != "registered":
                    self._log.info("sip account registered", room=account.room)
                account.status, account.reason = "registered", ""
            case AccountFailed(reason=reason, retry_s=retry_s):
                account.status, account.reason = "failed", reason
                self._counts["failures"] += 1
                self._log.warning(
                    "sip account not registered", room=account.room, reason=reason, again_s=retry_s
                )
            case AccountLeft():
                pass

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        return {
            "accounts": len(self._by_room),
            "accounts_registered": sum(one.status == "registered" for one in self._by_room.values()),
            "registrations_failed_total": self._counts["failures"],
        }
