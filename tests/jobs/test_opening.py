"""Opening rooms: a room is opened once, by its definition of that moment."""

from __future__ import annotations

import asyncio

import pytest

from palaver.api.wire.rooms import config_of, new_room
from palaver.host import Rooms
from palaver.jobs.opening import RoomNotFound, RoomOpener
from palaver.media.fake import FakeEngine
from palaver.room.values import RoomId
from palaver.store import Store

SERVICE, ROOM = "a" * 24, "b" * 24


async def test_whoever_comes_first_opens_the_room_and_all_meet_in_it() -> None:
    store = await Store.open("sqlite://", master_key=b"m" * 32)
    rooms = Rooms(FakeEngine())
    opener = RoomOpener(store, rooms, config_of)
    with pytest.raises(RoomNotFound):
        await opener.open(ROOM)
    await store.services.create(SERVICE, "service", "key", created_ms=1)
    await store.rooms.create(ROOM, SERVICE, new_room({"name": "standup"}), created_ms=1)
    hosts = await asyncio.gather(*(opener.open(ROOM) for _ in range(5)))
    assert len(set(map(id, hosts))) == 1
    assert hosts[0].room.config.name == "standup"
    await store.close()


async def test_a_room_that_is_deleted_while_somebody_enters_does_not_stay_open() -> None:
    store = await Store.open("sqlite://", master_key=b"m" * 32)
    rooms = Rooms(FakeEngine())
    opener = RoomOpener(store, rooms, config_of)
    await store.services.create(SERVICE, "service", "key", created_ms=1)
    for round_ in range(20):
        await store.rooms.create(ROOM, SERVICE, new_room({"name": str(round_)}), created_ms=1)

        async def delete() -> None:
            await store.rooms.delete(ROOM)
            await rooms.close(RoomId(ROOM))

        entering = asyncio.gather(*(opener.open(ROOM) for _ in range(3)), return_exceptions=True)
        for _ in range(round_):  # at every stage of reading the definition
            await asyncio.sleep(0)
        await delete()
        await entering
        assert rooms.get(RoomId(ROOM)) is None
    await store.close()
