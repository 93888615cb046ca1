"""The database behind the store: migrations, settings, and its failures in our own words."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from palaver.store import Store, StoreError, database, sqlite
from palaver.store.database import Database, parse_url
from palaver.store.databases import make_database
from palaver.store.migrate import migrate, revision, upgrade
from palaver.store.tables import metadata
from palaver.store.work import Changed
from tests.postgres import Postgres

MASTER = b"m" * 32
SERVICE = "a" * 24


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "palaver.db"


async def opened(path: Path) -> Store:
    return await Store.open(f"sqlite:///{path}", master_key=MASTER)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, path: Path) -> Database:
    """A database without any table."""
    if request.param == "sqlite":
        return make_database(parse_url(f"sqlite:///{path}"))
    cluster: Postgres = request.getfixturevalue("postgres")
    cluster.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return make_database(parse_url(cluster.url))


def described(connection: Connection) -> object:
    """Everything that the database says about its tables, and which migration it is at."""
    inspected = inspect(connection)
    tables = {
        table: (
            [{**column, "type": str(column["type"])} for column in inspected.get_columns(table)],
            inspected.get_pk_constraint(table),
            inspected.get_foreign_keys(table),
            sorted(inspected.get_unique_constraints(table), key=str),
            sorted(inspected.get_indexes(table), key=str),
        )
        for table in sorted(inspected.get_table_names())
    }
    return revision(connection), tables


async def test_tables_that_are_made_at_once_are_those_of_all_migrations(empty: Database) -> None:
    class Undo(Exception):
        pass

    def migrated(connection: Connection) -> None:
        upgrade(connection)
        seen.append(described(connection))
        raise Undo

    seen: list[object] = []
    with pytest.raises(Undo):
        await empty.write(migrated)
    assert await empty.read(revision) is None
    await migrate(empty)
    seen.append(await empty.read(described))
    await empty.close()
    assert seen[0] == seen[1]
    assert "tokens" in str(seen[0])


async def test_the_migrations_make_exactly_the_tables(empty: Database) -> None:
    def differences(connection: Connection) -> object:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    assert await empty.write(differences) == []
    await empty.close()


async def test_a_database_of_a_later_version_is_left_alone(path: Path) -> None:
    await (await opened(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'future'")
    connection.close()
    with pytest.raises(StoreError, match="future"):
        await opened(path)


async def test_sqlite_is_set_up_for_a_server(path: Path) -> None:
    store = await opened(path)

    def settings(connection: Connection) -> dict[str, object]:
        names = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        return {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names}

    wanted = {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 4000}
    assert await store._database.read(settings) == wanted
    assert await store._database.write(settings) == wanted
    await store.close()


async def test_a_database_that_somebody_else_locks_is_a_store_error_in_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_PRAGMAS", ("PRAGMA busy_timeout = 50",))
    store = await opened(path)
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="database is locked"):
        async with asyncio.timeout(3):
            await store.services.create(SERVICE, "anna", "secret key", created_ms=1)
    assert await store.services.all() == []
    other.rollback()
    other.close()
    await store.services.create(SERVICE, "anna", "key", created_ms=1)
    assert await store.services.by_name("anna")
    await store.close()


async def test_a_database_that_does_not_answer_is_a_store_error_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "DEADLINE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, but nobody answers them
        port = silent.getsockname()[1]
        async with asyncio.timeout(5):
            with pytest.raises(StoreError, match="did not answer in time"):
                await Store.open(f"postgresql://x:y@127.0.0.1:{port}/z", master_key=MASTER)


async def test_no_error_of_the_database_shows_a_statement_or_its_values(path: Path) -> None:
    store = await opened(path)
    await store.services.create(SERVICE, "anna", "key", created_ms=1)
    with pytest.raises(StoreError) as caught:
        await store.services.create("b" * 24, "anna", "key", created_ms=1)
    assert "INSERT" not in str(caught.value)
    assert "b" * 24 not in str(caught.value)
    await store.close()


@pytest.fixture
def damaged(path: Path) -> Path:
    path.write_bytes(b"this is no database" * 100)
    return path


async def test_a_damaged_database_is_a_store_error(damaged: Path) -> None:
    with pytest.raises(StoreError, match="not a database"):
        await opened(damaged)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "expected sqlite:///"),
        ("mysql://x/y", "neither"),
        ("sqlite+pysqlcipher:///x", "neither"),
        ("sqlite:////no/such/folder/x.db", "cannot be opened"),
        ("postgresql+asyncpg://nobody@127.0.0.1:1/x", "cannot be opened"),
    ],
)
async def test_what_cannot_be_opened_is_a_store_error(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        await Store.open(url, master_key=MASTER)


async def test_a_table_that_vanishes_is_a_store_error(path: Path) -> None:
    store = await opened(path)
    await store._database.write(Changed(text("DROP TABLE tokens")))
    with pytest.raises(StoreError, match="tokens"):
        await store.tokens.get("t")
    await store.ping()
    await store.close()


@pytest.mark.parametrize(
    ("version", "newer"),
    [
        ("0001", ("jobs", "recordings", "standings", "invites", "deliveries", "webhooks")),
        ("0002", ("recordings", "standings", "invites", "deliveries", "webhooks")),
        ("0003", ("standings", "invites", "deliveries", "webhooks")),
        ("0004", ("invites", "deliveries", "webhooks")),
        ("0005", ("deliveries", "webhooks")),
    ],
)
async def test_a_database_of_an_older_version_is_brought_up_to_date(
    empty: Database, version: str, newer: tuple[str, ...]
) -> None:
    def as_before(connection: Connection) -> None:
        for table in newer:
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{version}'"))

    await migrate(empty)
    now = await empty.read(described)
    await empty.write(as_before)
    await migrate(empty)
    assert await empty.read(described) == now
    await empty.close()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://host/name",
        "postgresql://user:secret@host:port/name",
        "postgresql://127.0.0.1:1/name?bogus=secret",
        "postgresql://[::1/name",
        "sqlite://host/name",
        "sqlite:////nowhere/at/all.db",
        "sqlite:///a%00b",
        "sqlite:///name?bogus=1",
        "sqlite:////etc/passwd",
    ],
)
async def test_a_url_that_cannot_be_used_is_an_error_of_one_line(url: str) -> None:
    with pytest.raises(StoreError, match="database") as refused:
        await Store.open(url, master_key=MASTER)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_database_of_zero_bytes_is_not_taken_for_a_new_one(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError, match="0 bytes: restore it"):
        asyncio.run(opened(path))
    assert path.stat().st_size == 0


async def test_writing_is_tried(path: Path) -> None:
    store = await opened(path)
    try:
        await store.try_writing()
        await store.try_writing()
        await store.ping()
    finally:
        await store.close()
