"""A participant that says back what it hears, and writes how long it was.

pip install palaver[bot]
python examples/echo_bot.py http://127.0.0.1:3000 "$(palaver token --room standup --user echo)"
"""

from __future__ import annotations

import asyncio
import sys

from palaver.bot import BotError, join


async def main(url: str, token: str) -> None:
    """Stay until the room lets us go."""
    async with join(url, token) as room:
        voice = await room.publish_audio()
        print(f"in the room as {room.me.user}", flush=True)
        async for turn in room.turns():
            await room.send_text(f"{turn.participant.user}: {turn.seconds:.1f} s")
            await voice.play(turn.samples)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except BotError as error:
        sys.exit(f"echo_bot.py: {error}")
    except KeyboardInterrupt:
        pass
