"""A participant that writes what each of the others says into a WAV file of its own, until it is interrupted.

pip install palaver[bot]
python examples/recorder_bot.py http://127.0.0.1:3000 "$(palaver token --room standup --user recorder)" FOLDER
"""

from __future__ import annotations

import asyncio
import sys
import wave
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from palaver.bot import RATE, BotError, join


async def main(url: str, token: str, folder: str) -> None:
    """One file for each participant, named by its id."""
    files: dict[str, wave.Wave_write] = {}
    with ExitStack() as opened:
        async with join(url, token) as room:
            print(f"in the room as {room.me.user}", flush=True)
            async for sound in room.sounds():
                who = sound.participant.id
                if who not in files:
                    file = files[who] = opened.enter_context(
                        wave.open(str(Path(folder) / f"{who}.wav"), "wb")
                    )
                    file.setparams((1, 2, RATE, 0, "NONE", ""))
                files[who].writeframes((np.clip(sound.samples, -1, 1) * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except BotError as error:
        sys.exit(f"recorder_bot.py: {error}")
    except KeyboardInterrupt:
        pass
