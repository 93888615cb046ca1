"""Tokens: tickets for joining a room, used once unless made to be reused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from palaver.store.tables import tokens

if TYPE_CHECKING:
    from palaver.store.database import Database


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
        async with self._database.write() as connection:
            await connection.execute(
                insert(tokens).values(
                    id=token.id,
                    room=token.room,
                    service=token.service,
                    user=token.user,
                    role=token.role,
                    reusable=token.reusable,
                    created_ms=token.created_ms,
                    expires_ms=token.expires_ms,
                )
            )

    async def take(self, token: str) -> TokenRecord | None:
        """The token, expired or not, which exactly one caller ever gets; reusable ones are not taken."""
        query = delete(tokens).where(tokens.c.id == token, tokens.c.reusable.is_(False)).returning(tokens)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _record(row)

    async def get(self, token: str) -> TokenRecord | None:
        """The token, which stays as it is."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(tokens).where(tokens.c.id == token))).first()
        return None if row is None else _record(row)

    async def purge(self, before_ms: int) -> int:
        """Remove every token that expired before this time; how many those were."""
        async with self._database.write() as connection:
            done = await connection.execute(delete(tokens).where(tokens.c.expires_ms < before_ms))
        return int(done.rowcount)


def _record(row: Any) -> TokenRecord:
    return TokenRecord(
        row.id, row.room, row.service, row.user, row.role, row.created_ms, row.expires_ms, bool(row.reusable)
    )
