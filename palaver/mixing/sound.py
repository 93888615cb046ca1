"""Encoded audio ↔ samples: decoders and encoders that all speak blocks of 20 ms at 48 kHz, stereo.

A block is float32 (960, 2), full scale ±1.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

import av
import numpy as np
from av.error import FFmpegError

from palaver.media.pipelines.frames import Codec
from palaver.mixing.decoding import UnknownCodec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palaver.mixing.control import AddAudioOutput

Samples: TypeAlias = "NDArray[np.float32]"

RATE: Final = 48_000
CHANNELS: Final = 2
BLOCK: Final = RATE // 50

CODECS: Final = {
    "opus": Codec.OPUS,
    "pcmu": Codec.PCMU,
    "pcma": Codec.PCMA,
    "g722": Codec.G722,
    "aac": Codec.AAC,
}
_DECODERS: Final = {
    "opus": ("libopus", RATE, "stereo"),
    "pcmu": ("pcm_mulaw", 8_000, "mono"),
    "pcma": ("pcm_alaw", 8_000, "mono"),
    "g722": ("g722", 16_000, "mono"),
}
# Encoder, sample rate, RTP ticks per second (8000 for G722 too: RFC 3551, section 4.5.2), bit rate per channel.
_ENCODERS: Final = {
    "opus": ("libopus", RATE, RATE, 32_000),
    "pcmu": ("pcm_mulaw", 8_000, 8_000, 64_000),
    "pcma": ("pcm_alaw", 8_000, 8_000, 64_000),
    "g722": ("g722", 16_000, 8_000, 64_000),
    "aac": ("aac", RATE, RATE, 64_000),
}
_OPUS: Final = {"application": "voip", "frame_duration": "20", "compression_level": "5"}


def silence() -> Samples:
    """A block of nothing."""
    return np.zeros((BLOCK, CHANNELS), np.float32)


class AudioDecoder:
    """Decodes one track to 48 kHz stereo; a packet that cannot be decoded gives nothing."""

    def __init__(self, codec: str) -> None:
        if codec not in _DECODERS:
            raise UnknownCodec(codec)
        name, rate, layout = _DECODERS[codec]
        context = av.CodecContext.create(name, "r")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate, context.layout, context.thread_count = rate, layout, 1
        self._context = context
        self._channels = CHANNELS if layout == "stereo" else 1
        self._resampler = av.AudioResampler("flt", layout, RATE)
        self.duration_s = 0.02
        """Of the last packet: a resampler gives its samples a little later."""

    def decode(self, payload: bytes) -> Samples | None:
        """The samples (n, 2) of one packet, None if there are none."""
        if not payload:  # an empty packet would flush the decoder for good
            return None
        try:
            frames = self._context.decode(av.Packet(payload))
            parts = [
                part.to_ndarray().reshape(-1, self._channels)
                for frame in frames
                for part in self._resampler.resample(frame)
            ]
        except (FFmpegError, EOFError, ValueError):
            return None
        self.duration_s = sum(frame.samples / frame.sample_rate for frame in frames) or self.duration_s
        if not parts:
            return None
        samples = np.concatenate(parts)
        # The resampler would make one channel into two that are 3 dB softer.
        return np.repeat(samples, CHANNELS // self._channels, axis=1)


class AudioEncoder:
    """Encodes blocks into frames of an output's format."""

    def __init__(self, codec: str, channels: int) -> None:
        if codec not in _ENCODERS:
            raise UnknownCodec(codec)
        name, rate, self.clock_rate, bit_rate = _ENCODERS[codec]
        self.codec = CODECS[codec]
        channels = channels if codec in ("opus", "aac") else 1
        layout = "stereo" if channels == CHANNELS else "mono"
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, av.AudioCodecContext)
        context.sample_rate, context.layout = rate, layout
        context.format = "fltp" if codec == "aac" else "s16"
        context.bit_rate = bit_rate * channels
        context.time_base = Fraction(1, rate)
        if codec == "opus":
            context.options = dict(_OPUS)
        context.open()
        self._context = context
        self._ticks = Fraction(self.clock_rate, rate)
        size = context.frame_size or rate // 50
        self._resampler = av.AudioResampler(context.format, layout, rate, size)

    def encode(self, block: Samples, position: int) -> list[tuple[bytes, int]]:
        """The frames (payload, pts in the clock of RTP) of a block that begins at sample ``position`` of 48 kHz."""
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block, np.float32).reshape(1, -1), format="flt", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, position, Fraction(1, RATE)
        frames = []
        for part in self._resampler.resample(frame):
            for packet in self._context.encode(part):
                frames.append((bytes(packet), round((packet.pts or 0) * self._ticks)))
        return frames

    @classmethod
    def of(cls, output: AddAudioOutput) -> AudioEncoder:
        """The encoder for an output. Raises UnknownCodec."""
        return cls(output.codec, output.channels)
