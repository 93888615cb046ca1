"""SQLite: one thread that writes and one that reads, each with its connection."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

from palaver.store import database
from palaver.store.database import T, Work, in_memory
from palaver.store.database_thread import DatabaseThread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL, Engine

_BUSY_MS: Final = 4000
_RETRY_S: Final = 0.01
_PRAGMAS: Final = (
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {_BUSY_MS}",
    "PRAGMA temp_store = MEMORY",
)


class Sqlite:
    """A :class:`~palaver.store.database.Database` in one file, or in memory.

    SQLite lets one connection write at a time, and a commit costs more than what is committed: so all writing is
    one thread's, which commits what waits for it in groups.
    """

    def __init__(self, url: URL) -> None:
        engine = _engine(url.set(drivername="sqlite"))
        self._writing = DatabaseThread(engine, writing=True)
        self._reading = self._writing if in_memory(url) else DatabaseThread(engine, writing=False)

    async def read(self, work: Work[T]) -> T:
        """See Database."""
        return await self._reading.do(work, database.DEADLINE_S)

    async def write(self, work: Work[T], *, deadline_s: float | None = None) -> T:
        """See Database."""
        return await self._writing.do(work, deadline_s or database.DEADLINE_S)

    def stats(self) -> Mapping[str, float]:
        """See Database."""
        threads = {id(thread): thread for thread in (self._writing, self._reading)}.values()
        return {
            "waiting": sum(thread.waiting for thread in threads),
            "refused_total": sum(thread.refused for thread in threads),
            "failed_total": sum(thread.failed for thread in threads),
            "commits_total": self._writing.groups,
        }

    async def close(self) -> None:
        """See Database."""
        await self._reading.close()
        await self._writing.close()


def _engine(url: URL) -> Engine:
    # The threads say BEGIN and COMMIT themselves: Python's sqlite3 would begin some transactions late, others never.
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    _write_ahead(cursor)
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Switch a new database to its write-ahead log. Where several processes do so at once, SQLite lets one and
    refuses the others without waiting (its busy_timeout does not apply).
    """
    give_up = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(_RETRY_S)
        else:
            return
