"""Turns: who spoke, from when to when."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from palaver.bot.values import RATE

if TYPE_CHECKING:
    from palaver.bot.values import Samples

_LOUD: Final = 10 ** (-40 / 20)
"""Of full scale: quieter sound is silence, whatever its surroundings."""
_ABOVE_NOISE: Final = 3.0
"""How many times louder than the noise before it somebody who speaks is."""
_BEGIN_S: Final = 0.06
"""So long it has to be loud: less is a click."""
_END_S: Final = 0.6
_LEAD_S: Final = 0.2
"""What is kept of the time before a turn began, as words begin softly."""
_LONGEST_S: Final = 60.0


class TurnFinder:
    """Finds the turns in the sound of one participant, by loudness above the noise before it.

    ``speaking`` is true from 60 ms after somebody began until 0.6 s after the last word. Where no sound comes, time
    goes on with ``silent``: whoever is muted in the middle of a word has finished.
    """

    def __init__(self) -> None:
        self.speaking = False
        self._noise = _LOUD
        self._loud_s = self._quiet_s = self._spoken_s = 0.0
        self._kept: deque[Samples] = deque()

    def hear(self, samples: Samples) -> Samples | None:
        """Take the next sound; the turn that ended with it."""
        seconds = len(samples) / RATE
        level = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
        loud = level > _LOUD and level > _ABOVE_NOISE * self._noise
        if self.speaking:
            loud = level > _LOUD
        else:
            self._noise += 0.05 * (min(level, 10 * self._noise) - self._noise) if level > 0 else 0.0
        self._kept.append(samples)
        return self._advance(seconds, loud=loud)

    def silent(self, seconds: float) -> Samples | None:
        """Nothing came for so long; the turn that ended with it."""
        return self._advance(seconds, loud=False)

    def _advance(self, seconds: float, *, loud: bool) -> Samples | None:
        if not self.speaking:
            self._loud_s = self._loud_s + seconds if loud else 0.0
            self._forget(_LEAD_S + self._loud_s)
            if self._loud_s >= _BEGIN_S:
                self.speaking, self._quiet_s, self._spoken_s = True, 0.0, self._loud_s
            return None
        self._spoken_s += seconds
        self._quiet_s = 0.0 if loud else self._quiet_s + seconds
        if self._quiet_s < _END_S and self._spoken_s < _LONGEST_S:
            return None
        spoken = np.concatenate(self._kept)
        self._kept.clear()
        self.speaking, self._loud_s = False, 0.0
        return spoken

    def _forget(self, keep_s: float) -> None:
        kept = sum(map(len, self._kept)) / RATE
        while self._kept and kept - len(self._kept[0]) / RATE >= keep_s:
            kept -= len(self._kept.popleft()) / RATE
