"""What can be heard without a model: how loud it is, and whether there is anything at all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta

from palaver.analytics.algorithms.lasting import Lasting
from palaver.analytics.plugin import Analyzer, Frame, Observation, event

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST_DB = -96.0


def decibels(power: float) -> float:
    """A mean square in dB of full scale, -96 at least."""
    return max(10 * math.log10(power), _LEAST_DB) if power > 0 else _LEAST_DB


class Loudness(Analyzer, rate=48_000, channels=1):
    """Tells how loud it is ("loudness", with the mean and the peak in dB of full scale) every ``every_s``."""

    every_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0

    def start(self) -> None:
        """See Analyzer."""
        self._power, self._peak, self._samples = 0.0, 0.0, 0

    def audio(self, frame: Frame) -> Iterator[Observation]:
        """See Analyzer."""
        self._power += float(np.square(frame.array, dtype=np.float64).sum())
        self._peak = max(self._peak, float(np.abs(frame.array).max(initial=0.0)))
        self._samples += len(frame.array)
        if self._samples >= self.every_s * frame.rate:
            mean, peak = decibels(self._power / self._samples), decibels(self._peak**2)
            yield event("loudness", mean=round(mean, 1), peak=round(peak, 1))
            self.start()


class Silence(Analyzer, rate=16_000, channels=1):
    """Tells when nothing has been louder than ``below`` (dB of full scale) for ``least_s`` ("silence"), and its end."""

    below: Annotated[float, Meta(ge=-96, le=0)] = -50.0
    least_s: Annotated[float, Meta(ge=0.1, le=3600)] = 2.0

    def start(self) -> None:
        """See Analyzer."""
        self._silence = Lasting("silence", self.least_s)

    def audio(self, frame: Frame) -> Iterator[Observation]:
        """See Analyzer."""
        level = (
            decibels(float(np.mean(np.square(frame.array, dtype=np.float64))))
            if len(frame.array)
            else _LEAST_DB
        )
        yield from self._silence.note(level < self.below, frame.time)
