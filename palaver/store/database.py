"""Connections to the database: opening, pragmas, deadlines, and errors in our own words."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from palaver.store.errors import Conflict, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEADLINE_S: Final = 5.0
"""How long any operation may take, waiting for a connection or a lock included."""

_BUSY_MS: Final = 4000
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {_BUSY_MS}",
    "PRAGMA temp_store = MEMORY",
)


class Database:
    """A pool of connections. Everything it raises is a StoreError."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # SQLite lets one write at a time, and lets others wait by trying again and again: better to queue here.
        self._writing = asyncio.Lock() if engine.dialect.name == "sqlite" else None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for looking things up."""
        async with _translated(), self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, rolled back on any error. Raises Conflict where a constraint forbids."""
        async with _translated(), self._writing or nullcontext(), self._engine.begin() as connection:
            if self._writing:
                # A transaction that only turns out to write later fails at once if another one wrote meanwhile.
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    async def close(self) -> None:
        """Give all connections back."""
        async with _translated():
            await self._engine.dispose()


def parse_url(url: str) -> URL:
    """``url`` if it names a database that we can use; raises StoreError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("database: expected sqlite+aiosqlite:///… or postgresql+asyncpg://…") from None
    if parsed.drivername not in {"sqlite+aiosqlite", "postgresql+asyncpg"}:
        raise StoreError(f"database: {parsed.drivername} is neither sqlite+aiosqlite nor postgresql+asyncpg")
    return parsed


def in_memory(url: URL) -> bool:
    """Whether the database lives and dies with a single connection."""
    return url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}


def make_engine(url: URL) -> AsyncEngine:
    """An engine with our pragmas and deadlines."""
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url,
            pool_size=8,
            pool_timeout=DEADLINE_S,
            pool_pre_ping=True,
            connect_args={"timeout": DEADLINE_S},
        )
    if in_memory(url):
        engine = create_async_engine(
            url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0, pool_timeout=DEADLINE_S
        )
    else:
        engine = create_async_engine(url, pool_size=4, pool_timeout=DEADLINE_S)
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield
    except IntegrityError as error:
        raise Conflict(_words(error)) from error
    except SQLAlchemyError as error:
        raise StoreError(_words(error)) from error
    except TimeoutError as error:
        raise StoreError(f"the database did not answer within {DEADLINE_S:g} s") from error
    except OSError as error:
        raise StoreError(f"the database is not reachable: {error}") from error


def _words(error: SQLAlchemyError) -> str:
    """What the driver said, without the statement and its values: those may hold secrets."""
    return str(getattr(error, "orig", None) or type(error).__name__)
