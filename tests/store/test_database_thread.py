"""The thread that writes to SQLite: groups with one commit, in which work succeeds and fails for itself."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from palaver.store import Conflict, StoreError, database_thread
from palaver.store.database import Work, parse_url
from palaver.store.sqlite import Sqlite
from palaver.store.work import Changed, Every


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Sqlite]:
    """A database with one table of numbers, each of which is there once."""
    database = Sqlite(parse_url(f"sqlite:///{path}"))
    await database.write(Changed(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")))
    yield database
    await database.close()


class Held:
    """Work during which its thread stands still, so that others have to wait."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Event(), threading.Event()

    def __call__(self, _connection: Connection) -> None:
        self.begun.set()
        assert self.end.wait(10)


def insert(number: int) -> Work[int]:
    return Changed(text("INSERT INTO numbers VALUES (:n)"), {"n": number})


async def numbers(database: Sqlite) -> list[int]:
    return [row.n for row in await database.read(Every(text("SELECT n FROM numbers ORDER BY n")))]


async def test_what_waits_is_committed_at_once(database: Sqlite) -> None:
    held = Held()
    before = database.stats()["commits_total"]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(held))
        await asyncio.to_thread(held.begun.wait, 10)
        for number in range(20):
            tasks.create_task(database.write(insert(number)))
        await asyncio.sleep(0)  # each asks in its first step
        assert database.stats()["waiting"] == 21
        held.end.set()
    assert await numbers(database) == list(range(20))
    assert database.stats()["commits_total"] - before == 2
    assert database.stats()["waiting"] == 0


async def test_work_that_fails_in_a_group_fails_alone_and_whole(database: Sqlite) -> None:
    def two_of_which_one_exists(connection: Connection) -> None:
        insert(5)(connection)
        insert(1)(connection)

    def gives_up(connection: Connection) -> None:
        insert(6)(connection)
        raise KeyError("changed its mind")

    held = Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(held))
        await asyncio.to_thread(held.begun.wait, 10)
        works = (insert(1), two_of_which_one_exists, gives_up, insert(2))
        done = tasks.create_task(asyncio.wait([asyncio.ensure_future(database.write(one)) for one in works]))
        await asyncio.sleep(0)  # each asks in its first step
        assert database.stats()["waiting"] == 5
        held.end.set()
    outcomes = {type(one.exception()) for one in done.result()[0]}
    assert outcomes == {type(None), Conflict, KeyError}
    assert await numbers(database) == [1, 2]


async def test_what_is_given_up_before_its_turn_is_not_done(database: Sqlite) -> None:
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(held))
        await asyncio.to_thread(held.begun.wait, 10)
        with pytest.raises(StoreError, match="did not answer in time"):
            await database.write(insert(1), deadline_s=0.01)
        held.end.set()
    await database.write(insert(2))
    assert await numbers(database) == [2]


async def test_more_than_may_wait_are_refused(database: Sqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_thread, "WAITING", 3)
    held = Held()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(database.write(held))
        await asyncio.to_thread(held.begun.wait, 10)
        for number in (1, 2):
            tasks.create_task(database.write(insert(number)))
        await asyncio.sleep(0)  # each asks in its first step
        assert database.stats()["waiting"] == 3
        with pytest.raises(StoreError, match="3 wait for it already"):
            await database.write(insert(3))
        held.end.set()
    assert await numbers(database) == [1, 2]
    assert database.stats()["refused_total"] == 1


async def test_a_commit_that_fails_fails_its_group_and_nothing_else(database: Sqlite, path: Path) -> None:
    def full(connection: Connection) -> None:
        insert(1)(connection)
        connection.exec_driver_sql("CREATE TABLE pages (b BLOB)")
        connection.exec_driver_sql(
            "PRAGMA max_page_count = 1"
        )  # clamped to what the file has: it is full now
        connection.exec_driver_sql("INSERT INTO pages VALUES (zeroblob(1000000))")

    with pytest.raises(StoreError, match="full"):
        await database.write(full)
    assert await numbers(database) == []
    await database.write(Changed(text("PRAGMA max_page_count = 1000000")))
    await database.write(insert(2))
    assert await numbers(database) == [2]
    assert database.stats()["failed_total"] == 1


async def test_an_answer_is_given_after_the_commit(database: Sqlite, path: Path) -> None:
    await database.write(insert(7))
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT n FROM numbers").fetchall() == [(7,)]
    other.close()


async def test_after_the_end_nothing_is_done(path: Path) -> None:
    before = set(threading.enumerate())
    database = Sqlite(parse_url(f"sqlite:///{path}"))
    await database.write(Changed(text("CREATE TABLE numbers (n INTEGER)")))
    await database.close()
    assert not [one for one in set(threading.enumerate()) - before if one.name.startswith("sqlite")]
    with pytest.raises(StoreError, match="closed"):
        await database.write(insert(1))
