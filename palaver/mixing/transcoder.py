"""The transcoder's process: one stream in, the same in other forms out, each picture as it comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, NoReturn

from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.mixer import Mixer
from palaver.mixing.video import VideoInput, VideoMixer

if TYPE_CHECKING:
    import socket

    import av

    from palaver.media.pipelines.frames import Message


class VideoTranscoder(VideoMixer):
    """Has one input. Its pictures go to the encoders as they are decoded: there is no output clock and no canvas."""

    GATHER_S: ClassVar = 0.0

    def receive(self, message: Message) -> None:
        """A frame of the input, to be decoded at once."""
        with self._lock:
            super().receive(message)
            self._announced.notify()

    def _wait_to_decode(self) -> bool:
        """Until a frame has come; false once stopped."""
        with self._lock:
            self._announced.wait_for(
                lambda: self._stopped or any(one.waiting for one in self._inputs.values())
            )
            return not self._stopped

    def run_encoder(self) -> None:
        """Encode each picture once, until stopped."""
        shown: av.VideoFrame | None = None
        begin = time.monotonic_ns()
        while (picture := self._next_picture(shown)) is not None:
            shown = picture
            now = time.monotonic_ns()
            pts = (now - begin) * CLOCK_RATE // 1_000_000_000
            for track, encoder in self._due(pts):
                self._encode(track, encoder, picture, pts, now)

    def _next_picture(self, shown: av.VideoFrame | None) -> av.VideoFrame | None:
        """The first picture after ``shown``; None once stopped."""
        with self._lock:
            while not self._stopped:
                newest = max(self._inputs.values(), key=lambda one: one.seen_at, default=None)
                if self._encoders and newest is not None and newest.picture is not shown and newest.active:
                    return newest.picture
                self._work.wait()
        return None

    def _show(self, one: VideoInput, picture: av.VideoFrame, now: float, *, still: bool) -> None:
        with self._lock:
            super()._show(one, picture, now, still=False)
            self._work.notify()

    def _due(self, pts: int) -> list[tuple[int, VideoEncoder]]:
        with self._lock:
            return [(track, encoder) for track, encoder in self._encoders.items() if encoder.due(pts)]


def run(commands: socket.socket, frames: socket.socket) -> NoReturn:
    """The main function of the process."""
    Mixer(commands, frames, VideoTranscoder).run_and_exit()
