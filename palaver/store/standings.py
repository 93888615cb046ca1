"""How participants stand: who may not come back, and what those may do whose permission was changed.

A participant lives in memory; its reconnection ticket outlives a restart, and so must what was decided about it since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import bindparam, delete, select, text

from palaver.store.tables import standings
from palaver.store.work import Changed, First

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from palaver.store.database import Database

_BY_ID: Final = select(standings).where(standings.c.participant == bindparam("who"))
_PUT: Final = text(
    "INSERT INTO standings (participant, room, revoked, permission, expires_ms)"
    " VALUES (:participant, :room, :revoked, :permission, :expires_ms)"
    " ON CONFLICT (participant) DO UPDATE SET room = excluded.room, revoked = excluded.revoked,"
    " permission = excluded.permission, expires_ms = excluded.expires_ms"
    " WHERE excluded.revoked OR NOT standings.revoked"
)
"""One statement, as a participant may be removed and leave at the same moment."""
_PURGE: Final = delete(standings).where(standings.c.expires_ms < bindparam("before_ms"))


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one participant of ``room``. ``permission`` is a JSON object, None for that of its role.

    It may be forgotten after ``expires_ms`` (milliseconds since the epoch).
    """

    participant: str
    room: str
    expires_ms: int
    revoked: bool = False
    permission: dict[str, Any] | None = None


class Standings:
    """The participants about whom something was decided. A deleted room takes them with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, standing: Standing) -> None:
        """Keep it in place of what was known; what is revoked stays so. Raises Conflict if the room is gone."""
        permission = standing.permission
        row = {
            "participant": standing.participant,
            "room": standing.room,
            "revoked": standing.revoked,
            "permission": None if permission is None else msgspec.json.encode(permission).decode(),
            "expires_ms": standing.expires_ms,
        }

        def work(connection: Connection) -> None:
            connection.execute(_PUT, row)

        await self._database.write(work)

    async def of(self, participant: str) -> Standing | None:
        """What was decided about a participant, if anything was."""
        row = await self._database.read(First(_BY_ID, {"who": participant}))
        if row is None:
            return None
        permission = None if row.permission is None else msgspec.json.decode(row.permission)
        return Standing(row.participant, row.room, row.expires_ms, bool(row.revoked), permission)

    async def purge(self, before_ms: int) -> int:
        """Forget what expired before this time; how many those were."""
        return await self._database.write(Changed(_PURGE, {"before_ms": before_ms}))
