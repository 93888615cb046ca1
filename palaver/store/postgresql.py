"""PostgreSQL: a pool of connections through asyncpg."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from palaver.store import database
from palaver.store.database import T, Work, in_our_words, too_late
from palaver.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sqlalchemy.engine import URL


class Postgresql:
    """A :class:`~palaver.store.database.Database` on a server, which any number of nodes may share."""

    def __init__(self, url: URL) -> None:
        self._waiting = self._failed = 0
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg"),
            pool_size=8,
            pool_timeout=database.DEADLINE_S,
            pool_pre_ping=True,
            connect_args={"timeout": database.DEADLINE_S},
        )

    async def read(self, work: Work[T]) -> T:
        """See Database."""
        async with self._watched(database.DEADLINE_S), self._engine.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Work[T], *, deadline_s: float | None = None) -> T:
        """See Database."""
        async with self._watched(deadline_s or database.DEADLINE_S), self._engine.begin() as connection:
            return await connection.run_sync(work)

    def stats(self) -> Mapping[str, float]:
        """See Database."""
        return {"waiting": self._waiting, "failed_total": self._failed}

    async def close(self) -> None:
        """See Database."""
        async with self._watched(database.DEADLINE_S):
            await self._engine.dispose()

    @asynccontextmanager
    async def _watched(self, deadline_s: float) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            async with asyncio.timeout(deadline_s):
                yield
        except SQLAlchemyError as error:
            said = in_our_words(error)
            self._failed += type(said) is StoreError
            raise said from error
        except TimeoutError as error:
            self._failed += 1
            raise too_late() from error
        except OSError as error:
            self._failed += 1
            raise StoreError(f"the database is not reachable: {error}") from error
        finally:
            self._waiting -= 1
