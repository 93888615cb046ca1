"""Encoded pictures and sound to record, and what FFmpeg makes of a file."""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from palaver.mixing.control import AddVideoOutput
from palaver.mixing.encoding import VideoEncoder
from palaver.mixing.sound import BLOCK, RATE, AudioEncoder

FPS = 10


@functools.cache
def pictures(
    codec: str, width: int = 160, height: int = 96, count: int = 30
) -> tuple[tuple[bytes, bool], ...]:
    """Frames, ten a second, the first of each second a key frame; each picture has a grey of its own."""
    output = AddVideoOutput(
        track=1,
        codec=codec,
        profile=None,
        width=width,
        height=height,
        framerate=FPS,
        bitrate_kbps=200,
        key_frame_interval_s=1,
    )
    encoder, frames = VideoEncoder(output), []
    for number in range(count):
        picture = av.VideoFrame(width, height, "yuv420p")
        for plane in picture.planes:
            plane.update(bytes([16 + number * 7 % 200]) * plane.buffer_size)
        if number % FPS == 0:
            encoder.want_key_frame()
        frames += encoder.encode(picture, number * 90_000 // FPS)
    return tuple(frames)


@functools.cache
def sound(codec: str, seconds: float = 3.0) -> tuple[bytes, ...]:
    """A tone in frames of 20 ms."""
    encoder, frames = AudioEncoder(codec, 2), []
    for number in range(round(seconds * 50)):
        time = (np.arange(BLOCK) + number * BLOCK) / RATE
        tone = np.repeat(0.3 * np.sin(2 * np.pi * 440 * time)[:, None], 2, 1).astype(np.float32)
        frames += [payload for payload, _ in encoder.encode(tone, number * BLOCK)]
    return tuple(frames)


@dataclass(frozen=True)
class Probed:
    """What ffprobe tells of a file."""

    duration_s: float
    codecs: dict[str, str]
    stamps: dict[str, list[float]]


def probe(path: Path) -> Probed:
    """Raises AssertionError if there is anything to complain about."""
    entries = "format=duration:stream=index,codec_type,codec_name:packet=codec_type,pts_time"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    stamps: dict[str, list[float]] = {}
    for packet in told["packets"]:
        stamps.setdefault(packet["codec_type"], []).append(float(packet["pts_time"]))
    return Probed(
        float(told["format"].get("duration", "nan")),
        {stream["codec_type"]: stream["codec_name"] for stream in told["streams"]},
        stamps,
    )


def decode(path: Path) -> None:
    """Decode all of it. Raises AssertionError if FFmpeg has anything to say."""
    # Cameras keep no beat: frames are not to be put on the grid of the rate that the header guesses.
    into_nothing = ["-fps_mode", "vfr", "-enc_time_base", "1:1000", "-f", "null", "-"]
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), *into_nothing]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
