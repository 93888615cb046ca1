"""Services: the accounts of applications. Their keys are encrypted at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select

from palaver.store.tables import rooms, services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palaver.store.cache import Cache
    from palaver.store.database import Database
    from palaver.store.secrets import Vault

_ALL: Final = "all"


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
    """The accounts, in the order of their creation."""

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
        async with self._database.write() as connection:
            await connection.execute(
                insert(services).values(
                    id=service_id, name=name, cipher=service.cipher, is_super=is_super, created_ms=created_ms
                )
            )
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
        async with self._database.read() as connection:
            row = (await connection.execute(select(services).where(services.c.name == name))).first()
        return None if row is None else self._service(row)

    async def all(self) -> list[Service]:
        """All accounts."""
        order = (services.c.created_ms, services.c.id)
        async with self._database.read() as connection:
            rows = (await connection.execute(select(services).order_by(*order))).all()
        return [self._service(row) for row in rows]

    async def delete(self, service: str) -> Sequence[str] | None:
        """The rooms that went with the account, their tokens included; None if there was no such account."""
        async with self._database.write() as connection:
            owned = (
                (await connection.execute(select(rooms.c.id).where(rooms.c.service == service)))
                .scalars()
                .all()
            )
            gone = (await connection.execute(delete(services).where(services.c.id == service))).rowcount
        self._cache.forget(service)
        self._known.forget(_ALL)
        self._room_cache.forget(*owned)
        return owned if gone else None

    async def _read_ids(self, _key: str) -> frozenset[str]:
        async with self._database.read() as connection:
            return frozenset((await connection.execute(select(services.c.id))).scalars())

    async def _read(self, service: str) -> Service | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(services).where(services.c.id == service))).first()
        return None if row is None else self._service(row)

    def _service(self, row: Any) -> Service:
        return Service(
            row.id, row.name, self._vault.open(row.cipher), row.cipher, row.created_ms, bool(row.is_super)
        )
