"""What every store promises: on SQLite in a file and in memory, and on Debian's PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from palaver.recording.index import Entry, Part
from palaver.store import (
    Conflict,
    Delivery,
    Invite,
    JobRecord,
    RoomDefinition,
    Service,
    Standing,
    Store,
    StoreError,
    TokenRecord,
    WebhookRecord,
)
from palaver.store.work import Changed, Every
from tests.postgres import Postgres

MASTER = b"master key of 32 bytes, or more.."
ANNA, BERT = "a" * 24, "b" * 24
ROOM, OTHER = "1" * 24, "2" * 24


@pytest.fixture(params=["file", "memory", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "memory":
        return "sqlite://"
    if request.param == "file":
        return f"sqlite:///{tmp_path}/palaver.db"
    cluster: Postgres = request.getfixturevalue("postgres")
    cluster.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return cluster.url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An empty store."""
    store = await Store.open(url, master_key=MASTER)
    yield store
    await store.close()


async def service(store: Store, service_id: str = ANNA, name: str = "anna") -> Service:
    return await store.services.create(service_id, name, f"{name}'s key", created_ms=1)


async def room(store: Store, room_id: str = ROOM, created_ms: int = 1, **document: Any) -> RoomDefinition:
    return await store.rooms.create(room_id, ANNA, {"name": "r", **document}, created_ms=created_ms)


def token(token_id: str = "t", expires_ms: int = 1000, *, reusable: bool = False) -> TokenRecord:
    return TokenRecord(token_id, ROOM, ANNA, "Jürgen 😀", "viewer", 1, expires_ms, reusable)


# ── services ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_service_is_found_with_its_key(store: Store) -> None:
    created = await service(store)
    assert created.key == "anna's key"
    assert await store.services.get(ANNA) == created
    assert await store.services.by_name("anna") == created
    assert await store.services.all() == [created]
    assert await store.services.get(BERT) is None
    assert await store.services.by_name("bert") is None


async def test_a_service_name_is_used_once(store: Store) -> None:
    await service(store)
    with pytest.raises(Conflict):
        await service(store, BERT)
    assert await store.services.get(BERT) is None


async def test_services_are_listed_by_creation(store: Store) -> None:
    for service_id, name, created_ms in (("c" * 24, "late", 3), ("d" * 24, "early", 2), ("b" * 24, "tie", 3)):
        await store.services.create(service_id, name, "key", created_ms=created_ms)
    assert [one.name for one in await store.services.all()] == ["early", "tie", "late"]


async def test_the_super_service_is_marked(store: Store) -> None:
    await store.services.create(ANNA, "super", "key", created_ms=1, is_super=True)
    found = await store.services.get(ANNA)
    assert found is not None
    assert found.is_super


async def test_a_deleted_service_takes_its_rooms_and_tokens_with_it(store: Store) -> None:
    await service(store)
    await service(store, BERT, "bert")
    await room(store)
    await store.tokens.add(token())
    await store.services.get(ANNA)
    await store.rooms.get(ROOM)
    assert await store.services.delete(ANNA) == [ROOM]
    assert await store.services.delete(ANNA) is None
    assert await store.services.get(ANNA) is None
    assert await store.rooms.get(ROOM) is None
    assert await store.tokens.get("t") is None
    assert [one.name for one in await store.services.all()] == ["bert"]


# ── rooms ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_room_comes_back_as_it_was_given(store: Store) -> None:
    await service(store)
    document = {"name": "Ä\u0000😀", "n": [1, 2.5, None, True, {"deep": ["x"]}], "big": 2**53 - 1}
    created = await store.rooms.create(ROOM, ANNA, document, created_ms=2**45)
    found = await store.rooms.get(ROOM)
    assert found == created
    assert found.document == document
    assert (found.name, found.service, found.created_ms) == ("Ä\u0000😀", ANNA, 2**45)


async def test_a_room_needs_its_service(store: Store) -> None:
    with pytest.raises(Conflict):
        await room(store)


async def test_rooms_are_listed_by_creation_in_pages_and_counted(store: Store) -> None:
    await service(store)
    await service(store, BERT, "bert")
    for number, created_ms in ((5, 1), (3, 2), (4, 2), (1, 9)):
        await room(store, f"{number:024}", created_ms)
    await store.rooms.create(OTHER, BERT, {"name": "x"}, created_ms=1)
    order = [f"{number:024}" for number in (5, 3, 4, 1)]
    assert [one.id for one in await store.rooms.of(ANNA)] == order
    assert [one.id for one in await store.rooms.of(ANNA, limit=2, offset=1)] == order[1:3]
    assert await store.rooms.of(ANNA, limit=2, offset=10) == []
    assert await store.rooms.count(ANNA) == 4
    assert await store.rooms.ids() == {ANNA: order, BERT: [OTHER]}
    assert await store.rooms.ids(BERT) == {BERT: [OTHER]}


async def test_an_update_is_seen_at_once(store: Store) -> None:
    await service(store)
    await room(store, keep=1)
    await store.rooms.get(ROOM)
    updated = await store.rooms.update(ROOM, lambda document: {**document, "name": "new"})
    assert updated is not None
    assert updated.document == {"name": "new", "keep": 1}
    assert await store.rooms.get(ROOM) == updated
    assert await store.rooms.update(OTHER, lambda document: document) is None


async def test_no_update_is_lost_when_many_come_at_once(store: Store) -> None:
    await service(store)
    await room(store, count=0)

    def more(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "count": document["count"] + 1}

    await asyncio.gather(*(store.rooms.update(ROOM, more) for _ in range(8)))
    found = await store.rooms.get(ROOM)
    assert found is not None
    assert found.document["count"] == 8


async def test_a_change_that_fails_changes_nothing(store: Store) -> None:
    await service(store)
    before = await room(store)

    def fails(document: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("no")

    with pytest.raises(KeyError):
        await store.rooms.update(ROOM, fails)
    assert await store.rooms.get(ROOM) == before


async def test_a_sip_password_is_encrypted_at_rest(store: Store) -> None:
    await service(store)
    sip = {"sipServer": "s", "username": "u", "password": "pässwörd"}
    await room(store, sip=sip)
    (stored,) = await store._database.read(Every(text("SELECT document FROM rooms")))
    assert "pässwörd" not in stored.document
    assert "p\\u00e4ss" not in stored.document
    for found in (await store.rooms.get(ROOM), *await store.rooms.of(ANNA)):
        assert found is not None
        assert found.document["sip"] == sip


async def test_a_deleted_room_takes_its_tokens_with_it(store: Store) -> None:
    await service(store)
    await room(store)
    await store.tokens.add(token())
    await store.rooms.get(ROOM)
    assert await store.rooms.delete(ROOM)
    assert not await store.rooms.delete(ROOM)
    assert await store.rooms.get(ROOM) is None
    assert await store.tokens.take("t") is None
    with pytest.raises(Conflict):
        await store.tokens.add(token("later"))


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_token_is_taken_by_one_of_many(store: Store) -> None:
    await service(store)
    await room(store)
    await store.tokens.add(token())
    assert await store.tokens.get("t") == token()
    taken = await asyncio.gather(*(store.tokens.take("t") for _ in range(12)))
    assert [one for one in taken if one is not None] == [token()]
    assert await store.tokens.get("t") is None


async def test_a_reusable_token_stays(store: Store) -> None:
    await service(store)
    await room(store)
    reusable = token(reusable=True)
    await store.tokens.add(reusable)
    assert await store.tokens.take("t") is None
    assert await store.tokens.get("t") == reusable


async def test_what_expired_before_a_time_is_purged(store: Store) -> None:
    await service(store)
    await room(store)
    for expires_ms in (10, 20, 30):
        await store.tokens.add(token(str(expires_ms), expires_ms))
    assert await store.tokens.purge(20) == 1
    assert await store.tokens.get("10") is None
    assert await store.tokens.get("20") is not None


# ── the whole ───────────────────────────────────────────────────────────────────────────────────────


async def test_everything_is_there_after_a_restart(url: str) -> None:
    if "///" not in url and "postgres" not in url:
        pytest.skip("memory is not meant to last")
    first = await Store.open(url, master_key=MASTER)
    created = await service(first), await room(first, sip={"password": "p"})
    await first.tokens.add(token())
    await first.close()
    second = await Store.open(url, master_key=MASTER)
    assert (await second.services.get(ANNA), await second.rooms.get(ROOM)) == created
    assert await second.tokens.take("t") == token()
    await second.close()


async def test_another_master_key_is_refused(url: str) -> None:
    if "///" not in url and "postgres" not in url:
        pytest.skip("memory is not meant to last")
    await (await Store.open(url, master_key=MASTER)).close()
    with pytest.raises(StoreError, match="master key does not fit"):
        await Store.open(url, master_key=b"another master key")
    await (await Store.open(url, master_key=MASTER)).close()


async def test_nodes_may_open_a_new_database_together(url: str) -> None:
    if "///" not in url and "postgres" not in url:
        pytest.skip("memory belongs to one")
    stores = await asyncio.gather(*(Store.open(url, master_key=MASTER) for _ in range(8)))
    await service(stores[0])
    assert all([await one.services.get(ANNA) for one in stores])
    for one in stores:
        await one.close()


async def test_it_answers_pings_and_any_number_of_callers(store: Store) -> None:
    await service(store)
    await store.ping()
    await asyncio.gather(*(store.services.all() for _ in range(40)), *(store.ping() for _ in range(40)))


# ── jobs ────────────────────────────────────────────────────────────────────────────────────────────


def job(job_id: str = "7", created_ms: int = 1, **request: Any) -> JobRecord:
    return JobRecord(job_id, ROOM, "streaming-in", request, created_ms, {"part": 1})


async def test_jobs_come_back_as_they_were_given_by_creation(store: Store) -> None:
    await service(store)
    await room(store)
    late, early = job("9", 2**45, url="rtmp://Ä😀", deep=[{"n": 1.5}]), job("8", 2)
    for one in (late, early):
        await store.jobs.add(one)
    assert await store.jobs.all() == ([early, late], [])


async def test_a_job_needs_its_room_and_an_id_of_its_own(store: Store) -> None:
    with pytest.raises(Conflict):
        await store.jobs.add(job())
    await service(store)
    await room(store)
    await store.jobs.add(job())
    with pytest.raises(Conflict):
        await store.jobs.add(job(url="another"))
    assert await store.jobs.all() == ([job()], [])


async def test_the_request_and_state_of_a_job_change(store: Store) -> None:
    await service(store)
    await room(store)
    changed = JobRecord("7", ROOM, "streaming-in", {"url": "new"}, 1, {"part": 2})
    assert not await store.jobs.update(changed)
    await store.jobs.add(job(url="old"))
    assert await store.jobs.update(changed)
    assert await store.jobs.all() == ([changed], [])


async def test_a_deleted_job_is_gone_and_so_are_those_of_a_deleted_room(store: Store) -> None:
    await service(store)
    await room(store)
    for name in ("7", "8", "9"):
        await store.jobs.add(job(name))
    assert await store.jobs.delete("7")
    assert not await store.jobs.delete("7")
    assert [one.id for one in (await store.jobs.all())[0]] == ["8", "9"]
    await store.rooms.delete(ROOM)
    assert await store.jobs.all() == ([], [])


async def test_a_job_s_request_is_encrypted_at_rest(store: Store) -> None:
    await service(store)
    await room(store)
    await store.jobs.add(job(url="rtmp://cdn/live/the-stream-key"))
    rows = await store._database.read(Every(text("SELECT * FROM jobs")))
    assert "the-stream-key" not in str(rows)
    assert "the-stream-key" not in repr((await store.jobs.all())[0])


async def test_a_job_that_cannot_be_read_hides_no_other(store: Store) -> None:
    await service(store)
    await room(store)
    for name in ("7", "8"):
        await store.jobs.add(job(name))
    await store._database.write(Changed(text("UPDATE jobs SET request = 'none of ours' WHERE id = '7'")))
    readable, unreadable = await store.jobs.all()
    assert ([one.id for one in readable], unreadable) == (["8"], ["7"])


# ── recordings ──────────────────────────────────────────────────────────────────────────────────────


def recording(recording_id: str, started_ms: int, room_id: str = ROOM) -> Entry:
    return Entry(
        id=recording_id,
        service=ANNA,
        room=room_id,
        started_ms=started_ms,
        container="mkv",
        audio="opus",
        video=None,
        parts=[Part(file="r/1.mkv", started_ms=started_ms)],
    )


async def test_recordings_are_found_by_service_room_and_state(store: Store) -> None:
    first, second, third = recording("b", 1), recording("a", 2), recording("c", 3, OTHER)
    for one in (third, second, first):
        await store.recordings.add(one)
    assert await store.recordings.of(ANNA) == [first, second, third]
    assert await store.recordings.of(ANNA, ROOM) == [first, second]
    assert await store.recordings.of(ANNA, limit=1, offset=1) == [second]
    assert await store.recordings.of(BERT) == []
    assert (await store.recordings.count(ANNA), await store.recordings.count(ANNA, OTHER)) == (3, 1)
    second.end(9, "as asked")
    assert await store.recordings.save(second)
    assert await store.recordings.going_on() == [first, third]
    assert await store.recordings.ended() == [second]
    assert await store.recordings.get("a") == second


async def test_a_recording_outlives_its_room_until_it_is_deleted(store: Store) -> None:
    await service(store)
    await room(store)
    entry = recording("a", 1)
    await store.recordings.add(entry)
    await store.rooms.delete(ROOM)
    assert await store.recordings.of(ANNA, ROOM) == [entry]
    assert await store.recordings.delete("a")
    assert not await store.recordings.delete("a")
    assert not await store.recordings.save(entry)
    assert await store.recordings.get("a") is None


# ── standings ───────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_decided_about_a_participant_is_kept_until_it_expires(store: Store) -> None:
    await service(store)
    await room(store)
    grants = {"publish": {"audio": False, "video": False}, "subscribe": {"audio": True, "video": False}}
    given = Standing("ann", ROOM, 2000, permission=grants)
    assert await store.standings.of("ann") is None
    await store.standings.put(given)
    assert await store.standings.of("ann") == given
    await store.standings.put(Standing("bob", ROOM, 1000, revoked=True))
    assert await store.standings.purge(1500) == 1
    assert (await store.standings.of("bob"), await store.standings.of("ann")) == (None, given)


async def test_who_is_removed_stays_so_and_goes_with_the_room(store: Store) -> None:
    await service(store)
    await room(store)
    revoked = Standing("ann", ROOM, 1000, revoked=True)
    await store.standings.put(revoked)
    await store.standings.put(Standing("ann", ROOM, 2000, permission={}))
    assert await store.standings.of("ann") == revoked
    await store.rooms.delete(ROOM)
    assert await store.standings.of("ann") is None
    with pytest.raises(Conflict):
        await store.standings.put(revoked)


async def test_one_participant_may_be_decided_about_several_times_at_once(store: Store) -> None:
    await service(store)
    await room(store)
    revoked = Standing("ann", ROOM, 1000, revoked=True)
    await asyncio.gather(*(store.standings.put(revoked) for _ in range(20)))
    assert await store.standings.of("ann") == revoked


# ── invitations and webhooks ────────────────────────────────────────────────────────────────────────


async def test_an_invitation_is_used_as_often_as_it_may_be_by_many_at_once(store: Store) -> None:
    await service(store)
    await room(store)
    await store.invites.add(Invite("i1", ROOM, "viewer", 1, None, 3))
    used = await asyncio.gather(*(store.invites.use("i1") for _ in range(10)))
    assert sorted(one.uses for one in used if one is not None) == [1, 2, 3]
    found = await store.invites.get("i1")
    assert found is not None
    assert found.used_up
    assert await store.invites.use("none") is None


async def test_invitations_are_of_a_room_and_go_with_it(store: Store) -> None:
    await service(store)
    await room(store)
    with pytest.raises(Conflict):
        await store.invites.add(Invite("i0", OTHER, "viewer", 1))
    endless, ending = Invite("i1", ROOM, "viewer", 1), Invite("i2", ROOM, "presenter", 2, 2000, 5, 1)
    for one in (ending, endless):
        await store.invites.add(one)
    assert await store.invites.of(ROOM) == [endless, ending]
    assert await store.invites.count(ROOM) == 2
    assert not await store.invites.delete(OTHER, "i1")
    assert await store.invites.purge(2001) == 1
    assert await store.invites.of(ROOM) == [endless]
    assert await store.rooms.delete(ROOM)
    assert await store.invites.get("i1") is None


def delivery(name: str, webhook: str = "w1") -> Delivery:
    return Delivery(name, webhook, ROOM, f"msg_{name}", '{"name": "Jürgen"}', 1_700_000_000_000)


async def test_deliveries_wait_in_order_until_they_are_done(store: Store) -> None:
    await service(store)
    hook = WebhookRecord("w1", ANNA, "https://u:p@app.example/", "whsec_x", ("a.b", "c.d"), 1)
    await store.webhooks.add(hook)
    assert await store.webhooks.all() == [hook]
    first, second = delivery("1"), delivery("2")
    await store.webhooks.keep([second, delivery("3", "gone"), first])
    assert await store.webhooks.waiting() == [first, second]
    await store.webhooks.done("1")
    assert await store.webhooks.waiting() == [second]
    assert await store.services.delete(ANNA) == []
    assert await store.webhooks.all() == []
    assert await store.webhooks.waiting() == []


async def test_a_webhook_needs_its_service_and_hides_its_secrets_at_rest(store: Store) -> None:
    hook = WebhookRecord("w1", ANNA, "https://u:hunter2@app.example/", "whsec_hunter2", ("a",), 1)
    with pytest.raises(Conflict):
        await store.webhooks.add(hook)
    await service(store)
    await store.webhooks.add(hook)
    (row,) = await store._database.read(Every(text("SELECT url, secret FROM webhooks")))
    assert "hunter2" not in str(tuple(row))
