"""Bearer tokens of WHIP and WHEP (RFC 6750): a room's token in the Authorization header."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from palaver.api.auth.tokens import TokenDesk, TokenRefused
from palaver.api.http.answers import ApiError
from palaver.api.http.body import header
from palaver.api.wire import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Scope

    from palaver.api.whip.sessions import Session
    from palaver.store import TokenRecord


class Bearers:
    """Admits whoever brings a token."""

    def __init__(self, tokens: TokenDesk, realm: str) -> None:
        self._tokens = tokens
        self._challenge = f'Bearer realm="{realm}"'

    def token(self, scope: Scope) -> str:
        """The token of a request. Raises ApiError."""
        scheme, _, token = header(scope, b"authorization").partition(b" ")
        if scheme.lower() != b"bearer" or not token.strip():
            raise self._refused("Expected Authorization: Bearer with a token of the room", "")
        return token.strip().decode("latin-1")

    async def look(self, token: str) -> TokenRecord:
        """Whom the token would admit. Raises ApiError, StoreError."""
        try:
            return await self._tokens.look(token)
        except TokenRefused as refused:
            raise self._refused(str(refused), "invalid_token") from None

    @asynccontextmanager
    async def use(self, record: TokenRecord) -> AsyncIterator[None]:
        """Admit by a token that was looked at; it is used up unless the block raises. Raises ApiError, StoreError."""
        try:
            async with self._tokens.use(record):
                yield
        except TokenRefused as refused:
            raise self._refused(str(refused), "invalid_token") from None

    def check_own(self, token: str, session: Session) -> None:
        """Raise ApiError unless the session was made with this token, expired or used up as it may be."""
        if session.belongs_to(token):
            return
        try:
            self._tokens.verify(token)
        except TokenRefused as refused:
            raise self._refused(str(refused), "invalid_token") from None
        raise ApiError(errors.FORBIDDEN, "Expected the token with which the session was made")

    def _refused(self, message: str, reason: str) -> ApiError:
        challenge = self._challenge + (f', error="{reason}"' if reason else "")
        return ApiError(
            errors.UNAUTHENTICATED, message, ((b"www-authenticate", challenge.encode("latin-1")),)
        )
