"""The tracks of a file: whole from its beginning to its end, whatever their sources do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import av
import numpy as np

from palaver.media.pipelines.frames import Codec
from palaver.media.timeline import SECOND_NS, Filler, TrackTimeline
from palaver.mixing.control import AddVideoOutput
from palaver.mixing.encoding import VideoEncoder
from palaver.mixing.sound import RATE, AudioDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from palaver.media.pipelines.frames import Message
    from palaver.muxing.muxer import Muxer

_MS: Final = 1_000_000
_FRAME_NS: Final = 20 * _MS
ASK_AGAIN_NS: Final = 300 * _MS
"""At most this often a key frame is asked for."""
STALLED_NS: Final = 10 * SECOND_NS
"""After so long without another, a picture gives way to a black one. A screen that stands still may send nothing."""
_SLATE_NS: Final = SECOND_NS
_APART_NS: Final = 100 * _MS
_BLACK_KBPS: Final = 100.0
_UNKNOWN_SIZE: Final = (640, 360)

# Opus, RFC 6716, section 3.1: milliseconds of a frame by configuration, in tenths.
_OPUS_TENTHS: Final = (
    *((100, 200, 400, 600) * 3),
    *((100, 200) * 2),
    *((25, 50, 100, 200) * 4),
)
_OPUS_SILENCE: Final = b"\xf8\xff\xfe"  # one frame of 20 ms with nothing in it
_PCM_SILENCE: Final = bytes(320)
_MOST_LEAD_SAMPLES: Final = RATE * 30 // 1000
_LEAST_HOLE_SAMPLES: Final = RATE * 10 // 1000


def opus_duration_ns(packet: bytes) -> int:
    """How much sound an Opus packet holds; 20 ms of one that cannot be read."""
    if not packet:
        return _FRAME_NS
    tenths, code = _OPUS_TENTHS[packet[0] >> 3], packet[0] & 3
    count = (1, 2, 2)[code] if code < 3 else (packet[1] & 63 if len(packet) > 1 else 0)
    return min(tenths * count, 1200) * _MS // 10 or _FRAME_NS


def _linear(law: str) -> bytes:
    """A table: the two bytes of a sample for each byte of G.711."""
    context = av.CodecContext.create(law, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = 8_000, "mono"
    (frame,) = context.decode(av.Packet(bytes(range(256))))
    return frame.to_ndarray().astype("<i2").tobytes()


@dataclass(slots=True)
class FileClock:
    """The time of a file: from where it begins, without its pauses."""

    begin_ns: int | None = None
    cut_ns: int = 0
    paused_at_ns: int | None = None

    def of(self, at_ns: int) -> int | None:
        """Nanoseconds into the file, None for what does not belong there."""
        if self.begin_ns is None or at_ns < self.begin_ns:
            return None
        if self.paused_at_ns is not None and at_ns >= self.paused_at_ns:
            return None
        return at_ns - self.begin_ns - self.cut_ns

    def pause(self, at_ns: int) -> None:
        """Leave out what comes from now on."""
        if self.paused_at_ns is None:
            self.paused_at_ns = at_ns

    def resume(self, at_ns: int) -> None:
        """Go on where the pause began."""
        if self.paused_at_ns is not None:
            since = max(self.paused_at_ns, self.begin_ns or 0)
            self.cut_ns += max(at_ns - since, 0) if self.begin_ns is not None else 0
            self.paused_at_ns = None


class SoundTrack:
    """Sound from one source at a time. What is missing is silence, in the file's own format."""

    def __init__(self, stored: str) -> None:
        self._stored = stored
        self._filler = Filler(_FRAME_NS)
        self._timeline = TrackTimeline()
        self._decoder: AudioDecoder | None = None
        self._table: NDArray[np.int16] | None = None
        if stored in ("pcmu", "pcma"):
            law = "pcm_mulaw" if stored == "pcmu" else "pcm_alaw"
            self._table = np.frombuffer(_linear(law), "<i2")
        self._samples = 0

    def bind(self, codec: str) -> None:
        """Another source begins. Raises UnknownCodec; ValueError if it would have to be encoded anew elsewhere."""
        if self._stored == "aac":
            self._decoder = AudioDecoder(codec)
        elif codec != self._stored:
            raise ValueError(f"{codec} is not {self._stored}")
        self._timeline = TrackTimeline()

    def renew(self) -> None:
        """What comes next does not continue what came."""
        self._timeline = TrackTimeline()

    def place(self, message: Message) -> int:
        """When a frame was captured."""
        return self._timeline.place(message.pts, message.clock_rate, message.time_ns).at_ns

    def write(self, message: Message, at_ns: int, writer: Muxer) -> None:
        """A frame at its place in the file, and silence before it where nothing was."""
        if not message.payload:
            return
        decoded = self._decoder.decode(message.payload) if self._decoder is not None else None
        self._filler.begin(0)
        silence = self._filler.take(at_ns, self._duration(message.payload, decoded))
        if silence is None:
            return
        self._write_silence(silence, writer)
        if self._stored == "aac":
            if decoded is not None:
                self._encode(decoded, at_ns, writer)
            return
        payload = message.payload
        if self._table is not None:
            payload = self._table[np.frombuffer(payload, np.uint8)].tobytes()
        duration_us = self._duration(message.payload, None) // 1000
        writer.write_audio(payload, at_ns // 1000, duration_us)

    def silence_until(self, at_ns: int, writer: Muxer) -> None:
        """Nothing will come for before ``at_ns``."""
        self._filler.begin(0)
        self._write_silence(self._filler.until(at_ns), writer)

    def _duration(self, payload: bytes, decoded: NDArray[np.float32] | None) -> int:
        if decoded is not None:
            return len(decoded) * SECOND_NS // RATE
        if self._table is not None:
            return len(payload) * SECOND_NS // 8_000
        return opus_duration_ns(payload) if self._stored == "opus" else _FRAME_NS

    def _write_silence(self, positions: list[int], writer: Muxer) -> None:
        for at_ns in positions:
            if self._stored == "aac":
                self._encode(np.zeros((RATE // 50, 2), np.float32), at_ns, writer)
            else:
                payload = _PCM_SILENCE if self._table is not None else _OPUS_SILENCE
                writer.write_audio(payload, at_ns // 1000, _FRAME_NS // 1000)

    def _encode(self, samples: NDArray[np.float32], at_ns: int, writer: Muxer) -> None:
        """Samples have no stamps of their own: small holes are filled, and what overlaps is cut."""
        hole = at_ns * RATE // SECOND_NS - self._samples
        if hole >= _LEAST_HOLE_SAMPLES:
            samples = np.concatenate([np.zeros((hole, 2), np.float32), samples])
        elif hole <= -_MOST_LEAD_SAMPLES:
            samples = samples[-hole:]
        if len(samples):
            self._samples += len(samples)
            planes = np.ascontiguousarray(samples.T, np.float32)
            writer.encode_audio(av.AudioFrame.from_ndarray(planes, "fltp", "stereo"))


class PictureTrack:
    """Pictures from one source at a time, each run of them from a key frame on; black where there are none."""

    def __init__(self, codec: str, size: tuple[int, int], ask: Callable[[], None]) -> None:
        """``ask`` the source for a key frame."""
        self.codec = codec
        self._ask = ask
        self._size = size if all(size) else _UNKNOWN_SIZE
        self._timeline = TrackTimeline()
        self._starving = True
        self._asked_ns = 0
        self._active = True
        self._seen_ns: int | None = None  # when the last picture came, None while there is none to be shown
        self._slates: dict[tuple[int, int], bytes] = {}
        self._slate_ns: int | None = None
        self._end_ns = -_SLATE_NS  # in the file: where the last picture begins

    def renew(self) -> None:
        """What comes next does not continue what came, which is shown no longer."""
        self._timeline = TrackTimeline()
        self._starving, self._seen_ns = True, None

    def set_active(self, active: bool) -> None:
        """Muted, the picture is black."""
        if active != self._active:
            self._active, self._starving, self._seen_ns = active, True, None

    def starve(self, now_ns: int) -> None:
        """Nothing can be shown before a key frame."""
        self._starving = True
        self._want_key(now_ns)

    def resized(self, width: int, height: int) -> None:
        """The size of what is shown now."""
        self._size = width, height

    def place(self, message: Message, now_ns: int) -> int | None:
        """When a picture was captured; None if it cannot be shown, as something before it is missing."""
        at_ns = self._timeline.place(message.pts, message.clock_rate, message.time_ns).at_ns
        if message.key_frame:
            self._starving = False
        elif message.after_gap:
            self._starving = True
        if self._starving:
            self._want_key(now_ns)
        if self._starving or not self._active or not message.payload:
            return None
        return at_ns

    def write(self, message: Message, at_ns: int, now_ns: int, writer: Muxer) -> None:
        """A picture at its place in the file."""
        self._seen_ns, self._slate_ns, self._end_ns = now_ns, None, at_ns
        writer.write_video(message.payload, at_ns // 1000, key_frame=message.key_frame)

    def darken(self, at_ns: int, now_ns: int, writer: Muxer) -> None:
        """Show black if nothing else is there, once more from time to time."""
        if self._seen_ns is not None and now_ns - self._seen_ns < STALLED_NS:
            return
        if at_ns < (self._end_ns + _APART_NS if self._slate_ns is None else self._slate_ns + _SLATE_NS):
            return
        self._slate_ns, self._starving, self._seen_ns = at_ns, True, None
        writer.write_video(self.slate(), at_ns // 1000, key_frame=True)
        if self._active:
            self._want_key(now_ns)

    def slate(self) -> bytes:
        """A black picture: a key frame of the track's codec and size."""
        if self._size not in self._slates:
            self._slates[self._size] = _black(self.codec, *self._size)
        return self._slates[self._size]

    def _want_key(self, now_ns: int) -> None:
        if now_ns - self._asked_ns >= ASK_AGAIN_NS:
            self._asked_ns = now_ns
            self._ask()


def _black(codec: str, width: int, height: int) -> bytes:
    output = AddVideoOutput(
        track=0,
        codec=codec,
        profile=None,
        width=width,
        height=height,
        framerate=30,  # players may take the header's word for it
        bitrate_kbps=_BLACK_KBPS,
        key_frame_interval_s=1,
    )
    picture = av.VideoFrame(max(width // 2 * 2, 2), max(height // 2 * 2, 2), "yuv420p")
    for plane, value in zip(picture.planes, (16, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    ((payload, _),) = VideoEncoder(output).encode(picture, 0)
    return payload


FIRST_AUDIO: Final = int(Codec.OPUS)
"""Codecs from this number on are audio's."""
