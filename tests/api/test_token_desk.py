"""Tokens between the desk and the store: one admission, whoever comes first."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palaver.api.auth.tokens import TokenDesk, TokenRefused
from palaver.room.values import Grant, ParticipantId, Permission, RoomId
from palaver.store import Conflict, RoomDefinition, Store, TokenRecord
from tests.tokens import admitted

KEY = b"server key of 16"


@dataclass
class Desk:
    """A desk whose clock a test sets, its store, and a room."""

    store: Store
    room: RoomDefinition
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.desk = TokenDesk(self.store, KEY, lambda: self.now)

    async def token(self) -> str:
        return await self.desk.issue(self.room, "ann", "presenter", host="h:1", secure=True)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    store = await Store.open("sqlite://", master_key=b"m" * 32)
    await store.services.create("a" * 24, "service", "key", created_ms=1)
    yield Desk(store, await store.rooms.create("b" * 24, "a" * 24, {"name": "r"}, created_ms=1))
    await store.close()


async def test_of_many_at_once_one_is_admitted(desk: Desk) -> None:
    token = await desk.token()
    results = await asyncio.gather(*(admitted(desk.desk, token) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(result, TokenRecord) for result in results) == 1
    assert sum(isinstance(result, TokenRefused) for result in results) == 19


async def test_only_an_admission_uses_a_token_up(desk: Desk) -> None:
    token = await desk.token()

    async def refused() -> None:
        async with desk.desk.admission(token):
            raise LookupError("the room is full")

    for _ in range(3):
        with pytest.raises(LookupError):
            await refused()
    assert (await admitted(desk.desk, token)).user == "ann"
    with pytest.raises(TokenRefused, match="used already"):
        await admitted(desk.desk, token)


async def test_a_client_that_goes_away_while_it_is_admitted_may_come_again(desk: Desk) -> None:
    token = await desk.token()
    inside = asyncio.Event()

    async def attempt() -> None:
        async with desk.desk.admission(token):
            inside.set()
            await asyncio.Event().wait()

    waiting = asyncio.create_task(attempt())
    await inside.wait()
    with pytest.raises(TokenRefused, match="used already"):  # somebody else is being admitted by it
        await admitted(desk.desk, token)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (await admitted(desk.desk, token)).user == "ann"


async def test_a_token_whose_room_went_during_a_refusal_stays_gone(desk: Desk) -> None:
    token = await desk.token()

    async def refused() -> None:
        async with desk.desk.admission(token):
            await desk.store.rooms.delete(desk.room.id)
            raise LookupError("the room is gone")

    with pytest.raises(LookupError):
        await refused()
    with pytest.raises(TokenRefused, match="its room is gone"):
        await admitted(desk.desk, token)


async def test_a_token_survives_a_restart_of_the_server(desk: Desk) -> None:
    token = await desk.token()
    again = TokenDesk(desk.store, KEY, lambda: desk.now)
    assert (await admitted(again, token)).user == "ann"


async def test_a_token_of_another_server_is_refused(desk: Desk) -> None:
    other = TokenDesk(desk.store, b"another server key", lambda: desk.now)
    token = await desk.token()
    with pytest.raises(TokenRefused, match="Invalid token signature"):
        await admitted(other, token)
    await admitted(desk.desk, token)


@pytest.mark.parametrize("member", ["tokenId", "host"])
async def test_what_is_signed_cannot_be_changed(desk: Desk, member: str) -> None:
    content = msgspec.json.decode(base64.b64decode(await desk.token()))
    content[member] += "0"
    forged = base64.b64encode(msgspec.json.encode(content)).decode()
    with pytest.raises(TokenRefused, match="Invalid token signature"):
        await admitted(desk.desk, forged)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.binary().map(lambda data: base64.b64encode(data).decode())))
def test_whatever_is_no_token_is_refused(text: str) -> None:
    desk = TokenDesk(None, KEY, lambda: 0.0)  # type: ignore[arg-type]  # never gets as far as the store
    with pytest.raises(TokenRefused, match="Invalid token"):
        asyncio.run(admitted(desk, text))


async def test_a_deep_or_endless_token_is_refused(desk: Desk) -> None:
    deep = base64.b64encode(b"[" * 3000).decode()
    for token in (deep, "A" * 100_000, "é" * 10):
        with pytest.raises(TokenRefused, match="Invalid token"):
            await admitted(desk.desk, token)


async def test_no_token_is_made_for_a_room_that_is_gone(desk: Desk) -> None:
    await desk.store.rooms.delete(desk.room.id)
    with pytest.raises(Conflict):
        await desk.token()


async def test_expired_tokens_are_forgotten_in_time(desk: Desk) -> None:
    old = await desk.token()
    desk.now += 180 + 601
    await desk.token()
    with pytest.raises(TokenRefused, match="used already"):
        await admitted(desk.desk, old)


async def test_the_token_is_ascii_whatever_the_host_is_called(desk: Desk) -> None:
    token = await desk.desk.issue(desk.room, "ann", "presenter", host="bücher.example", secure=False)
    decoded = base64.b64decode(token)
    assert decoded.isascii()
    assert msgspec.json.decode(decoded)["host"] == "bücher.example"
    assert (await admitted(desk.desk, token)).user == "ann"


def test_a_short_server_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        TokenDesk(None, b"short", lambda: 0.0)  # type: ignore[arg-type]  # refused before it matters


async def test_who_is_removed_from_a_room_that_is_deleted_meanwhile_is_no_fault(desk: Desk) -> None:
    room, ann = RoomId(desk.room.id), ParticipantId("ann")
    await desk.store.rooms.delete(desk.room.id)
    await desk.desk.readmission.revoke(room, ann)
    await desk.desk.readmission.permit(room, ann, Permission(Grant(), Grant()))
    with structlog.testing.capture_logs() as said:
        await desk.desk.readmission.try_to_revoke(room, ann)
    assert said == []
    assert await desk.store.standings.of("ann") is None
