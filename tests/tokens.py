"""Using tokens as the portal does."""

from __future__ import annotations

from palaver.api.auth.tokens import TokenDesk
from palaver.store import TokenRecord


async def admitted(desk: TokenDesk, token: str) -> TokenRecord:
    """Whom the token admitted; it is used up now."""
    async with desk.admission(token) as record:
        return record
