"""Services: the accounts of applications. Their keys are encrypted at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select

from palaver.store.tables import rooms, services
from palaver.store.work import Changed, Every, First

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from palaver.store.cache import Cache
    from palaver.store.database import Database
    from palaver.store.secrets import Vault

_ALL: Final = "all"

_INSERT: Final = insert(services)
_BY_ID: Final = select(services).where(services.c.id == bindparam("service"))
_BY_NAME: Final = select(services).where(services.c.name == bindparam("service"))
_ORDERED: Final = select(services).order_by(services.c.is_super.desc(), services.c.created_ms, services.c.id)
_IDS: Final = select(services.c.id)
_DELETE: Final = delete(services).where(services.c.id == bindparam("gone"))
_ROOMS: Final = select(rooms.c.id).where(rooms.c.service == bindparam("gone"))


@dataclass(frozen=True, slots=True)
class Service:
    """An account. ``key`` signs requests; ``cipher`` is what the store and REST answers hold of it."""

    id: str
    name: str
    key: str = field(repr=False)
    cipher: str
    created_ms: int
    is_super: bool = False


class Services:
    """The accounts: the super service first, then the others in the order of their creation."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        cache: Cache[Service],
        room_cache: Cache[Any],
        known: Cache[frozenset[str]],
    ) -> None:
        self._database, self._vault = database, vault
        self._cache, self._room_cache, self._known = cache, room_cache, known

    async def create(
        self, service_id: str, name: str, key: str, *, created_ms: int, is_super: bool = False
    ) -> Service:
        """A new account. Raises Conflict if the name is in use."""
        service = Service(service_id, name, key, self._vault.seal(key), created_ms, is_super)
        row = {
            "id": service_id,
            "name": name,
            "cipher": service.cipher,
            "is_super": is_super,
            "created_ms": created_ms,
        }
        await self._database.write(Changed(_INSERT, row))
        self._known.forget(_ALL)
        return service

    async def get(self, service: str) -> Service | None:
        """The account with this id; from memory if it was read lately.

        Which ids exist is remembered too, so that asking for one that does not takes no longer.
        """
        if service not in (await self._known.get(_ALL, self._read_ids) or ()):
            return None
        return await self._cache.get(service, self._read)

    async def by_name(self, name: str) -> Service | None:
        """The account with this name."""
        return await self._one(_BY_NAME, name)

    async def all(self) -> list[Service]:
        """All accounts."""
        found = await self._database.read(Every(_ORDERED))
        return [self._service(row) for row in found]

    async def delete(self, service: str) -> Sequence[str] | None:
        """The rooms that went with the account, their tokens included; None if there was no such account."""

        def work(connection: Connection) -> Sequence[str] | None:
            gone = {"gone": service}
            owned = connection.execute(_ROOMS, gone).scalars().all()
            return owned if connection.execute(_DELETE, gone).rowcount else None

        owned = await self._database.write(work)
        self._cache.forget(service)
        self._known.forget(_ALL)
        self._room_cache.forget(*(owned or ()))
        return owned

    async def _read_ids(self, _key: str) -> frozenset[str]:
        return frozenset(row.id for row in await self._database.read(Every(_IDS)))

    async def _read(self, service: str) -> Service | None:
        return await self._one(_BY_ID, service)

    async def _one(self, query: Any, service: str) -> Service | None:
        row = await self._database.read(First(query, {"service": service}))
        return None if row is None else self._service(row)

    def _service(self, row: Any) -> Service:
        return Service(
            row.id, row.name, self._vault.open(row.cipher), row.cipher, row.created_ms, bool(row.is_super)
        )
