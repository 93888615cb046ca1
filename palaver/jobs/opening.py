"""Starts the room of a stored definition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from palaver.room.errors import RoomError
from palaver.room.values import RoomId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.host.host import RoomHost
    from palaver.host.rooms import Rooms
    from palaver.room.values import RoomConfig
    from palaver.store import RoomDefinition, Store


class RoomNotFound(Exception):
    """No such room is defined."""


class RoomOpener:
    """Starts rooms for the first participant or job that needs them.

    ``config_of`` reads a stored definition; it raises RoomError for one that no room can run by.
    """

    def __init__(self, store: Store, rooms: Rooms, config_of: Callable[[RoomDefinition], RoomConfig]) -> None:
        self._store, self._rooms, self._config_of = store, rooms, config_of
        self._unusable = 0
        self._log = structlog.get_logger("palaver.jobs")

    def stats(self) -> Mapping[str, float]:
        """Counters by metric name without prefix."""
        return {"rooms_unusable_total": self._unusable}

    async def open(self, room_id: str) -> RoomHost:
        """The running room, started now if it is not. Raises RoomNotFound, StoreError, RoomError.

        Nothing is awaited between reading the definition and opening: a room deleted meanwhile stays closed.
        """
        definition = await self._store.rooms.get(room_id)
        if definition is None:
            raise RoomNotFound(room_id)
        return self._rooms.get(RoomId(room_id)) or self._rooms.open(self._config(definition))

    def _config(self, definition: RoomDefinition) -> RoomConfig:
        try:
            return self._config_of(definition)
        except RoomError as problem:
            self._unusable += 1
            self._log.error("room cannot start", room=definition.id, reason=str(problem))
            raise
