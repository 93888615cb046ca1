"""Decoded sound as analyzers get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np

from palaver.mixing.sound import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palaver.analytics.plugin import AudioWanted


class Converter:
    """Brings blocks of 48 kHz stereo to the rate and channels that an analyzer wants."""

    def __init__(self, wanted: AudioWanted) -> None:
        self._wanted = wanted
        layout = "mono" if wanted.channels == 1 else "stereo"
        self._layout = layout
        self._resampler = av.AudioResampler("flt", layout, wanted.rate) if wanted.rate != RATE else None
        self._position = 0

    def converted(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples (n, channels), read-only. A resampler gives them a little later."""
        made: NDArray[Any] = block
        if self._wanted.channels == 1:
            made = block.mean(axis=1, keepdims=True, dtype=np.float32)
        if self._resampler is not None:
            made = self._resampled(self._resampler, made)
        made = np.ascontiguousarray(made, np.float32)
        made.flags.writeable = False
        return made

    def _resampled(self, resampler: av.AudioResampler, block: NDArray[Any]) -> NDArray[Any]:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block, np.float32).reshape(1, -1), format="flt", layout=self._layout
        )
        frame.sample_rate, frame.pts = RATE, self._position
        self._position += len(block)
        parts = [one.to_ndarray().reshape(-1, self._wanted.channels) for one in resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.zeros((0, self._wanted.channels), np.float32)
