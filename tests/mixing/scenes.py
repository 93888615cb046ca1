"""Pictures, tones and messages that mixing is tested with."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
from numpy.typing import NDArray

from palaver.media.pipelines.frames import UNKNOWN_LEVEL, Codec, Flag, Message, Type
from palaver.mixing.canvas import planes
from palaver.mixing.control import AddVideoOutput
from palaver.mixing.sound import BLOCK, RATE, AudioEncoder, Samples

VIDEO_CODECS = ("vp8", "vp9", "h264", "h265", "av1")


def plain(luma: int, width: int = 320, height: int = 180) -> av.VideoFrame:
    """A picture of one shade."""
    return av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), luma, np.uint8), format="yuv420p")


def camera(number: int, width: int = 480, height: int = 270) -> av.VideoFrame:
    """What a camera sends: shapes that move under a sensor's noise, and another scene every twelve pictures."""
    y, x = np.mgrid[0:height, 0:width]
    if number // 12 % 2:
        luma = 60 + 30 * np.sin(x / 19 + number / 40) + 20 * np.cos(y / 13)
    else:
        luma = 170 + 50 * np.sign(np.sin((x + y) / 23 - number / 40))
    samples = np.vstack([luma, np.full((height // 2, width), 128.0)])
    samples += np.random.default_rng(number).normal(0, 6, samples.shape)
    return av.VideoFrame.from_ndarray(samples.clip(0, 255).astype(np.uint8), format="yuv420p")


def shade(picture: av.VideoFrame, x: float = 0.5, y: float = 0.5) -> int:
    """The luma at a place given in parts of width and height."""
    luma = planes(picture)[0]
    return int(luma[int(y * (picture.height - 1)), int(x * (picture.width - 1))])


def output(
    codec: str, track: int = 1, width: int = 320, height: int = 180, **changes: object
) -> AddVideoOutput:
    """What an encoder is asked for."""
    values: dict[str, object] = {
        "track": track,
        "codec": codec,
        "profile": "CB" if codec == "h264" else None,
        "width": width,
        "height": height,
        "framerate": 30.0,
        "bitrate_kbps": 500.0,
        "key_frame_interval_s": 100.0,
        **changes,
    }
    return AddVideoOutput(**values)  # type: ignore[arg-type]  # the defaults above have the right types


def video(payload: bytes, *, key: bool = False, gap: bool = False, track: int = 1, pts: int = 0) -> Message:
    """A frame as the core gives it."""
    flags = (Flag.KEY_FRAME if key else 0) | (Flag.GAP if gap else 0)
    return Message(Type.FRAME, Codec.VP8, flags, UNKNOWN_LEVEL, track, 90_000, pts, 0, payload)


def tone(hertz: float, seconds: float = 1.0, level: float = 0.2) -> Samples:
    """A sine in both channels."""
    t = np.arange(round(RATE * seconds)) / RATE
    return np.repeat((level * np.sin(2 * np.pi * hertz * t))[:, None], 2, axis=1).astype(np.float32)


def packets(
    samples: Samples, track: int = 1, codec: str = "opus", level: int = UNKNOWN_LEVEL
) -> list[Message]:
    """``samples`` encoded as the core gives them, one message for 20 ms."""
    encoder = AudioEncoder(codec, 1)
    found = []
    for at in range(0, len(samples) - BLOCK + 1, BLOCK):
        for payload, pts in encoder.encode(samples[at : at + BLOCK], at):
            found.append(
                Message(
                    Type.FRAME,
                    encoder.codec,
                    Flag.KEY_FRAME,
                    level,
                    track,
                    encoder.clock_rate,
                    pts,
                    0,
                    payload,
                )
            )
    return found


def strength(samples: NDArray[np.float32], hertz: Iterable[float]) -> list[float]:
    """The amplitude of each tone in the left channel."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples[:, 0] * window)) / window.sum() * 2
    return [float(spectrum[round(one * len(samples) / RATE)]) for one in hertz]
