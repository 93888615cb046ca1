"""Sound of other servers, made into Opus frames of 20 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE: Final = 48_000
FRAME: Final = 960
"""Samples of a frame: 20 ms."""
_JUMP: Final = RATE // 10
"""Sound that is further from its place than this is put there anew."""
_BITRATE: Final = {1: 48_000, 2: 96_000}


class OpusMaker:
    """Takes decoded sound of any form; gives Opus frames with their place in 48 kHz samples."""

    def __init__(self, channels: int) -> None:
        self.channels = min(max(channels, 1), 2)
        layout = "mono" if self.channels == 1 else "stereo"
        self._resampler = av.AudioResampler(format="s16", layout=layout, rate=RATE)
        encoder = av.CodecContext.create("libopus", "w")
        assert isinstance(encoder, AudioCodecContext)
        encoder.sample_rate, encoder.layout, encoder.format = RATE, layout, "s16"
        encoder.bit_rate = _BITRATE[self.channels]
        encoder.options = {"application": "audio", "frame_duration": "20", "compression_level": "5"}
        self._encoder = encoder
        self._samples = np.zeros((0, self.channels), np.int16)
        self._begin: int | None = None

    def take(self, frame: av.AudioFrame, at: int) -> Iterator[tuple[int, bytes]]:
        """The frames that are complete with ``frame``, whose first sample belongs to the ``at``-th of 48 kHz."""
        expected = self._begin + len(self._samples) if self._begin is not None else None
        if expected is None or abs(at - expected) > _JUMP:
            self._begin, self._samples = at, self._samples[:0]
        frame.pts = None
        for part in self._resampler.resample(frame):
            self._samples = np.concatenate((self._samples, part.to_ndarray().reshape(-1, self.channels)))
        while len(self._samples) >= FRAME:
            yield from self._encoded(self._samples[:FRAME])
            self._samples = self._samples[FRAME:]

    def _encoded(self, samples: np.ndarray) -> Iterator[tuple[int, bytes]]:
        assert self._begin is not None
        layout = "mono" if self.channels == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), "s16", layout)
        frame.sample_rate = RATE
        for packet in self._encoder.encode(frame):
            yield self._begin, bytes(packet)
        self._begin += FRAME
