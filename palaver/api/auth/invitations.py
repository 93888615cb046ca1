"""Invitations: the code in a link, and who comes by it."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.store import Invite, Store

MAX_PER_ROOM: Final = 1000
_ID_BYTES: Final = 12
_SEAL_BYTES: Final = 12
_MAX_TEXT: Final = 256
_KEEP_MS: Final = 7 * 86_400_000
"""How long an expired invitation is remembered, so that its guests can be told so."""
_PURGE_EVERY_S: Final = 600


class InvitationRefused(Exception):
    """The invitation lets nobody in; the text may be shown to whoever brought it. ``gone``: it did once."""

    def __init__(self, message: str, *, gone: bool) -> None:
        super().__init__(message)
        self.gone = gone


class Invitations:
    """Makes codes of invitations and admits by them. ``key`` must survive a restart, or else links do not.

    A code holds the invitation's id and a seal, so no secret is stored. ``clock``: seconds since the epoch.
    """

    def __init__(self, store: Store, key: bytes, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._key = hmac.digest(key, b"palaver invitations", "sha256")
        self._purge_at = 0.0

    def code(self, invite: str) -> str:
        """What the link of an invitation holds: 32 URL-safe characters."""
        return base64.urlsafe_b64encode(bytes.fromhex(invite) + self._seal(invite)).decode()

    async def add(self, invite: Invite) -> bool:
        """Keep a new one; whether the room has a place for it. Raises StoreError; Conflict if the room is gone."""
        if self._clock() >= self._purge_at:
            self._purge_at = self._clock() + _PURGE_EVERY_S
            await self._store.invites.purge(int(self._clock() * 1000) - _KEEP_MS)
        if await self._store.invites.count(invite.room) >= MAX_PER_ROOM:
            return False
        await self._store.invites.add(invite)
        return True

    async def look(self, code: str) -> Invite:
        """The invitation of a code, be it used up. Raises InvitationRefused, StoreError."""
        invite = await self._store.invites.get(self._read(code))
        if invite is None:
            raise InvitationRefused("This invitation was withdrawn, or its room is gone.", gone=True)
        if invite.expires_ms is not None and invite.expires_ms < self._clock() * 1000:
            raise InvitationRefused("This invitation has expired.", gone=True)
        return invite

    async def use(self, invite: Invite, returning: str = "") -> str:
        """Count one more guest; what this guest shows to come back. Raises InvitationRefused, StoreError.

        A guest who shows it as ``returning`` is not counted again.
        """
        if returning and self._is_guest(invite.id, returning):
            return returning
        if await self._store.invites.use(invite.id) is None:
            raise InvitationRefused("This invitation was used already.", gone=True)
        guest = secrets.token_urlsafe(9)
        return f"{guest}.{self._guest_seal(invite.id, guest)}"

    def _is_guest(self, invite: str, shown: str) -> bool:
        guest, _, seal = shown[:_MAX_TEXT].partition(".")
        return hmac.compare_digest(seal.encode(), self._guest_seal(invite, guest).encode())

    def _guest_seal(self, invite: str, guest: str) -> str:
        return hmac.new(self._key, f"guest {invite} {guest}".encode(), "sha256").hexdigest()

    def _read(self, code: str) -> str:
        try:
            raw = base64.b64decode(code.encode("ascii"), b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raw = b""
        invite = raw[:_ID_BYTES].hex()
        if len(raw) != _ID_BYTES + _SEAL_BYTES or not hmac.compare_digest(
            raw[_ID_BYTES:], self._seal(invite)
        ):
            raise InvitationRefused(
                "This is not an invitation of this server; the link may be incomplete.", gone=False
            )
        return invite

    def _seal(self, invite: str) -> bytes:
        return hmac.digest(self._key, invite.encode(), "sha256")[:_SEAL_BYTES]
