"""The pictures that an algorithm shows, encoded as the analysed stream."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from palaver.analytics.control import OUTPUT_TRACK, Show, Shows
from palaver.analytics.pictures import shown
from palaver.mixing.control import AddVideoOutput
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.analytics.plugin import Frame
    from palaver.media.pipelines.frames import FrameSocket

_SECOND_NS: Final = 1_000_000_000


class Screen:
    """Tells the node the size of what is shown, and encodes it once it is said how."""

    def __init__(self, frames: FrameSocket, report: Callable[[Shows], None], fps: float) -> None:
        self._frames, self._report, self._fps = frames, report, fps
        self._lock = threading.Lock()
        self._size: tuple[int, int] | None = None
        self._encoder: VideoEncoder | None = None
        self._wanted = False
        self.encoded = 0

    def encode_as(self, wanted: Show) -> None:
        """Encode what is shown this way from now on. Raises UnknownCodec."""
        output = AddVideoOutput(
            track=OUTPUT_TRACK,
            codec=wanted.codec,
            profile=wanted.profile,
            width=wanted.width,
            height=wanted.height,
            framerate=wanted.framerate or self._fps,
            bitrate_kbps=wanted.bitrate_kbps,
            key_frame_interval_s=wanted.key_frame_interval_s,
        )
        with self._lock:
            self._encoder = VideoEncoder(output)

    def set_wanted(self, wanted: bool) -> None:
        """Somebody receives what is sent, and has to be given a key frame; or nobody does any more."""
        with self._lock:
            self._wanted = wanted
            if wanted and self._encoder is not None:
                self._encoder.want_key_frame()

    def show(self, frame: Frame, at_ns: int) -> None:
        """The algorithm shows a picture. Raises ValueError for what is none."""
        picture = shown(frame.array, frame.planes)
        if (picture.width, picture.height) != self._size:
            self._size = (picture.width, picture.height)
            self._report(Shows(width=picture.width, height=picture.height, fps=self._fps))
        with self._lock:
            encoder = self._encoder
            pts = at_ns * CLOCK_RATE // _SECOND_NS
            if encoder is None or not self._wanted or not encoder.due(pts):
                return
            coded = encoder.encode(picture, pts)
        for payload, key in coded:
            self.encoded += 1
            self._frames.send(
                OUTPUT_TRACK, encoder.codec, pts, CLOCK_RATE, payload, key_frame=key, time_ns=at_ns
            )
