"""The lobby: where a stored room definition becomes a running room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.rooms import config_of
from palaver.room.errors import Fault, RoomError
from palaver.room.values import RoomId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palaver.host.host import RoomHost
    from palaver.host.rooms import Rooms
    from palaver.room.values import RoomConfig
    from palaver.store import RoomDefinition, Store


class RoomNotFound(Exception):
    """No such room is defined."""


class Lobby:
    """Opens rooms for whoever enters first."""

    def __init__(self, store: Store, rooms: Rooms) -> None:
        self._store, self._rooms = store, rooms
        self._unusable = 0
        self._log = structlog.get_logger("palaver.lobby")

    def stats(self) -> Mapping[str, float]:
        """Counters by metric name without prefix."""
        return {"rooms_unusable_total": self._unusable}

    async def enter(self, room_id: str) -> RoomHost:
        """The running room, started now if it is not. Raises RoomNotFound, StoreError, RoomError.

        Nothing is awaited between reading the definition and opening: a room deleted meanwhile stays closed.
        """
        definition = await self._store.rooms.get(room_id)
        if definition is None:
            raise RoomNotFound(room_id)
        return self._rooms.get(RoomId(room_id)) or self._rooms.open(self._config(definition))

    def _config(self, definition: RoomDefinition) -> RoomConfig:
        """What runs the room. Raises RoomError for a definition that was stored before it was refused."""
        try:
            return config_of(definition)
        except ProtocolError as problem:
            self._unusable += 1
            self._log.error("room cannot start", room=definition.id, definition=str(problem))
            raise RoomError(Fault.CANNOT_START, definition.id, f"its definition: {problem}") from problem
