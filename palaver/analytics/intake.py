"""What waits for an analyzer: the newest picture, and a little sound. What it is too slow for is counted, not kept."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from palaver.mixing.encoding import CLOCK_RATE

if TYPE_CHECKING:
    import av
    import numpy as np
    from numpy.typing import NDArray

_BLOCKS: Final = 50
"""Blocks of sound that wait at most: a second."""


@dataclass(slots=True)
class Picture:
    """A picture that was due; ``skipped`` were due before it and not taken."""

    frame: av.VideoFrame
    at_ns: int
    skipped: int = 0


@dataclass(slots=True)
class Block:
    """20 ms of sound."""

    samples: NDArray[np.float32]
    at_ns: int
    skipped: int = 0


class Pace:
    """Which pictures are due at a rate of so many a second. An early one is taken rather than none."""

    def __init__(self, fps: float) -> None:
        self._interval = CLOCK_RATE / fps
        self._next: float | None = None

    def due(self, pts: int) -> bool:
        """Whether the picture at ``pts`` (90 kHz) is to be given; then it is the one of its turn."""
        if self._next is None or abs(pts - self._next) > 10 * CLOCK_RATE:
            self._next = pts  # the first, or a jump
        if pts < self._next - self._interval / 4:
            return False
        self._next = max(self._next, pts - self._interval) + self._interval
        return True


@dataclass(slots=True)
class Intake:
    """Filled by the threads that receive, emptied by the one that works."""

    _picture: Picture | None = None
    _blocks: deque[Block] = field(default_factory=deque)
    _missed: int = 0
    _filled: threading.Condition = field(default_factory=threading.Condition)
    skipped_pictures: int = 0
    skipped_blocks: int = 0

    def put_picture(self, frame: av.VideoFrame, at_ns: int) -> None:
        """A picture that is due takes the place of the one that waits."""
        with self._filled:
            skipped = 0
            if self._picture is not None:
                skipped = self._picture.skipped + 1
                self.skipped_pictures += 1
            self._picture = Picture(frame, at_ns, skipped)
            self._filled.notify()

    def put_block(self, samples: NDArray[np.float32], at_ns: int) -> None:
        """Sound; the oldest goes where too much waits."""
        with self._filled:
            if len(self._blocks) >= _BLOCKS:
                self._blocks.popleft()
                self._missed += 1
                self.skipped_blocks += 1
            self._blocks.append(Block(samples, at_ns))
            self._filled.notify()

    def take(self, within_s: float) -> Picture | Block | None:
        """The next of what waits, sound first, since it is never left out; None if nothing comes within the time."""
        with self._filled:
            if self._picture is None and not self._blocks:
                self._filled.wait(within_s)
            if self._blocks:
                block = self._blocks.popleft()
                block.skipped, self._missed = self._missed, 0
                return block
            picture, self._picture = self._picture, None
            return picture

    def clear(self) -> None:
        """Forget what waits."""
        with self._filled:
            self._picture = None
            self._blocks.clear()
            self._missed = 0
