"""Tell who comes into a room and who leaves it, until the room is deleted.

    python examples/watch_room.py http://127.0.0.1:3000 SERVICE_ID SERVICE_KEY ROOM_ID

`palaver keys` shows the service's id and key, `palaver rooms list` the room's id.
"""

from __future__ import annotations

import asyncio
import sys

from palaver.client import AsyncPalaver, PalaverError


async def watch(url: str, service: str, key: str, room: str) -> None:
    """Follow the room's events."""
    async with AsyncPalaver(url, service, key) as api:
        names = {one.id: one.user for one in await api.participants.list(room)}
        print(f"watching; here: {', '.join(names.values()) or 'nobody'}", flush=True)
        async for event in api.events(room):
            if event.type == "participant.joined":
                participant = event.data["participant"]
                names[participant["id"]] = participant["user"]
                print(f"{participant['user']} came", flush=True)
            elif event.type == "participant.left":
                print(f"{names.pop(event.data['participant']['id'], 'somebody')} left", flush=True)
    print("the room is gone")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        asyncio.run(watch(*sys.argv[1:]))
    except PalaverError as error:
        sys.exit(f"watch_room.py: {error}")
    except KeyboardInterrupt:
        pass
