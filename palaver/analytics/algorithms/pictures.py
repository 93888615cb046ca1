"""What can be seen without a model: motion, and pictures that are black or stand still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta

from palaver.analytics.algorithms.lasting import Lasting
from palaver.analytics.plugin import Analyzer, Frame, Observation, event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Share = Annotated[float, Meta(gt=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]

_ROWS, _COLUMNS = 9, 16


class Motion(Analyzer, fps=15, size=(160, 90), pixels="gray"):
    """Tells when something moves ("motion", with the part of the picture that changed and a box around it) and when
    nothing has moved for ``quiet_s`` any more ("still").

    ``threshold`` is the part of the picture that has to change; ``difference`` by how much of the way from black to
    white a place has to become lighter or darker to count.
    """

    threshold: Share = 0.003
    difference: Share = 0.08
    quiet_s: Seconds = 1.0
    every_s: Seconds = 0.2
    """So often at most it is told while something moves."""

    def start(self) -> None:
        """See Analyzer."""
        self._last: NDArray[np.int16] | None = None
        self._moved_at = self._told_at = float("-inf")
        self._moving = False

    def video(self, frame: Frame) -> Iterator[Observation]:
        """See Analyzer."""
        last, self._last = self._last, frame.array.astype(np.int16)
        if last is None or last.shape != self._last.shape:
            return
        changed = np.abs(self._last - last) > self.difference * 255
        level = float(changed.mean())
        if level >= self.threshold:
            self._moved_at = frame.time
            if not self._moving or frame.time - self._told_at >= self.every_s:
                self._moving, self._told_at = True, frame.time
                yield event("motion", level=round(level, 4), box=_box(changed))
        elif self._moving and frame.time - self._moved_at >= self.quiet_s:
            self._moving = False
            yield event("still")


def _box(changed: NDArray[np.bool_]) -> list[float]:
    height, width = changed.shape
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    left, top = columns[0] / width, rows[0] / height
    right, bottom = (columns[-1] + 1) / width, (rows[-1] + 1) / height
    return [round(float(one), 4) for one in (left, top, right - left, bottom - top)]


class Frozen(Analyzer, name="frozen", fps=5, size=(160, 90), pixels="gray"):
    """Tells when a picture is black ("black", "black-over") or does not change at all ("frozen", "frozen-over").

    ``darkness``: how light the lightest places of a black picture may be. ``least_s``: how long it has to last.
    """

    darkness: Share = 0.12
    difference: Share = 0.004
    least_s: Seconds = 2.0

    def start(self) -> None:
        """See Analyzer."""
        self._last: NDArray[np.int16] | None = None
        self._black, self._frozen = Lasting("black", self.least_s), Lasting("frozen", self.least_s)

    def video(self, frame: Frame) -> Iterator[Observation]:
        """See Analyzer."""
        last, self._last = self._last, frame.array.astype(np.int16)
        lightest = float(np.percentile(self._last, 98)) / 255
        black = lightest <= self.darkness
        yield from self._black.note(black, frame.time, lightest=round(lightest, 3))
        if last is not None and last.shape == self._last.shape:
            blocks = np.abs(self._last - last)
            height, width = blocks.shape[0] // _ROWS * _ROWS, blocks.shape[1] // _COLUMNS * _COLUMNS
            parts = blocks[:height, :width].reshape(_ROWS, height // _ROWS, _COLUMNS, width // _COLUMNS)
            most = float(parts.mean(axis=(1, 3)).max()) / 255  # noise moves a place, a picture a part of it
            yield from self._frozen.note(not black and most <= self.difference, frame.time)


class Unchanged(Analyzer, fps=30, pixels="yuv"):
    """Shows the stream as it is: an analysed stream without any analysis."""

    def video(self, frame: Frame) -> Iterator[Frame]:
        """See Analyzer."""
        yield frame
