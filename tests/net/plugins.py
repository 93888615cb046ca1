"""Algorithms for tests of whole servers: written into a folder that the server finds them in."""

from __future__ import annotations

from pathlib import Path

_SOURCE = '''
"""Algorithms that do what they must not, and some that behave."""

import asyncio, ctypes, os, time
from palaver.analytics import Analyzer, Frame, event

SMALL = {"fps": 10, "size": (64, 36), "pixels": "gray"}


class Raises(Analyzer, **SMALL):
    after: int = 2

    def start(self):
        self._count = 0

    def video(self, frame):
        self._count += 1
        if self._count > self.after:
            raise ValueError("as it was told to")
        yield event("count", count=self._count)


class Exits(Analyzer, **SMALL):
    def video(self, frame):
        os._exit(3)


class Crashes(Analyzer, **SMALL):
    def video(self, frame):
        ctypes.string_at(0)


class Forks(Analyzer, **SMALL):
    def video(self, frame):
        os.fork()


class Hangs(Analyzer, **SMALL):
    def video(self, frame):
        while True:
            time.sleep(0.1)


class Leaks(Analyzer, **SMALL):
    def start(self):
        self._held = []

    def video(self, frame):
        self._held.append(bytearray(64 << 20))


class NeverStarts(Analyzer, **SMALL):
    def start(self):
        raise RuntimeError("no model here")

    def video(self, frame):
        pass


class Writes(Analyzer, **SMALL):
    where: str = ""

    def video(self, frame):
        frame.array[0, 0] = 1


class Slow(Analyzer, fps=25, size=(64, 36), pixels="gray"):
    async def video(self, frame):
        await asyncio.sleep(0.4)
        yield event("slow", skipped=frame.skipped, time=frame.time)


class Brightness(Analyzer, fps=10, size=(64, 36), pixels="gray"):
    """Tells how light the picture is, and shows its negative."""

    def video(self, frame):
        yield event("brightness", level=frame.array.mean())
        yield Frame(255 - frame.array)


class Tone(Analyzer, rate=16000, channels=1):
    def start(self):
        self._blocks = 0

    def audio(self, frame):
        self._blocks += 1
        if self._blocks % 25 == 0:
            yield event("level", peak=abs(frame.array).max(), samples=len(frame.array))
'''


def written(folder: Path) -> Path:
    """The folder with the algorithms; also an unprivileged process can read it."""
    folder.mkdir(parents=True)
    (folder / "misbehaving.py").write_text(_SOURCE)
    for one in (folder / "misbehaving.py", folder, folder.parent, folder.parent.parent):
        one.chmod(one.stat().st_mode | (0o444 if one.is_file() else 0o555))
    return folder
