"""Webhooks: signed, in order for each room, again until they are taken, also after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from palaver.events import webhooks
from palaver.events.feed import RoomEvent
from palaver.events.webhooks import NotDelivered, Webhook, WebhookLimits, WebhookSender, new_secret
from palaver.store import Store, WebhookRecord
from palaver.streaming.urls import UrlPolicy, UrlRefused
from tests.events.receiver import Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ANNA, BERT = "a" * 24, "b" * 24
ROOM, OTHER = "1" * 24, "2" * 24


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(webhooks, "_LONGEST_PAUSE_S", 0.05)


@dataclass
class Stage:
    """A sender over a store, and who it sends to."""

    store: Store
    sender: WebhookSender
    receiver: Receiver

    async def webhook(self, *types: str, service: str = ANNA, url: str = "") -> Webhook:
        types = types or ("a", "b", "c")
        record = WebhookRecord(
            secrets.token_hex(12), service, url or self.receiver.url, new_secret(), types, 1
        )
        return await self.sender.add(record)

    def tell(self, *types: str, room: str = ROOM) -> None:
        for kind in types:
            self.sender.take(RoomEvent(f"1-{secrets.token_hex(3)}", kind, room, 1, {}))

    def seen(self) -> list[str]:
        return [event["type"] for event in self.receiver.taken]

    async def until_waiting(self, count: int) -> None:
        """Wait until so many deliveries are stored."""
        async with asyncio.timeout(20):
            while len(await self.store.webhooks.waiting()) != count:  # noqa: ASYNC110  # the store tells nobody
                await asyncio.sleep(0.01)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what is awaited happens in the sender
            await asyncio.sleep(0.01)


def printed(event: RoomEvent) -> str:
    return msgspec.json.encode({"id": event.id, "type": event.type, "room": event.room}).decode()


async def opened(where: str) -> Store:
    store = await Store.open(where, master_key=b"m" * 32)
    if await store.services.get(ANNA) is None:
        for service, room in ((ANNA, ROOM), (BERT, OTHER)):
            await store.services.create(service, service, "key", created_ms=1)
            await store.rooms.create(room, service, {"name": "r"}, created_ms=1)
    return store


@contextlib.asynccontextmanager
async def staged(to: Receiver, where: str = "sqlite://", **limits: Any) -> AsyncIterator[Stage]:
    store = await opened(where)
    sender = WebhookSender(
        store, UrlPolicy(allow_loopback=True), WebhookLimits(**limits), lambda: 1_700_000_000.0, printed
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(sender.run())
            yield Stage(store, sender, to)
            running.cancel()
    finally:
        await store.close()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with receiver() as to, staged(to) as one:
        yield one


async def test_events_arrive_in_order_signed_as_standard_webhooks_has_it(stage: Stage) -> None:
    hook = await stage.webhook()
    stage.tell("a", "b", "c")
    await stage.receiver.until(lambda: len(stage.receiver.taken) == 3)
    assert stage.seen() == ["a", "b", "c"]
    headers, body = stage.receiver.requests[0]
    with pytest.raises(WebhookVerificationError, match="too old"):  # the sender's clock stands still
        Verifier(hook.record.secret).verify(body, headers)
    expected = webhooks.signed(hook.record.secret, headers["webhook-id"], 1_700_000_000, body.decode())
    assert headers["webhook-signature"] == expected["webhook-signature"]


async def test_a_receiver_recognises_what_comes_twice_and_what_is_forged() -> None:
    secret = new_secret()
    body = '{"type":"a"}'
    headers = webhooks.signed(secret, "msg_1", int(time.time()), body)
    assert Verifier(secret).verify(body, headers) == {"type": "a"}
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(body + " ", headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(new_secret()).verify(body, headers)


async def test_only_the_types_that_were_asked_for_and_only_rooms_of_the_service(stage: Stage) -> None:
    await stage.webhook("b")
    stage.tell("a", "b", room=OTHER)
    stage.tell("a", "b")
    stage.tell("b")
    await stage.receiver.until(lambda: len(stage.receiver.taken) == 2)
    assert {event["room"] for event in stage.receiver.taken} == {ROOM}


async def test_what_is_not_taken_is_sent_again_before_what_follows(stage: Stage) -> None:
    hook = await stage.webhook()
    refusals = iter([500, 503, 302, 404])
    stage.receiver.answer = lambda _: next(refusals, 200)
    stage.tell("a", "b")
    await stage.receiver.until(lambda: len(stage.receiver.taken) == 2)
    assert [event["type"] for event in stage.receiver.attempts] == ["a"] * 5 + ["b"]
    names = [headers["webhook-id"] for headers, _ in stage.receiver.requests]
    assert len(set(names[:5])) == 1
    await until(lambda: hook.delivered == 2)
    assert (hook.failed, hook.error) == (4, "")


async def test_a_room_whose_event_is_refused_does_not_hold_up_another(stage: Stage) -> None:
    another = "3" * 24
    await stage.store.rooms.create(another, ANNA, {"name": "x"}, created_ms=2)
    await stage.webhook()
    stage.receiver.answer = lambda event: 500 if event["room"] == ROOM else 200
    stage.tell("a")
    stage.tell("b", "c", room=another)
    await stage.receiver.until(lambda: len(stage.receiver.taken) == 2)
    assert stage.seen() == ["b", "c"]


async def test_a_receiver_that_hangs_is_given_up_and_asked_again() -> None:
    async with receiver() as to, staged(to, timeout_s=0.2) as stage:
        hook = await stage.webhook()
        answers = iter([None, None])
        to.answer = lambda _: next(answers, 200)
        stage.tell("a")
        await to.until(lambda: to.taken)
        assert len(to.attempts) == 3
        assert hook.failed == 2


async def test_a_receiver_that_is_away_gets_all_of_it_when_it_is_back() -> None:
    async with receiver() as first:
        pass
    port = int(first.url.rsplit(":", 1)[1].partition("/")[0])
    async with staged(first) as stage:
        hook = await stage.webhook()
        stage.tell("a", "b")
        await until(lambda: hook.failed)
        async with receiver(port) as back:
            await back.until(lambda: len(back.taken) == 2)
            assert [event["type"] for event in back.taken] == ["a", "b"]


async def test_a_restart_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path / 'p.db'}"
    async with receiver() as to:
        to.answer = lambda _: 500
        async with staged(to, where) as stage:
            await stage.webhook()
            stage.tell("a", "b", "c")
            await to.until(lambda: len(to.attempts) > 1)
        to.answer = lambda _: 200
        async with staged(to, where) as stage:
            await to.until(lambda: len(to.taken) == 3)
            assert stage.seen() == ["a", "b", "c"]
            await stage.until_waiting(0)


async def test_what_was_delivered_is_not_sent_after_a_restart(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path / 'p.db'}"
    async with receiver() as to:
        async with staged(to, where) as stage:
            await stage.webhook()
            stage.tell("a")
            await to.until(lambda: to.taken)
            await stage.until_waiting(0)
        async with staged(to, where) as stage:
            stage.tell("b")
            await to.until(lambda: len(to.taken) == 2)
            assert stage.seen() == ["a", "b"]


async def test_too_many_that_wait_cost_the_oldest_and_are_counted() -> None:
    async with receiver() as to, staged(to, max_waiting=3) as stage:
        to.answer = lambda _: 500
        hook = await stage.webhook()
        stage.tell(*["a"] * 5)
        await until(lambda: stage.sender.stats()["dropped_total"] == 2)
        assert hook.waiting == 3
        await stage.until_waiting(3)


async def test_what_was_tried_for_too_long_is_given_up_and_what_follows_comes() -> None:
    async with receiver() as to, staged(to, give_up_s=-1.0) as stage:
        to.answer = lambda event: 500 if event["type"] == "a" else 200
        await stage.webhook()
        stage.tell("a", "b")
        await to.until(lambda: to.taken)
        assert stage.seen() == ["b"]
        assert stage.sender.stats()["dropped_total"] == 1


async def test_a_deleted_webhook_gets_nothing_more(stage: Stage) -> None:
    hook = await stage.webhook()
    stage.receiver.answer = lambda _: 500
    stage.tell("a")
    await stage.receiver.until(lambda: stage.receiver.attempts)
    await stage.sender.remove(hook)
    assert await stage.store.webhooks.waiting() == []
    stage.receiver.answer = lambda _: 200
    await stage.webhook()
    stage.tell("b")
    await stage.receiver.until(lambda: stage.receiver.taken)
    assert stage.seen() == ["b"]


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/x", "ftp://127.0.0.1/", "rtmp://127.0.0.1/x", "http:///x", "http://224.0.0.1/"],
)
async def test_addresses_that_nobody_may_reach_are_refused(stage: Stage, url: str) -> None:
    with pytest.raises(UrlRefused):
        await stage.sender.check(url)


async def test_loopback_is_refused_where_others_can_reach_the_server(stage: Stage) -> None:
    sender = WebhookSender(stage.store, UrlPolicy(), WebhookLimits(), lambda: 1.0, printed)
    with pytest.raises(UrlRefused):
        await sender.check(stage.receiver.url)


async def test_a_name_that_leads_elsewhere_later_is_refused_then(stage: Stage) -> None:
    record = WebhookRecord("x", ANNA, "http://169.254.169.254/x", new_secret(), ("a",), 1)
    with pytest.raises(NotDelivered, match="not allowed"):
        await stage.sender.post(record, "msg_1", "{}")


async def test_failures_name_no_secret(stage: Stage) -> None:
    port = int(stage.receiver.url.rsplit(":", 1)[1].partition("/")[0])
    stage.receiver.answer = lambda _: 500
    for url in (
        f"http://user:hunter2@127.0.0.1:{port}/?key=hunter2",
        "http://user:hunter2@127.0.0.1:1/?k=hunter2",
    ):
        record = WebhookRecord("x", ANNA, url, new_secret(), ("a",), 1)
        with pytest.raises(NotDelivered) as failure:
            await stage.sender.post(record, "msg_1", "{}")
        assert "hunter2" not in str(failure.value)
    assert stage.receiver.requests[0][0]["authorization"].startswith("Basic ")


async def test_a_deleted_service_takes_its_webhooks_with_it(stage: Stage) -> None:
    await stage.webhook()
    await stage.store.services.delete(ANNA)
    stage.sender.forget_service(ANNA)
    assert await stage.store.webhooks.all() == []
    assert stage.sender.of(ANNA) == []
