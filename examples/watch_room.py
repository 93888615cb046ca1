"""Tell who comes into a room and who leaves it, until the room is deleted.

    python examples/watch_room.py http://127.0.0.1:3000 SERVICE_ID SERVICE_KEY ROOM_ID

`palaver keys` shows the service's id and key, `palaver rooms list` the room's id.
"""

from __future__ import annotations

import asyncio
import sys

from palaver.client import AsyncPalaver, PalaverError, RequestRefused

PERIOD_S = 0.5


async def watch(url: str, service: str, key: str, room: str) -> None:
    """Ask twice a second, and tell what changed."""
    known: dict[str, str] = {}
    async with AsyncPalaver(url, service, key) as api:
        while True:
            try:
                now = {one.id: one.user for one in await api.participants.list(room)}
            except RequestRefused as refused:
                if refused.status == 404:
                    print("the room is gone")
                    return
                raise
            for id_ in now.keys() - known.keys():
                print(f"{now[id_]} came", flush=True)
            for id_ in known.keys() - now.keys():
                print(f"{known[id_]} left", flush=True)
            known = now
            await asyncio.sleep(PERIOD_S)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        asyncio.run(watch(*sys.argv[1:]))
    except PalaverError as error:
        sys.exit(f"watch_room.py: {error}")
    except KeyboardInterrupt:
        pass
