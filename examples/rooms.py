"""Make a room and a token for it, and list all rooms.

    python examples/rooms.py http://127.0.0.1:3000 SERVICE_ID SERVICE_KEY

`palaver keys` shows the id and the key.
"""

from __future__ import annotations

import sys

from palaver.client import Palaver, PalaverError, RoomOptions


def main(url: str, service: str, key: str) -> None:
    """A room, all rooms, a token."""
    with Palaver(url, service, key) as api:
        room = api.rooms.create("standup", RoomOptions(participant_limit=10))
        for one in api.rooms.list():
            print(one.id, one.name)
        print(api.tokens.create(room.id, user="ann", role="presenter"))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except PalaverError as error:
        sys.exit(f"rooms.py: {error}")
