"""A puller's real process, as its node and the core see it, and streams to pull."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction

import av
import numpy as np
from msgspec import Struct

from palaver.media.pipelines.control import Alive
from palaver.media.pipelines.frames import HEADER, UNKNOWN_LEVEL, FrameSocket, Message, Type
from palaver.media.pipelines.process import ForkServer, Pipeline, PipelineLost
from palaver.streaming.control import VIDEO_TRACK, Interrupted, Pull, TracksFound
from palaver.streaming.pull import PULLER

SERVER = ForkServer([PULLER.module])
DEADLINE_S = 30.0


class Pulling:
    """One puller: what it says, and how many frames of each track it has sent."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._socket = socket.socket(fileno=pipeline.take_frames())
        self.frames = FrameSocket(self._socket)
        self.reports: list[Struct] = []
        self.counts: Counter[int] = Counter()
        self.last: dict[int, Message] = {}
        self.lost: str | None = None
        pipeline.on_report = self._hear
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def found(self) -> list[TracksFound]:
        """What it has found, in order."""
        return [one for one in self.reports if isinstance(one, TracksFound)]

    @property
    def interruptions(self) -> list[Interrupted]:
        """Why it could not go on, in order."""
        return [one for one in self.reports if isinstance(one, Interrupted)]

    @property
    def packets(self) -> float:
        """How many it has received."""
        return self.pipeline.counters.get("packets", 0)

    def watch(self) -> None:
        """Ask for pictures, as the core does for the first who watches."""
        self.frames.want_key_frame(VIDEO_TRACK)

    def leave(self) -> None:
        """Nobody watches any more."""
        self._socket.sendall(HEADER.pack(0, Type.UNWANTED, 0, 0, UNKNOWN_LEVEL, VIDEO_TRACK, 0, 0, 0))

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds; what the process said is told if it never does."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():  # noqa: ASYNC110  # what is awaited happens in another process
                    await asyncio.sleep(0.02)
        except TimeoutError:
            said = f"{self.reports[-5:]}, frames {dict(self.counts)}, {self.pipeline.counters}, {self.lost}"
            raise AssertionError(f"still: {said}") from None

    async def more(self, track: int = VIDEO_TRACK, count: int = 5) -> None:
        """Wait for so many more frames."""
        goal = self.counts[track] + count
        await self.until(lambda: self.counts[track] >= goal)

    def _hear(self, report: Struct) -> None:
        if not isinstance(report, Alive):
            self.reports.append(report)

    def _read(self) -> None:
        while messages := self.frames.receive():
            for message in messages:
                self.counts[message.track] += 1
                self.last[message.track] = message

    async def watched(self) -> None:
        """Note how the process ends."""
        try:
            await self.pipeline.run()
        except PipelineLost as lost:
            self.lost = str(lost)

    async def close(self) -> None:
        """After the process has ended, which ends the reading."""
        await asyncio.to_thread(self._reader.join)
        self.frames.close()


@asynccontextmanager
async def pulling(url: str, **wanted: object) -> AsyncIterator[Pulling]:
    """A puller that fetches ``url``."""
    pipeline = await SERVER.start(PULLER)
    one = Pulling(pipeline)
    watching = asyncio.create_task(one.watched())
    try:
        pipeline.say(Pull(url=url, allow_loopback=True, **wanted))  # type: ignore[arg-type]  # as the test says
        yield one
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await one.close()


def clip(
    form: str = "mpegts",
    codec: str = "libx264",
    seconds: float = 4,
    audio: str | None = "aac",
    **options: str,
) -> bytes:
    """A file of grey pictures, 160 by 96 at 15 a second with a key frame each second, and a tone."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        picture = container.add_stream(codec, rate=15)
        assert isinstance(picture, av.VideoStream)
        picture.width, picture.height = 160, 96
        picture.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        picture.gop_size, picture.thread_count = 15, 1
        settings: dict[str, str] = {"preset": "ultrafast"} if codec == "libx264" else {}
        picture.options = {**settings, **options}
        sound = container.add_stream(audio, rate=48_000) if audio else None
        assert sound is None or isinstance(sound, av.AudioStream)
        for number in range(int(seconds * 15)):
            shade = np.full((96 * 3 // 2, 160), 60 + number % 100, np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 15)
            container.mux(picture.encode(frame))
            if sound is not None:
                container.mux(sound.encode(_tone(number)))
        container.mux(picture.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return file.getvalue()


def _tone(number: int) -> av.AudioFrame:
    t = np.arange(number * 3200, (number + 1) * 3200) / 48_000
    samples = (0.2 * np.sin(2 * np.pi * 700 * t)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 3200, Fraction(1, 48_000)
    return frame
