"""Pictures → encoded frames of one video output."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter

from palaver.media.pipelines.frames import Codec
from palaver.mixing.decoding import UnknownCodec

if TYPE_CHECKING:
    from palaver.mixing.control import AddVideoOutput

CLOCK_RATE: Final = 90_000
"""Ticks per second of all video on RTP."""

CODECS: Final = {
    "vp8": Codec.VP8,
    "vp9": Codec.VP9,
    "h264": Codec.H264,
    "h265": Codec.H265,
    "av1": Codec.AV1,
}
_ENCODERS: Final = {
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "h264": "libx264",
    "h265": "libx265",
    "av1": "libsvtav1",
}
# What x264 calls OWT's profiles: its baseline is the constrained one, and it has no other.
_PROFILES: Final = {None: "baseline", "CB": "baseline", "B": "baseline", "M": "main", "H": "high"}
_FINEST: Final = 20
"""The least quantizer of H264 and H265: finer than this nobody sees, and a still view would be refined for ever."""
_VPX: Final = {"deadline": "realtime", "lag-in-frames": "0", "error-resilient": "0"}
_STEADY: Final = {"aq-mode": "3"}
"""VP9 has a constant rate. A variable one makes a key frame at every cut, and every tenth picture ten times as large
as the others; a moving refresh of parts (``aq-mode``) does what those did."""
_SPEEDS: Final = {"vp8": "-12", "vp9": "8"}
"""libvpx's effort. VP8's is negative: a positive one lets it fill half of every frame's time, still views or not."""


def _options(output: AddVideoOutput) -> dict[str, str]:
    """The encoder's own options. In all of them a cut makes no key frame: everybody would have to wait for it."""
    kbps = max(round(output.bitrate_kbps), 1)
    if output.codec == "h264":
        return {
            "preset": "veryfast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "profile": _PROFILES.get(output.profile, "baseline"),
            "x264-params": f"vbv-maxrate={kbps}:vbv-bufsize={kbps}:qpmin={_FINEST}:scenecut=0:subme=1:repeat-headers=1",
        }
    if output.codec == "h265":
        params = (
            f"vbv-maxrate={kbps}:vbv-bufsize={kbps}:qpmin={_FINEST}:scenecut=0:repeat-headers=1:log-level=none"
            ":pools=none:info=0"
        )
        return {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "x265-params": params}
    if output.codec == "av1":
        return {"preset": "11", "svtav1-params": "pred-struct=1:lookahead=0:lp=1:rc=2:rtc=1"}
    rate = {"maxrate": f"{kbps}k", "bufsize": f"{kbps}k", "keyint_min": str(_interval(output))}
    if output.codec == "vp9":
        rate |= {**_STEADY, "minrate": f"{kbps}k", "b": f"{kbps}k"}
    return {**_VPX, "cpu-used": _SPEEDS[output.codec], **rate}


def _interval(output: AddVideoOutput) -> int:
    """Pictures from one key frame to the next that nobody asked for."""
    return max(round(output.key_frame_interval_s * output.framerate), 1)


class VideoEncoder:
    """Encodes at the output's size and at most its rate, on one thread."""

    def __init__(self, output: AddVideoOutput) -> None:
        if output.codec not in _ENCODERS:
            raise UnknownCodec(output.codec)
        self.output = output
        self.codec = CODECS[output.codec]
        self._wants_key = True
        self._context: av.VideoCodecContext | None = None
        self._scaler = VideoReformatter()
        self._next_pts = 0
        self._last_pts = -1

    def want_key_frame(self) -> None:
        """Make the next picture a key frame."""
        self._wants_key = True

    def due(self, pts: int) -> bool:
        """Whether a picture at ``pts`` (90 kHz) is to be encoded: none is at a lower rate than the view's."""
        return pts + CLOCK_RATE // 1000 >= self._next_pts

    def encode(self, picture: av.VideoFrame, pts: int) -> list[tuple[bytes, bool]]:
        """The frames (payload, whether a key frame) that ``picture`` gives: one, as nothing is held back."""
        width, height = self._size(picture)
        context = self._opened(width, height)
        if (picture.width, picture.height) != (width, height) or picture.format.name != "yuv420p":
            picture = self._scaler.reformat(
                picture, width, height, "yuv420p", interpolation=Interpolation.BILINEAR, threads=1
            )
        picture.pts = self._last_pts = max(pts, self._last_pts + 1)
        picture.time_base = Fraction(1, CLOCK_RATE)
        picture.pict_type = PictureType.I if self._wants_key else PictureType.NONE
        self._wants_key = False
        self._next_pts = max(self._next_pts, pts - self._interval) + self._interval
        return [(bytes(packet), packet.is_keyframe) for packet in context.encode(picture)]

    @property
    def _interval(self) -> int:
        return round(CLOCK_RATE / self.output.framerate)

    def _size(self, picture: av.VideoFrame) -> tuple[int, int]:
        if self.output.width and self.output.height:
            return self.output.width // 2 * 2, self.output.height // 2 * 2
        return max(picture.width // 2 * 2, 2), max(picture.height // 2 * 2, 2)

    def _opened(self, width: int, height: int) -> av.VideoCodecContext:
        """The encoder for that size: another size begins anew, with a key frame."""
        if self._context is not None and (self._context.width, self._context.height) == (width, height):
            return self._context
        context = av.CodecContext.create(_ENCODERS[self.output.codec], "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = Fraction(1, CLOCK_RATE)
        context.framerate = Fraction(self.output.framerate).limit_denominator(1001)
        context.bit_rate = max(round(self.output.bitrate_kbps * 1000), 1000)
        context.gop_size = _interval(self.output)
        context.max_b_frames = 0
        context.thread_count = 1
        context.options = _options(self.output)
        self._context, self._wants_key = context, True
        return context
