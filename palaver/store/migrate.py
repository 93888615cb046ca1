"""Brings a database's tables up to date when it is opened."""

from __future__ import annotations

import asyncio
from importlib import resources
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from palaver.store.database import in_memory, make_engine
from palaver.store.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

DEADLINE_S: Final = 120.0
_LOCK: Final = 0x70616C61
"""Of PostgreSQL's advisory locks, ours: servers that start together migrate one after the other."""


async def migrate(engine: AsyncEngine, url: URL) -> None:
    """Run what migrations are missing. Raises StoreError, also for a database that is newer than this version."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            if in_memory(url):
                await _run(engine)
            else:
                await asyncio.to_thread(_in_own_loop, url)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> StoreError:
    words = str(getattr(error, "orig", None) or error) or type(error).__name__
    return StoreError(f"the database cannot be opened: {words}")


def _in_own_loop(url: URL) -> None:
    """Alembic is synchronous and takes its time; the server's loop goes on meanwhile."""

    async def run() -> None:
        engine = make_engine(url)
        try:
            await _run(engine)
        finally:
            await engine.dispose()

    asyncio.run(run())


async def _run(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        else:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.run_sync(_upgrade)


def revision(connection: Connection) -> str | None:
    """The migration that a database is at, None for an empty one. Changes nothing. Raises SQLAlchemyError."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def newest() -> str:
    """The last migration of this version: the number that the name of its file begins with."""
    versions = resources.files("palaver.store") / "migrations" / "versions"
    return max(file.name.split("_")[0] for file in versions.iterdir() if file.name[0].isdigit())


def _upgrade(connection: Connection) -> None:
    if revision(connection) == newest():
        return
    from alembic import command  # a tenth of the time of a start, and almost never needed
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    with resources.as_file(resources.files("palaver.store") / "migrations") as scripts:
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise _unusable(error) from error
