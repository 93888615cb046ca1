"""The database behind the store: migrations, settings, and its failures in our own words."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from palaver.store import Store, StoreError, database
from palaver.store.tables import metadata

MASTER = b"m" * 32
SERVICE = "a" * 24


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "palaver.db"


async def opened(path: Path) -> Store:
    return await Store.open(f"sqlite+aiosqlite:///{path}", master_key=MASTER)


async def test_the_migrations_make_exactly_the_tables(path: Path) -> None:
    await (await opened(path)).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_a_database_of_a_later_version_is_left_alone(path: Path) -> None:
    await (await opened(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'future'")
    connection.close()
    with pytest.raises(StoreError, match="future"):
        await opened(path)


async def test_sqlite_is_set_up_for_a_server(path: Path) -> None:
    store = await opened(path)
    async with store._database.read() as connection:
        settings = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    await store.close()
    assert settings == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 1, "busy_timeout": 4000}


async def test_a_database_that_somebody_else_locks_is_a_store_error_in_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PRAGMAS", ("PRAGMA busy_timeout = 50",))
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

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(5), server:
        with pytest.raises(StoreError):
            await Store.open(f"postgresql+asyncpg://x:y@127.0.0.1:{port}/z", master_key=MASTER)


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
        ("nonsense", "expected sqlite"),
        ("mysql://x/y", "neither"),
        ("sqlite:///x", "neither"),
        ("sqlite+aiosqlite:////no/such/folder/x.db", "cannot be opened"),
        ("postgresql+asyncpg://nobody@127.0.0.1:1/x", "cannot be opened"),
    ],
)
async def test_what_cannot_be_opened_is_a_store_error(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        await Store.open(url, master_key=MASTER)


async def test_a_table_that_vanishes_is_a_store_error(path: Path) -> None:
    store = await opened(path)
    async with store._database.write() as connection:
        await connection.execute(text("DROP TABLE tokens"))
    with pytest.raises(StoreError, match="tokens"):
        await store.tokens.get("t")
    await store.ping()
    await store.close()
