"""Invitations: links that let people into a room until they expire, are used up or are revoked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from palaver.store.tables import invites
from palaver.store.work import Changed, Every, First

if TYPE_CHECKING:
    from palaver.store.database import Database

_INSERT: Final = insert(invites)
_BY_ID: Final = select(invites).where(invites.c.id == bindparam("invite"))
_OF_ROOM: Final = (
    select(invites).where(invites.c.room == bindparam("of")).order_by(invites.c.created_ms, invites.c.id)
)
_COUNT: Final = select(func.count()).select_from(invites).where(invites.c.room == bindparam("of"))
_USE: Final = (
    update(invites)
    .where(
        invites.c.id == bindparam("invite"),
        or_(invites.c.max_uses.is_(None), invites.c.uses < invites.c.max_uses),
    )
    .values(uses=invites.c.uses + 1)
    .returning(invites)
)
_DELETE: Final = delete(invites).where(invites.c.id == bindparam("invite"), invites.c.room == bindparam("of"))
_PURGE: Final = delete(invites).where(invites.c.expires_ms < bindparam("before_ms"))


@dataclass(frozen=True, slots=True)
class Invite:
    """Lets ``max_uses`` people (None: any number) into ``room`` as ``role`` before ``expires_ms`` (None: for ever).

    Times are milliseconds since the epoch.
    """

    id: str
    room: str
    role: str
    created_ms: int
    expires_ms: int | None = None
    max_uses: int | None = None
    uses: int = 0

    @property
    def used_up(self) -> bool:
        """Whether as many came as may."""
        return self.max_uses is not None and self.uses >= self.max_uses


class Invites:
    """The invitations that were neither revoked nor purged. A deleted room takes its invitations with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, invite: Invite) -> None:
        """Keep a new one. Raises Conflict if its room is gone."""
        row = asdict(invite)
        await self._database.write(Changed(_INSERT, row))

    async def get(self, invite: str) -> Invite | None:
        """One, expired or used up or not."""
        row = await self._database.read(First(_BY_ID, {"invite": invite}))
        return None if row is None else _invite(row)

    async def of(self, room: str) -> list[Invite]:
        """Those of a room, the oldest first."""
        return [_invite(row) for row in await self._database.read(Every(_OF_ROOM, {"of": room}))]

    async def count(self, room: str) -> int:
        """How many a room has."""
        row = await self._database.read(First(_COUNT, {"of": room}))
        return 0 if row is None else int(row[0])

    async def use(self, invite: str) -> Invite | None:
        """Count one more use; None if it is used up or gone."""
        row = await self._database.write(First(_USE, {"invite": invite}))
        return None if row is None else _invite(row)

    async def delete(self, room: str, invite: str) -> bool:
        """Whether it existed."""
        return await self._database.write(Changed(_DELETE, {"invite": invite, "of": room})) > 0

    async def purge(self, before_ms: int) -> int:
        """Remove every one that expired before this time; how many those were."""
        return await self._database.write(Changed(_PURGE, {"before_ms": before_ms}))


def _invite(row: Any) -> Invite:
    return Invite(row.id, row.room, row.role, row.created_ms, row.expires_ms, row.max_uses, row.uses)
