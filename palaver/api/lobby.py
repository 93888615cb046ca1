"""The lobby: where a stored room definition becomes a running room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.api.wire.rooms import config_of
from palaver.room.values import RoomId

if TYPE_CHECKING:
    from palaver.host.host import RoomHost
    from palaver.host.rooms import Rooms
    from palaver.store import Store


class RoomNotFound(Exception):
    """No such room is defined."""


class Lobby:
    """Opens rooms for whoever enters first."""

    def __init__(self, store: Store, rooms: Rooms) -> None:
        self._store, self._rooms = store, rooms

    async def enter(self, room_id: str) -> RoomHost:
        """The running room, started now if it is not. Raises RoomNotFound, StoreError.

        Nothing is awaited between reading the definition and opening: a room deleted meanwhile stays closed.
        """
        definition = await self._store.rooms.get(room_id)
        if definition is None:
            raise RoomNotFound(room_id)
        return self._rooms.get(RoomId(room_id)) or self._rooms.open(config_of(definition))
