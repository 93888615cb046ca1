"""Signalling by itself, with Kamailio between two accounts of one stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from palaver.media._core import SipStack
from palaver.sip.events import (
    AccountFailed,
    AccountLeft,
    AccountRegistered,
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallIncoming,
    CallInfo,
    CallOffered,
    CallProgress,
    CallUpdated,
    Event,
)
from palaver.sip.stack import StackSettings, open_stack
from tests.sip.registrar import Registrar, registrar

E = TypeVar("E", bound=Event)
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Ears:
    """What a stack tells, kept until somebody asks."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self._new = asyncio.Event()

    def hear(self, event: Event) -> None:
        self.told.append(event)
        self._new.set()

    async def next(self, kind: type[E], call: int | None = None) -> E:
        """The first event of ``kind`` that nobody took yet."""
        async with asyncio.timeout(40):
            while True:
                for event in self.told:
                    if isinstance(event, kind) and (call is None or getattr(event, "call", None) == call):
                        self.told.remove(event)
                        return event
                self._new.clear()
                await self._new.wait()


@asynccontextmanager
async def a_stack() -> AsyncIterator[tuple[SipStack, Ears]]:
    ears = Ears()
    stack = open_stack(StackSettings(bind="127.0.0.1", port=0), ears.hear)
    try:
        yield stack, ears
    finally:
        await asyncio.to_thread(stack.close)


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registrar]:
    with registrar(tmp_path_factory.mktemp("kamailio")) as running:
        yield running


async def registered(stack: SipStack, ears: Ears, kamailio: Registrar, user: str, by: str = "") -> int:
    account = stack.register(f"{kamailio.address}{by}", user, {"room1": "secret1", "room2": "secret2"}[user])
    assert (await ears.next(AccountRegistered)).account == account
    return account


async def test_an_account_registers_and_leaves(kamailio: Registrar) -> None:
    async with a_stack() as (stack, ears):
        account = await registered(stack, ears, kamailio, "room1")
        stack.unregister(account)
        assert await ears.next(AccountLeft) == AccountLeft(account)
        with pytest.raises(LookupError, match="no such account"):
            stack.unregister(account)


@pytest.mark.parametrize(("user", "password", "status"), [("room1", "wrong", 401), ("ghost", "x", 403)])
async def test_a_wrong_account_is_told_once_and_not_tried_again(
    kamailio: Registrar, user: str, password: str, status: int
) -> None:
    async with a_stack() as (stack, ears):
        stack.register(kamailio.address, user, password)
        failed = await ears.next(AccountFailed)
        assert (failed.status, failed.retry_s) == (status, None)


async def test_a_silent_registrar_is_given_up_in_time_and_tried_again() -> None:
    async with a_stack() as (stack, ears):
        stack.register("127.0.0.1:9", "room1", "x", limit_s=0.2)
        first, second = await ears.next(AccountFailed), await ears.next(AccountFailed)
        assert (first.status, first.retry_s, second.retry_s) == (408, 2, 4)


async def test_a_registration_is_refreshed(tmp_path_factory: pytest.TempPathFactory) -> None:
    with registrar(tmp_path_factory.mktemp("short"), expires=4) as short:
        async with a_stack() as (stack, ears):
            stack.register(short.address, "room1", "secret1")
            for _ in range(2):
                assert (await ears.next(AccountRegistered)).expires_s == 4


@pytest.mark.parametrize("by", ["", ";transport=tcp"])
async def test_a_call_from_ringing_to_its_end(kamailio: Registrar, by: str) -> None:
    async with a_stack() as (stack, ears):
        caller = await registered(stack, ears, kamailio, "room1")
        callee = await registered(stack, ears, kamailio, "room2", by)
        call = stack.invite(caller, "sip:room2@sip.test", SDP, name="Ann")
        incoming = await ears.next(CallIncoming)
        assert (incoming.account, incoming.name, incoming.source) == (callee, "Ann", "127.0.0.1")
        assert incoming.offer == SDP
        stack.ring(incoming.call)
        assert (await ears.next(CallProgress)).status == 180
        stack.answer(incoming.call, SDP)
        assert (await ears.next(CallAnswered)).answer == SDP
        await ears.next(CallConfirmed)
        stack.update(call, SDP)
        offered = await ears.next(CallOffered)
        stack.respond(offered.call, offered.request, 200, SDP)
        assert (await ears.next(CallUpdated)).status == 200
        stack.update(incoming.call, SDP)
        offered = await ears.next(CallOffered)
        stack.respond(offered.call, offered.request, 488)
        assert (await ears.next(CallUpdated)).status == 488
        stack.info(incoming.call, "application/dtmf-relay", "Signal=5\r\n")
        assert (await ears.next(CallInfo)).body == "Signal=5\r\n"
        stack.hang_up(incoming.call)
        ended = {(await ears.next(CallEnded)).call for _ in range(2)}
        assert ended == {call, incoming.call}
        assert (stack.stats()["calls"], stack.stats()["dialogs"]) == (0, 0)
        assert not [event for event in ears.told if isinstance(event, CallEnded)]


@pytest.mark.parametrize(
    ("peer", "status"), [("sip:nobody@sip.test", 404), ("sip:nowhere@sip.test", 408)], ids=["unknown", "dead"]
)
async def test_a_call_that_is_not_possible_ends_once(kamailio: Registrar, peer: str, status: int) -> None:
    async with a_stack() as (stack, ears):
        account = await registered(stack, ears, kamailio, "room1")
        call = stack.invite(account, peer, SDP)
        assert (await ears.next(CallEnded, call)).status == status
        assert stack.stats()["calls"] == 0


async def test_a_refusal_reaches_the_caller(kamailio: Registrar) -> None:
    async with a_stack() as (stack, ears):
        account = await registered(stack, ears, kamailio, "room1")
        await registered(stack, ears, kamailio, "room2")
        call = stack.invite(account, "sip:room2@sip.test", SDP)
        incoming = await ears.next(CallIncoming)
        stack.reject(incoming.call, 486)
        assert (await ears.next(CallEnded, call)).status == 486
        await ears.next(CallEnded, incoming.call)


@pytest.mark.parametrize("how", ["hang up", "no answer"])
async def test_a_call_that_is_given_up_is_cancelled(kamailio: Registrar, how: str) -> None:
    async with a_stack() as (stack, ears):
        account = await registered(stack, ears, kamailio, "room1")
        await registered(stack, ears, kamailio, "room2")
        call = stack.invite(
            account, "sip:room2@sip.test", SDP, limit_s=0.5 if how == "no answer" else 30, first_limit_s=10
        )
        incoming = await ears.next(CallIncoming)
        if how == "hang up":
            stack.ring(incoming.call)
            await ears.next(CallProgress)
            stack.hang_up(call)
        assert (await ears.next(CallEnded, call)).status == (487 if how == "hang up" else 408)
        assert (await ears.next(CallEnded, incoming.call)).status == 487


async def test_what_goes_on_ends_when_the_stack_is_closed(kamailio: Registrar) -> None:
    async with a_stack() as (other, others):
        await registered(other, others, kamailio, "room2")
        async with a_stack() as (stack, ears):
            account = await registered(stack, ears, kamailio, "room1")
            stack.invite(account, "sip:room2@sip.test", SDP)
            incoming = await others.next(CallIncoming)
            other.answer(incoming.call, SDP)
            await ears.next(CallAnswered)
            await others.next(CallConfirmed)
        assert (await others.next(CallEnded)).reason == "hung up"


@pytest.mark.parametrize("server", ["", "a b", "sip:host\r\nVia: x", "x" * 600])
async def test_a_server_that_does_not_read_is_refused(server: str) -> None:
    async with a_stack() as (stack, _):
        with pytest.raises(ValueError, match="address"):
            stack.register(server, "ann", "x")
