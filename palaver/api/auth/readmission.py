"""Who may come back after a restart: not those who left or were removed, and with the permission of now."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from palaver.room.values import Permission
from palaver.store import Conflict, Standing, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.room.values import ParticipantId, RoomId
    from palaver.store import Store

_LONGEST_SESSION_S: Final = 30 * 86_400
"""How long a changed permission is remembered: a participant who is still there may be restored with it."""
_PURGE_EVERY_S: Final = 60.0
_log = structlog.get_logger("palaver.auth")


class Readmission:
    """Keeps in the store what reconnection tickets do not say. ``clock`` gives seconds since the epoch."""

    def __init__(self, store: Store, clock: Callable[[], float], ticket_lifetime_s: float) -> None:
        self._store, self._clock, self._lifetime_s = store, clock, ticket_lifetime_s
        self._purge_at = 0.0

    async def revoke(self, room: RoomId, participant: ParticipantId) -> None:
        """No ticket of this participant admits any more. Raises StoreError."""
        await self._put(Standing(participant, room, self._after(self._lifetime_s), revoked=True))

    async def permit(self, room: RoomId, participant: ParticipantId, permission: Permission) -> None:
        """What the participant may do from now on, after a restart too. Raises StoreError."""
        document = msgspec.to_builtins(permission)
        await self._put(Standing(participant, room, self._after(_LONGEST_SESSION_S), permission=document))

    async def standing(self, participant: ParticipantId) -> tuple[bool, Permission | None]:
        """Whether the participant may come back, and its permission if that is not its role's. Raises StoreError."""
        found = await self._store.standings.of(participant)
        if found is None:
            return True, None
        given = found.permission
        return not found.revoked, None if given is None else msgspec.convert(given, Permission)

    async def try_to_revoke(self, room: RoomId, participant: ParticipantId) -> None:
        """Like ``revoke`` for somebody who is gone in any case; what fails is said in the log."""
        try:
            await self.revoke(room, participant)
        except StoreError as failure:
            _log.warning("a ticket was not revoked", room=room, participant=participant, reason=str(failure))

    async def _put(self, standing: Standing) -> None:
        now = self._clock()
        if now >= self._purge_at:
            self._purge_at = now + _PURGE_EVERY_S
            await self._store.standings.purge(int(now * 1000))
        with suppress(Conflict):  # the room is deleted meanwhile, and admits nobody any more
            await self._store.standings.put(standing)

    def _after(self, seconds: float) -> int:
        return int((self._clock() + max(seconds, 0.0)) * 1000)
