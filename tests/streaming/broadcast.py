"""A pusher that writes HLS or DASH into a folder and is fed in virtual time: a minute takes as long as writing it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from palaver.media.pipelines.frames import Flag, Message
from palaver.mixing.encoding import CODECS as VIDEO
from palaver.mixing.sound import CODECS as AUDIO
from palaver.streaming.control import Push
from palaver.streaming.pusher import Pusher
from tests.recording.media import FPS, pictures, sound
from tests.recording.reel import START, message

SOUND, PICTURE = 1, 2


class Broadcast:
    """Sends Opus, and pictures with a key frame each second; attributes say what is sent next."""

    def __init__(
        self, folder: Path, protocol: str = "hls", *, video: str | None = "h264", **more: object
    ) -> None:
        self.now, self.folder = START, folder
        self.heard, self.seen = True, video is not None
        self.video, self._frames = video, 0
        self.asked: list[int] = []
        self.reports: list[object] = []
        wanted = Push(
            protocol=protocol, audio="aac", video=video, folder=str(folder), segment_s=1, **more,  # type: ignore[arg-type]  # as the test says
        )  # fmt: skip
        self.pusher = Pusher(
            wanted, ask=self.asked.append, report=self.reports.append, resolve=_nobody, clock=lambda: self.now
        )
        self.pusher.add_audio(SOUND, "opus")
        if video:
            self.pusher.add_video(PICTURE, video)

    def run(self, seconds: float) -> None:
        """Let time pass, with what is sent in it."""
        for _ in range(round(seconds * 50)):
            number = (self.now - START) // 20_000_000
            if self.heard:
                frames = sound("opus")
                self._send(SOUND, int(AUDIO["opus"]), 48_000, frames[number % len(frames)], True)
            if self.seen and number % (50 // FPS) == 0:
                self._send_picture()
            self.now += 20_000_000
            self.pusher.tick()

    def _send_picture(self) -> None:
        assert self.video is not None
        frames = pictures(self.video)
        payload, key = frames[self._frames % len(frames)]
        self._frames += 1
        self._send(PICTURE, int(VIDEO[self.video]), 90_000, payload, key)

    def _send(self, track: int, codec: int, rate: int, payload: bytes, key: bool) -> None:
        made: Message = message(track, codec, rate, self.now, payload, int(Flag.KEY_FRAME) if key else 0)  # type: ignore[arg-type]  # a number of a codec
        self.pusher.receive(made)

    def end(self) -> None:
        """Finish the stream."""
        self.pusher.finish()

    def loudness(self) -> list[float]:
        """Of each tenth of a second of what was written."""
        levels: list[float] = []
        with av.open(str(self.folder / "index.m3u8")) as container:
            samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
            rate = container.streams.audio[0].rate or 48_000
        for begin in range(0, len(samples) - rate // 10, rate // 10):
            levels.append(float(np.abs(samples[begin : begin + rate // 10]).max()))
        return levels


def _nobody(url: str) -> list[tuple[str, int]]:
    raise AssertionError(f"asked for {url}")
