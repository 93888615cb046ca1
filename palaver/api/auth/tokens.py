"""Tokens for joining a room: made for the management API, used by the portal, WHIP and WHEP."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from palaver.api.auth.readmission import Readmission
from palaver.store import RoomDefinition, Store, StoreError, TokenRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

TTL_S: Final = 180
"""How long an ordinary token may wait to be used."""

_KEEP_S: Final = 600
"""How long an expired token is remembered, so that its owner can be told so."""
_PURGE_EVERY_S: Final = 60
_MAX_LENGTH: Final = 8192
_GONE: Final = "Token was used already, or its room is gone"
_log = structlog.get_logger("palaver.tokens")


class TokenRefused(Exception):
    """The token does not admit anybody; the text may be shown to whoever brought it."""


class _Token(msgspec.Struct, rename="camel"):
    """What is inside a token. OWT's clients read ``host`` and ``secure``; the rest is ours."""

    token_id: str
    host: str
    secure: bool
    signature: str


class TokenDesk:
    """Issues tokens, and admits by them. ``server_key`` must survive a restart, or else tokens do not."""

    def __init__(
        self,
        store: Store,
        server_key: bytes,
        clock: Callable[[], float],
        *,
        ticket_lifetime_s: float = 600.0,
    ) -> None:
        if len(server_key) < 16:
            raise ValueError("server_key: expected at least 16 bytes")
        self._store, self._key, self._clock = store, server_key, clock
        self._purge_at = 0.0
        self.readmission = Readmission(store, clock, ticket_lifetime_s)
        """Who may come back by a reconnection ticket."""

    async def issue(
        self,
        room: RoomDefinition,
        user: str,
        role: str,
        *,
        host: str,
        secure: bool,
        path: str = "",
        reusable: bool = False,
        ttl_s: int = TTL_S,
    ) -> str:
        """A token for one join of ``room``, or, ``reusable``, for any number by WHIP and WHEP until it expires.

        ``host`` is where clients find the portal: ``name:port``, or a URL; ``path`` is below which path it is there.
        Raises StoreError; Conflict if the room is gone.
        """
        now = self._clock()
        if now >= self._purge_at:
            self._purge_at = now + _PURGE_EVERY_S
            await self._store.tokens.purge(int((now - _KEEP_S) * 1000))
        token = TokenRecord(
            id=secrets.token_hex(12),
            room=room.id,
            service=room.service,
            user=user,
            role=role,
            created_ms=int(now * 1000),
            expires_ms=int((now + ttl_s) * 1000),
            reusable=reusable,
        )
        await self._store.tokens.add(token)
        return self._written(token.id, host, secure, path)

    @asynccontextmanager
    async def admission(self, token: str) -> AsyncIterator[TokenRecord]:
        """Whom an ordinary token admits, and where, while they are being admitted.

        The token is used up by an admission only: if the block raises, it may be brought again.
        Of several attempts at once, one goes on. Raises TokenRefused, StoreError.
        """
        async with self._held(self._read(token)) as record:
            yield self._in_time(record)

    async def look(self, token: str) -> TokenRecord:
        """Whom a token of either kind would admit; it stays as it is. Raises TokenRefused, StoreError."""
        record = await self._store.tokens.get(self._read(token))
        if record is None:
            raise TokenRefused(_GONE)
        return self._in_time(record)

    @asynccontextmanager
    async def use(self, record: TokenRecord) -> AsyncIterator[None]:
        """Admit somebody by a token that was looked at; like ``admission``. A reusable token is never used up."""
        if record.reusable:
            yield
            return
        async with self._held(record.id):
            yield

    @asynccontextmanager
    async def _held(self, token_id: str) -> AsyncIterator[TokenRecord]:
        """The token, taken out of the store, and put back if the block raises.

        So no other server on the same database can use it meanwhile; one that dies in the block has used it.
        """
        record = await self._store.tokens.take(token_id)
        if record is None:
            if await self._store.tokens.get(token_id) is None:
                raise TokenRefused(_GONE)
            raise TokenRefused("Token is for WHIP and WHEP only")
        try:
            yield record
        except BaseException:
            await self._put_back(record)
            raise

    async def _put_back(self, record: TokenRecord) -> None:
        try:
            await self._store.tokens.add(record)
        except StoreError as failure:  # the token's room is gone, or the database is
            _log.info("a token was not put back", token=record.id, reason=str(failure))

    def verify(self, token: str) -> None:
        """Raise TokenRefused unless we made this token, however long ago."""
        self._read(token)

    def _in_time(self, record: TokenRecord) -> TokenRecord:
        if record.expires_ms < self._clock() * 1000:
            raise TokenRefused("Expired")
        return record

    def _written(self, token_id: str, host: str, secure: bool, path: str) -> str:
        signature = self._signature(token_id, host)
        token = {"tokenId": token_id, "host": host, "secure": secure, "signature": signature}
        if path:  # which OWT does not know
            token["path"] = path
        # OWT's SDK decodes base64 to single-byte characters, so the JSON has to be ASCII: msgspec's is not.
        return base64.b64encode(json.dumps(token).encode()).decode()

    def _read(self, token: str) -> str:
        try:
            if len(token) > _MAX_LENGTH:
                raise TokenRefused("Invalid token")
            decoded = msgspec.json.decode(base64.b64decode(token, validate=True), type=_Token)
            expected = self._signature(decoded.token_id, decoded.host)
        except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
            raise TokenRefused("Invalid token") from None
        if not hmac.compare_digest(decoded.signature.encode(), expected.encode()):
            raise TokenRefused("Invalid token signature")
        return decoded.token_id

    def _signature(self, token_id: str, host: str) -> str:
        # The third part is OWT's webTransportUrl, written this way where there is none.
        digest = hmac.digest(self._key, f"{token_id},{host},undefined".encode(), "sha256")
        return base64.b64encode(digest.hex().encode()).decode()
