"""The store as a whole: opened with its migrations done, closed with all connections given back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, text, update

from palaver.store.cache import Cache
from palaver.store.database import Database, parse_url
from palaver.store.databases import make_database
from palaver.store.errors import Conflict, StoreError
from palaver.store.invites import Invites
from palaver.store.jobs import JobRecords
from palaver.store.migrate import migrate
from palaver.store.recordings import Recordings
from palaver.store.rooms import RoomDefinition, RoomDefinitions
from palaver.store.secrets import Vault
from palaver.store.services import Service, Services
from palaver.store.standings import Standings
from palaver.store.tables import marks
from palaver.store.tokens import Tokens
from palaver.store.webhooks import Webhooks
from palaver.store.work import First

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from sqlalchemy.engine import Connection

_MARK: Final = "palaver"
_PING: Final = text("SELECT 1")
_WRITTEN: Final = "written"


async def _first(opening: Coroutine[Any, Any, None]) -> None:
    """Open a database; what its driver does not like about the URL comes with the first connection."""
    try:
        await opening
    except (TypeError, ValueError) as error:
        raise StoreError(f"the database cannot be opened: {error}") from error


def _write_mark(connection: Connection) -> None:
    """Change a row: the number of times that this was done."""
    found = connection.execute(select(marks.c.value).where(marks.c.name == _WRITTEN)).scalar()
    if found is None:
        connection.execute(insert(marks).values(name=_WRITTEN, value="0"))
    else:
        changed = str(int(found) + 1)
        connection.execute(update(marks).where(marks.c.name == _WRITTEN).values(value=changed))


class Store:
    """Services, room definitions, tokens, jobs and recordings in SQLite or PostgreSQL.

    All that it and its parts raise is StoreError.
    """

    def __init__(self, database: Database, vault: Vault, clock: Callable[[], float]) -> None:
        cached_services: Cache[Service] = Cache(clock)
        cached_rooms: Cache[RoomDefinition] = Cache(clock)
        self._database = database
        self.services = Services(database, vault, cached_services, cached_rooms, Cache(clock))
        self.rooms = RoomDefinitions(database, vault, cached_rooms)
        self.tokens = Tokens(database)
        self.standings = Standings(database)
        self.invites = Invites(database)
        self.webhooks = Webhooks(database, vault)
        self.jobs = JobRecords(database, vault)
        self.recordings = Recordings(database)

    @classmethod
    async def open(cls, url: str, *, master_key: bytes, clock: Callable[[], float] = time.monotonic) -> Store:
        """Bring the database up to date and open it.

        ``url`` is ``sqlite:///path`` or ``postgresql://…``. Raises StoreError, also when
        ``master_key`` is not the one that the database was made with. ``clock`` (seconds, monotonic) ages what
        is remembered of it.
        """
        database = make_database(parse_url(url))
        try:
            await _first(migrate(database))
            vault = Vault(master_key)
            await _check(database, vault)
        except BaseException:
            await database.close()
            raise
        return cls(database, vault, clock)

    async def ping(self) -> None:
        """Raise StoreError unless the database answers."""
        await self._database.read(First(_PING))

    async def try_writing(self) -> None:
        """Raise StoreError unless the database can be written."""
        await self._database.write(_write_mark)

    def stats(self) -> Mapping[str, float]:
        """Counters by metric name."""
        return self._database.stats()

    async def close(self) -> None:
        """Give all connections back."""
        await self._database.close()


async def _check(database: Database, vault: Vault) -> None:
    """Refuse a master key that cannot read this database, before anything is answered wrongly or written."""

    def work(connection: Connection) -> str:
        known = connection.execute(select(marks.c.value).where(marks.c.name == "vault")).scalar()
        if known is not None:
            return str(known)
        fresh = vault.seal(_MARK)
        connection.execute(insert(marks), {"name": "vault", "value": fresh})
        return fresh

    try:
        sealed = await database.write(work)
    except Conflict:  # another node opened the same new database at this very moment
        await asyncio.sleep(0)
        return await _check(database, vault)
    if _opened(vault, sealed) != _MARK:
        raise StoreError("the master key does not fit this database")


def _opened(vault: Vault, sealed: str) -> str | None:
    try:
        return vault.open(sealed)
    except StoreError:
        return None
