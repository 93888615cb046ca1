"""Room definitions: what REST created, as a JSON document. A SIP password in it is encrypted at rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from cachetools import LRUCache
from sqlalchemy import bindparam, delete, func, insert, select, update

from palaver.store.errors import StoreError
from palaver.store.tables import rooms
from palaver.store.work import Changed, Every, First

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from palaver.store.cache import Cache
    from palaver.store.database import Database
    from palaver.store.secrets import Vault

Document = dict[str, Any]

_ATTEMPTS: Final = 20
"""Updates of one room that may come in between before ours gives up."""
_DECODED: Final = 2048
"""Documents kept decoded: a list would otherwise decode all of its rooms each time."""
_AT_ONCE: Final = 500
"""Documents fetched by one statement."""

_INSERT: Final = insert(rooms)
_BY_ID: Final = select(rooms).where(rooms.c.id == bindparam("room"))
_BY_IDS: Final = select(rooms).where(rooms.c.id.in_(bindparam("some", expanding=True)))
_HEADS: Final = (
    select(rooms.c.id, rooms.c.revision)
    .where(rooms.c.service == bindparam("service"))
    .order_by(rooms.c.created_ms, rooms.c.id)
)
_PAGE: Final = _HEADS.limit(bindparam("limit")).offset(bindparam("offset"))
_COUNT: Final = select(func.count()).select_from(rooms).where(rooms.c.service == bindparam("service"))
_OWNED: Final = select(rooms.c.service, rooms.c.id).order_by(rooms.c.created_ms, rooms.c.id)
_OWNED_BY: Final = _OWNED.where(rooms.c.service == bindparam("service"))
_WITH_SIP: Final = select(rooms).where(rooms.c.document.like('%"sip":{%'))
_UPDATE: Final = (
    update(rooms)
    .where(rooms.c.id == bindparam("room"), rooms.c.revision == bindparam("was"))
    .values(document=bindparam("written"), revision=bindparam("was") + 1)
)
_DELETE: Final = delete(rooms).where(rooms.c.id == bindparam("room"))


@dataclass(frozen=True, slots=True)
class RoomDefinition:
    """A stored room of ``service``. ``document`` is the whole room without its id; never change it in place."""

    id: str
    service: str
    document: Document
    created_ms: int
    revision: int = 0

    @property
    def name(self) -> str:
        """The application's name for the room, not unique."""
        return str(self.document["name"])


class RoomDefinitions:
    """The rooms of all services, in the order of their creation."""

    def __init__(self, database: Database, vault: Vault, cache: Cache[RoomDefinition]) -> None:
        self._database, self._vault, self._cache = database, vault, cache
        self._decoded: LRUCache[str, RoomDefinition] = LRUCache(_DECODED)

    async def create(self, room: str, service: str, document: Document, *, created_ms: int) -> RoomDefinition:
        """A new room. Raises Conflict if its service is gone."""
        row = {
            "id": room,
            "service": service,
            "document": self._seal(document),
            "revision": 0,
            "created_ms": created_ms,
        }
        await self._database.write(Changed(_INSERT, row))
        return RoomDefinition(room, service, document, created_ms)

    async def get(self, room: str) -> RoomDefinition | None:
        """The room with this id; from memory if it was read lately."""
        return await self._cache.get(room, self._read)

    async def of(self, service: str, *, limit: int | None = None, offset: int = 0) -> list[RoomDefinition]:
        """Rooms of a service."""
        of: dict[str, Any] = {"service": service}
        heads = Every(_HEADS, of) if limit is None else Every(_PAGE, {**of, "limit": limit, "offset": offset})
        found = await self._database.read(heads)
        known = {row.id: self._decoded[row.id] for row in found if self._is_decoded(row.id, row.revision)}
        missing = [row.id for row in found if row.id not in known]
        if missing:
            fetched = await self._database.read(lambda connection: _fetched(connection, missing))
            known |= {row.id: self._definition(row) for row in fetched}
        return [known[row.id] for row in found if row.id in known]

    def _is_decoded(self, room: str, revision: int) -> bool:
        known = self._decoded.get(room)
        return known is not None and known.revision == revision

    async def count(self, service: str) -> int:
        """How many rooms a service has."""
        row = await self._database.read(First(_COUNT, {"service": service}))
        return 0 if row is None else int(row[0])

    async def ids(self, service: str | None = None) -> dict[str, list[str]]:
        """The ids of the rooms of each service that has any, or of one service only."""
        work = Every(_OWNED) if service is None else Every(_OWNED_BY, {"service": service})
        owned: dict[str, list[str]] = {}
        for row in await self._database.read(work):
            owned.setdefault(row.service, []).append(row.id)
        return owned

    async def with_sip(self) -> list[RoomDefinition]:
        """The rooms of all services whose definition names an account at a SIP server, be it an empty one."""
        return [
            definition
            for row in await self._database.read(Every(_WITH_SIP))
            if (definition := self._definition(row)).document.get("sip")
        ]

    async def update(self, room: str, change: Callable[[Document], Document]) -> RoomDefinition | None:
        """Replace the document by ``change`` of it; None if there is no such room.

        ``change`` is called again if somebody else was faster, so it must not have effects.
        What it raises is passed on.
        """
        for _ in range(_ATTEMPTS):
            found = await self._read(room)
            if found is None:
                return None
            document = change(found.document)
            values = {"room": room, "was": found.revision, "written": self._seal(document)}
            done = await self._database.write(Changed(_UPDATE, values))
            self._cache.forget(room)
            if done:
                return replace(found, document=document, revision=found.revision + 1)
        raise StoreError(f"room {room} is being changed by too many at once")

    async def delete(self, room: str) -> bool:
        """Whether the room existed. Its tokens are revoked with it."""
        gone = await self._database.write(Changed(_DELETE, {"room": room}))
        self._cache.forget(room)
        self._decoded.pop(room, None)
        return gone > 0

    async def _read(self, room: str) -> RoomDefinition | None:
        row = await self._database.read(First(_BY_ID, {"room": room}))
        return None if row is None else self._definition(row)

    def _definition(self, row: Any) -> RoomDefinition:
        """What a row holds; one that was decoded before in this revision is not decoded again."""
        if self._is_decoded(row.id, row.revision):
            return self._decoded[row.id]
        document: Document = msgspec.json.decode(row.document)
        if sip := document.get("sip"):
            document["sip"] = {**sip, "password": self._vault.open(sip["password"])}
        self._decoded[row.id] = made = RoomDefinition(
            row.id, row.service, document, row.created_ms, row.revision
        )
        return made

    def _seal(self, document: Document) -> str:
        if sip := document.get("sip"):
            document = {**document, "sip": {**sip, "password": self._vault.seal(sip["password"])}}
        return msgspec.json.encode(document).decode()


def _fetched(connection: Connection, ids: Sequence[str]) -> list[Any]:
    """The rows of ``ids``, as far as they exist still."""
    found: list[Any] = []
    for start in range(0, len(ids), _AT_ONCE):
        found += connection.execute(_BY_IDS, {"some": ids[start : start + _AT_ONCE]}).all()
    return found
