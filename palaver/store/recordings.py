"""The index of recordings: those that go on and those that ended, until they are deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from palaver.recording.index import Entry, packed, unpacked
from palaver.store.tables import recordings
from palaver.store.work import Changed, Every, First

if TYPE_CHECKING:
    from sqlalchemy import Select

    from palaver.store.database import Database

_INSERT: Final = insert(recordings)
_BY_ID: Final = select(recordings.c.document).where(recordings.c.id == bindparam("recording"))
_UPDATE: Final = (
    update(recordings)
    .where(recordings.c.id == bindparam("recording"))
    .values(document=bindparam("written"), ended_ms=bindparam("until_ms"))
)
_DELETE: Final = delete(recordings).where(recordings.c.id == bindparam("recording"))
_ORDER: Final = (recordings.c.started_ms, recordings.c.id)
_OF_SERVICE: Final = recordings.c.service == bindparam("service")
_OF_ROOM: Final = _OF_SERVICE & (recordings.c.room == bindparam("room"))
_LATEST: Final = (
    select(recordings.c.document)
    .where(recordings.c.room == bindparam("room"))
    .order_by(recordings.c.started_ms.desc(), recordings.c.id)
    .limit(bindparam("limit"))
)
_GOING_ON: Final = select(recordings.c.document).where(recordings.c.ended_ms.is_(None)).order_by(*_ORDER)
_ENDED: Final = (
    select(recordings.c.document).where(recordings.c.ended_ms >= bindparam("since_ms")).order_by(*_ORDER)
)


def _listing(condition: Any, *, paged: bool) -> Select[Any]:
    found = select(recordings.c.document).where(condition).order_by(*_ORDER)
    return found.limit(bindparam("limit")).offset(bindparam("offset")) if paged else found


_LISTS: Final = {
    (by_room, paged): _listing(_OF_ROOM if by_room else _OF_SERVICE, paged=paged)
    for by_room in (False, True)
    for paged in (False, True)
}
_COUNTS: Final = {
    by_room: select(func.count()).select_from(recordings).where(_OF_ROOM if by_room else _OF_SERVICE)
    for by_room in (False, True)
}


class Recordings:
    """Recordings of all services, in the order in which they began."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: Entry) -> None:
        """Keep a new one."""
        row = {
            "id": entry.id,
            "service": entry.service,
            "room": entry.room,
            "started_ms": entry.started_ms,
            "ended_ms": entry.ended_ms,
            "document": packed(entry),
        }
        await self._database.write(Changed(_INSERT, row))

    async def save(self, entry: Entry) -> bool:
        """Replace what is known of it; whether it is still there."""
        values = {"recording": entry.id, "written": packed(entry), "until_ms": entry.ended_ms}
        return await self._database.write(Changed(_UPDATE, values)) > 0

    async def get(self, recording: str) -> Entry | None:
        """The recording with this id."""
        row = await self._database.read(First(_BY_ID, {"recording": recording}))
        return None if row is None else unpacked(row.document)

    async def of(
        self, service: str, room: str | None = None, *, limit: int | None = None, offset: int = 0
    ) -> list[Entry]:
        """Those of a service, or of one of its rooms."""
        values: dict[str, Any] = {"service": service}
        if room is not None:
            values["room"] = room
        if limit is not None:
            values |= {"limit": limit, "offset": offset}
        found = await self._database.read(Every(_LISTS[room is not None, limit is not None], values))
        return [unpacked(row.document) for row in found]

    async def count(self, service: str, room: str | None = None) -> int:
        """How many a service or one of its rooms has."""
        values = {"service": service} if room is None else {"service": service, "room": room}
        row = await self._database.read(First(_COUNTS[room is not None], values))
        return 0 if row is None else int(row[0])

    async def latest(self, room: str, limit: int) -> list[Entry]:
        """The last ``limit`` that began in a room, the newest first."""
        found = await self._database.read(Every(_LATEST, {"room": room, "limit": limit}))
        return [unpacked(row.document) for row in found]

    async def going_on(self) -> list[Entry]:
        """Those that have not ended, as far as the index knows."""
        return [unpacked(row.document) for row in await self._database.read(Every(_GOING_ON))]

    async def ended(self, since_ms: int = 0) -> list[Entry]:
        """Those that have ended, or did so since then."""
        found = await self._database.read(Every(_ENDED, {"since_ms": since_ms}))
        return [unpacked(row.document) for row in found]

    async def delete(self, recording: str) -> bool:
        """Whether it was there."""
        return await self._database.write(Changed(_DELETE, {"recording": recording})) > 0
