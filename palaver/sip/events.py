"""What SIP signalling tells: facts, each once and in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class AccountRegistered:
    """The registrar keeps the account for so long; told again at each refresh."""

    account: int
    expires_s: int


@dataclass(frozen=True, slots=True)
class AccountFailed:
    """An account is not registered. It is tried again after ``retry_s``; None: not any more."""

    account: int
    status: int
    reason: str
    retry_s: int | None


@dataclass(frozen=True, slots=True)
class AccountLeft:
    """The registrar was told to forget the account, or did not answer when told."""

    account: int


@dataclass(frozen=True, slots=True)
class CallIncoming:
    """Somebody calls an account, from the IP address ``source``. Without ``offer`` it wants ours."""

    call: int
    account: int
    caller: str
    name: str
    source: str
    offer: str


@dataclass(frozen=True, slots=True)
class CallProgress:
    """A provisional answer to our call."""

    call: int
    status: int
    answer: str


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """Our call was taken."""

    call: int
    answer: str


@dataclass(frozen=True, slots=True)
class CallConfirmed:
    """The caller acknowledged our answer; if that was the offer, ``answer`` belongs to it."""

    call: int
    answer: str


@dataclass(frozen=True, slots=True)
class CallOffered:
    """The peer wants the session otherwise; without ``offer`` it wants ours. It waits for the response."""

    call: int
    request: int
    offer: str


@dataclass(frozen=True, slots=True)
class CallUpdated:
    """How the peer took our own change; an accepted one has a status below 300."""

    call: int
    status: int
    reason: str
    answer: str


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A message within the call; ``kind`` is its media type in lower case."""

    call: int
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over; told once for each."""

    call: int
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A call was refused before anything was made for it; ``reason`` is one of a few words."""

    status: int
    source: str
    reason: str


AccountEvent: TypeAlias = AccountRegistered | AccountFailed | AccountLeft
CallEvent: TypeAlias = (
    CallProgress | CallAnswered | CallConfirmed | CallOffered | CallUpdated | CallInfo | CallEnded
)
Event: TypeAlias = AccountEvent | CallEvent | CallIncoming | CallRefused

BY_NAME: Final[dict[str, Callable[..., Event]]] = {
    kind.__name__: kind
    for kind in (
        AccountRegistered,
        AccountFailed,
        AccountLeft,
        CallIncoming,
        CallProgress,
        CallAnswered,
        CallConfirmed,
        CallOffered,
        CallUpdated,
        CallInfo,
        CallEnded,
        CallRefused,
    )
}
"""The events by the names that the stack uses."""
