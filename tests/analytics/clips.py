"""Pictures and sounds that tests make themselves, and what an algorithm says of them."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from palaver.analytics import Analyzer, Frame, Observation
from palaver.analytics.pictures import Scaler
from palaver.analytics.running import Running

Picture = NDArray[np.uint8]
Sound = NDArray[np.float32]


def said(kind: type[Analyzer], clip: Iterable[Frame], **parameters: Any) -> list[tuple[float, Observation]]:
    """All that an algorithm tells of a clip, with the time of the frame of which it told it."""
    analyzer = kind.made(parameters)
    analyzer.start()
    told = []
    with Running() as running:
        for frame in clip:
            handler = getattr(analyzer, "audio" if frame.rate else "video")
            told += [
                (frame.time, one) for one in running.results(handler, frame) if isinstance(one, Observation)
            ]
    return told


def video(kind: type[Analyzer], pictures: Iterable[Picture], fps: float) -> Iterator[Frame]:
    """BGR pictures as the algorithm is given them: its size and form, at its rate at most."""
    wanted = kind.wants_video
    assert wanted is not None
    scaler, due = Scaler(wanted), 0.0
    for number, picture in enumerate(pictures):
        if number / fps >= due - 1e-6:
            due += 1 / wanted.fps
            planes = scaler.arrays(
                av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            )
            yield Frame(planes[0], number / fps)


def audio(kind: type[Analyzer], samples: Sound, rate: int) -> Iterator[Frame]:
    """Mono samples as the algorithm is given them, 20 ms at a time; ``rate`` must be the algorithm's."""
    assert kind.wants_audio is not None
    assert kind.wants_audio.rate == rate
    block = rate // 50
    for at in range(0, len(samples) - block + 1, block):
        yield Frame(samples[at : at + block, None], at / rate, rate=rate)


def plain(shade: int, width: int = 640, height: int = 360) -> Picture:
    return np.full((height, width, 3), shade, np.uint8)


def noisy(picture: Picture, seed: int, amount: int = 4) -> Picture:
    """As a camera sees it: no two pictures are the same."""
    noise = np.random.default_rng(seed).integers(-amount, amount + 1, picture.shape)
    made: Picture = np.clip(picture.astype(np.int16) + noise, 0, 255).astype(np.uint8)
    return made


def with_square(picture: Picture, left: int, top: int, side: int = 80, shade: int = 230) -> Picture:
    drawn = picture.copy()
    drawn[top : top + side, left : left + side] = shade
    return drawn


def placed(picture: Picture, part: Picture, left: int, top: int) -> Picture:
    drawn = picture.copy()
    drawn[top : top + part.shape[0], left : left + part.shape[1]] = part
    return drawn


def astronaut() -> Picture:
    """Eileen Collins, photographed by NASA: in the public domain. BGR, 512 pixels square."""
    from skimage import data

    rgb = np.asarray(data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(rgb[..., ::-1])


def tone(seconds: float, rate: int, hertz: float = 440.0, level: float = 0.2) -> Sound:
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def nothing(seconds: float, rate: int) -> Sound:
    return np.zeros(round(seconds * rate), np.float32)


def hiss(seconds: float, rate: int, level: float = 0.05) -> Sound:
    noise = np.random.default_rng(1).standard_normal(round(seconds * rate))
    return (level * noise).astype(np.float32)


def speech(words: str, rate: int) -> Sound:
    """Spoken by eSpeak NG."""
    program = shutil.which("espeak-ng")
    assert program is not None, "espeak-ng is not installed (make test installs it)"
    wav = subprocess.run(
        [program, "-v", "en", "--stdout", words], capture_output=True, check=True, timeout=30
    ).stdout
    with av.open(io.BytesIO(wav), "r") as container:
        resampler = av.AudioResampler("flt", "mono", rate)
        parts = [
            part.to_ndarray().reshape(-1)
            for frame in container.decode(audio=0)
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts).astype(np.float32)


def with_person(picture: Picture, centre: int, top: int, height: int, shade: int = 30) -> Picture:
    """Somebody who stands there, drawn as a shape: eight heads high."""
    import cv2

    drawn, u, colour = picture.copy(), height / 8, (shade,) * 3

    def part(*points: tuple[float, float]) -> None:
        corners = np.array([(centre + x * u, top + y * u) for x, y in points], np.int32)
        cv2.fillPoly(drawn, [corners], colour)

    cv2.ellipse(
        drawn, (centre, round(top + 0.55 * u)), (round(0.38 * u), round(0.52 * u)), 0, 0, 360, colour, -1
    )
    part((-0.18, 0.9), (0.18, 0.9), (0.18, 1.5), (-0.18, 1.5))
    part((-0.95, 1.45), (0.95, 1.45), (0.7, 4), (-0.7, 4))
    for side in (-1, 1):
        part((side * 0.72, 1.5), (side * 1.05, 1.6), (side * 1.0, 4.2), (side * 0.75, 4.2))
        part((side * 0.05, 3.9), (side * 0.7, 3.9), (side * 0.55, 7.8), (side * 0.12, 7.8))
        part((side * 0.1, 7.6), (side * 0.75, 7.6), (side * 0.75, 8), (side * 0.1, 8))
    softened: Picture = cv2.GaussianBlur(drawn, (3, 3), 0).astype(np.uint8)
    return softened
