"""Tokens: tickets for joining a room, used once unless made to be reused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select

from palaver.store.tables import tokens
from palaver.store.work import Changed, First

if TYPE_CHECKING:
    from palaver.store.database import Database

_INSERT: Final = insert(tokens)
_BY_ID: Final = select(tokens).where(tokens.c.id == bindparam("token"))
_TAKE: Final = (
    delete(tokens).where(tokens.c.id == bindparam("token"), tokens.c.reusable.is_(False)).returning(tokens)
)
_PURGE: Final = delete(tokens).where(tokens.c.expires_ms < bindparam("before_ms"))


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """Lets ``user`` join ``room`` as ``role`` before ``expires_ms`` (milliseconds since the epoch)."""

    id: str
    room: str
    service: str
    user: str
    role: str
    created_ms: int
    expires_ms: int
    reusable: bool = False


class Tokens:
    """The tokens that were made and neither used nor purged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: TokenRecord) -> None:
        """Keep a new token. Raises Conflict if its room is gone."""
        row = asdict(token)
        await self._database.write(Changed(_INSERT, row))

    async def take(self, token: str) -> TokenRecord | None:
        """The token, expired or not, which exactly one caller ever gets; reusable ones are not taken."""
        row = await self._database.write(First(_TAKE, {"token": token}))
        return None if row is None else _record(row)

    async def get(self, token: str) -> TokenRecord | None:
        """The token, which stays as it is."""
        row = await self._database.read(First(_BY_ID, {"token": token}))
        return None if row is None else _record(row)

    async def purge(self, before_ms: int) -> int:
        """Remove every token that expired before this time; how many those were."""
        return await self._database.write(Changed(_PURGE, {"before_ms": before_ms}))


def _record(row: Any) -> TokenRecord:
    return TokenRecord(
        row.id, row.room, row.service, row.user, row.role, row.created_ms, row.expires_ms, bool(row.reusable)
    )
