"""What a bot publishes: sound and pictures, at the pace of a clock whatever their author does."""

from __future__ import annotations

import asyncio
import fractions
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from aiortc.mediastreams import MediaStreamTrack

if TYPE_CHECKING:
    from palaver.bot.portal import Connection

_FRAME_S: Final = 0.02
_LATE_S: Final = 0.5
"""A clock that is behind by more does not catch up: what was missed is missed."""


class _Paced(MediaStreamTrack):
    """Gives a frame each ``period_s`` of the loop's clock."""

    def __init__(self, period_s: float) -> None:
        super().__init__()
        self._period_s = period_s
        self._due: float | None = None

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._due = now if self._due is None or now - self._due > _LATE_S else self._due + self._period_s
        if (wait := self._due - now) > 0:
            await asyncio.sleep(wait)


class SpokenTrack(_Paced):
    """Sound, silence while there is none."""

    kind = "audio"

    def __init__(self, rate: int) -> None:
        super().__init__(_FRAME_S)
        self._rate, self._size = rate, round(rate * _FRAME_S)
        self._pts = 0
        self.waiting: deque[np.ndarray[Any, np.dtype[np.int16]]] = deque()
        self.drained = asyncio.Event()
        self.drained.set()

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms; see MediaStreamTrack."""
        await self._turn()
        block = self.waiting.popleft() if self.waiting else np.zeros(self._size, np.int16)
        if not self.waiting:
            self.drained.set()
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._pts
        frame.time_base = fractions.Fraction(1, self._rate)
        self._pts += self._size
        return frame

    def add(self, samples: np.ndarray[Any, Any]) -> None:
        """Queue sound: cut into blocks, the last one filled with silence."""
        whole = -(-len(samples) // self._size) * self._size
        padded = np.zeros(whole, np.int16)
        padded[: len(samples)] = np.clip(samples * 32767, -32768, 32767)
        self.waiting.extend(padded.reshape(-1, self._size))
        if self.waiting:
            self.drained.clear()

    def clear(self) -> None:
        """Forget what waits."""
        self.waiting.clear()
        self.drained.set()


class Voice:
    """A published sound."""

    def __init__(self, connection: Connection, track: SpokenTrack, rate: int) -> None:
        self._connection, self._track, self.rate = connection, track, rate
        self._barge_in = self._interrupted = False

    @property
    def stream(self) -> str:
        """The id of the stream."""
        return self._connection.session

    async def play(self, samples: np.ndarray[Any, Any], *, barge_in: bool = True) -> bool:
        """Play float samples, (n,) or (n, channels), between -1 and 1, ``rate`` a second, after what plays already.

        Returns when they were played: True; or False at once when somebody else begins to speak, unless ``barge_in`` is
        False. What waited is not played then.
        """
        mono = samples.mean(axis=1) if samples.ndim == 2 else samples
        self._barge_in, self._interrupted = barge_in, False
        self._track.add(mono)
        await self._track.drained.wait()
        return not self._interrupted

    def stop(self) -> None:
        """Be silent now; ``play`` returns False."""
        self._interrupted = bool(self._track.waiting)
        self._track.clear()

    def interrupt(self) -> None:
        """Somebody speaks."""
        if self._barge_in:
            self.stop()

    async def close(self) -> None:
        """Publish it no longer."""
        self._track.stop()
        self._track.clear()
        await self._connection.close()


class ScreenTrack(_Paced):
    """The newest picture, again and again."""

    kind = "video"

    def __init__(self, size: tuple[int, int], fps: float) -> None:
        super().__init__(1 / fps)
        self.picture = np.zeros((size[1], size[0], 3), np.uint8)
        self._pts, self._step = 0, round(90_000 / fps)

    async def recv(self) -> av.VideoFrame:
        """The next picture; see MediaStreamTrack."""
        await self._turn()
        frame = av.VideoFrame.from_ndarray(self.picture, format="bgr24")
        frame.pts, frame.time_base = self._pts, fractions.Fraction(1, 90_000)
        self._pts += self._step
        return frame


class Screen:
    """A published picture."""

    def __init__(self, connection: Connection, track: ScreenTrack) -> None:
        self._connection, self._track = connection, track

    @property
    def stream(self) -> str:
        """The id of the stream."""
        return self._connection.session

    def show(self, picture: np.ndarray[Any, Any]) -> None:
        """Show this from now on: uint8 of shape (height, width, 3), blue first, in the published size.

        Raises ValueError for another shape.
        """
        if picture.shape != self._track.picture.shape or picture.dtype != np.uint8:
            raise ValueError(f"picture: expected uint8 of shape {self._track.picture.shape}")
        self._track.picture = picture

    async def close(self) -> None:
        """Publish it no longer."""
        self._track.stop()
        await self._connection.close()
