"""The tracks of a pulled stream: packets as the core forwards them, or encoded anew where that cannot be."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

import av
from av.bitstream import BitStreamFilterContext

from palaver.media.pipelines.frames import Codec
from palaver.streaming.control import FoundAudio, FoundVideo
from palaver.streaming.pictures import ParameterSets, Reordering, avcc_sets
from palaver.streaming.sounds import RATE, OpusMaker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    from av.audio.stream import AudioStream
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

    Packet: TypeAlias = av.Packet[Any]

VIDEO_CLOCK: Final = 90_000
SECOND_NS: Final = 1_000_000_000
MOST_PIXELS: Final = 3840 * 2160
"""A picture with more is not decoded."""
_PASSED: Final = {
    "h264": Codec.H264, "hevc": Codec.H265, "vp8": Codec.VP8, "vp9": Codec.VP9, "av1": Codec.AV1,
}  # fmt: skip
_WORDS: Final = {"hevc": "h265"}
_PASSED_SOUND: Final = {
    "opus": (Codec.OPUS, "opus", RATE, None), "pcm_mulaw": (Codec.PCMU, "pcmu", 8_000, 8_000),
    "pcm_alaw": (Codec.PCMA, "pcma", 8_000, 8_000), "adpcm_g722": (Codec.G722, "g722", 8_000, 16_000),
}  # fmt: skip
"""By FFmpeg's name: ours, OWT's word, the RTP clock rate, and the sample rate that RTP has for it."""


class Sent(NamedTuple):
    """A frame for the core. ``at_ns``: CLOCK_MONOTONIC."""

    codec: Codec
    clock_rate: int
    at_ns: int
    payload: bytes
    key: bool


class Picture:
    """The video track. Its pictures are encoded anew if their codec cannot be forwarded, or they come in another order
    than they are shown in; then only while somebody wants them.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._name = stream.codec_context.name
        self._codec = _PASSED.get(self._name)
        self.reordering = Reordering()
        self._sets: ParameterSets | None = None
        self._filter: BitStreamFilterContext | None = None
        self._decoder: VideoCodecContext | None = None
        self._encoder: VideoCodecContext | None = None
        self._key_wanted = True
        self.wanted = False
        self._broken = self._codec is None  # the decoder needs a key frame
        if self._name in ("h264", "hevc"):
            described = stream.codec_context.extradata or b""
            if described[:1] == b"\x01":
                self._filter = BitStreamFilterContext(f"{self._name}_mp4toannexb", stream)
                described = avcc_sets(described) if self._name == "h264" else b""
            self._sets = ParameterSets(_WORDS.get(self._name, self._name), described)

    @property
    def description(self) -> bytes:
        """What tells this stream from another of the same source."""
        context = self._stream.codec_context
        return bytes(context.extradata or b"") or f"{self._name} {context.width}x{context.height}".encode()

    @property
    def transcoded(self) -> bool:
        """Whether pictures are decoded and encoded anew."""
        return self._codec is None or self.reordering.seen

    @property
    def found(self) -> FoundVideo:
        """What it is when it leaves."""
        context = self._stream.codec_context
        rate = self._stream.average_rate or self._stream.guessed_rate or Fraction(0)
        return FoundVideo(
            codec="h264" if self.transcoded else _WORDS.get(self._name, self._name),
            profile="CB" if self.transcoded else (self._sets.profile if self._sets else None),
            width=context.width or 0,
            height=context.height or 0,
            framerate=float(rate) if rate < 1000 else 0.0,
        )

    def want_key_frame(self) -> None:
        """Somebody begins to watch. What is passed on as it comes has key frames when its maker likes."""
        self.wanted = self._key_wanted = True

    def take(self, packet: Packet, at_ns: int) -> Iterator[Sent]:
        """What goes on of a packet whose picture is shown at ``at_ns``. Raises av.error.FFmpegError."""
        if self.transcoded:
            yield from self._encode_anew(packet, at_ns)
            return
        for part in self._filter.filter(packet) if self._filter is not None else (packet,):
            payload, key = bytes(part), part.is_keyframe
            if self._sets is not None:
                payload, key = self._sets.complete(payload)
            if payload:
                assert self._codec is not None
                yield Sent(self._codec, VIDEO_CLOCK, at_ns, payload, key)

    def _encode_anew(self, packet: Packet, at_ns: int) -> Iterator[Sent]:
        if not self.wanted:
            self._broken = True
            return
        if self._broken and not packet.is_keyframe:
            return
        self._broken = False
        if self._decoder is None:
            self._decoder = _decoder(self._stream.codec_context)
            self._broken = True  # it needs a key frame
            if not packet.is_keyframe:
                return
            self._broken = False
        shown_ns = (
            None if packet.pts is None or packet.time_base is None else _ns(packet.pts, packet.time_base)
        )
        for frame in self._decoder.decode(packet):
            if frame.width * frame.height > MOST_PIXELS:
                continue
            own_ns = _ns(frame.pts, frame.time_base) if frame.pts is not None and frame.time_base else None
            moved = own_ns - shown_ns if own_ns is not None and shown_ns is not None else 0
            yield from self._encode(frame, at_ns + moved)

    def _encode(self, frame: av.VideoFrame, at_ns: int) -> Iterator[Sent]:
        width, height = frame.width // 2 * 2, frame.height // 2 * 2
        encoder = self._encoder
        if encoder is None or (encoder.width, encoder.height) != (width, height):
            encoder = self._encoder = _x264(width, height)
        picture = frame.reformat(width, height, "yuv420p", threads=1)
        picture.pts = at_ns // 1000
        picture.time_base = Fraction(1, 1_000_000)
        picture.pict_type = (
            av.video.frame.PictureType.I if self._key_wanted else av.video.frame.PictureType.NONE
        )
        self._key_wanted = False
        for packet in encoder.encode(picture):
            pts = packet.pts if packet.pts is not None else picture.pts
            yield Sent(Codec.H264, VIDEO_CLOCK, pts * 1000, bytes(packet), packet.is_keyframe)


def _decoder(described: VideoCodecContext) -> VideoCodecContext:
    """A decoder of our own: that of the demuxer has begun, with as many threads as there are processors."""
    decoder = av.CodecContext.create(described.name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = described.extradata
    decoder.thread_count = 1
    return decoder


def _x264(width: int, height: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 1_000_000), Fraction(30)
    encoder.bit_rate = max(min(width * height * 3, 6_000_000), 300_000)
    encoder.thread_count = 1
    encoder.options = {
        "preset": "veryfast", "tune": "zerolatency", "profile": "baseline", "g": "300", "sc_threshold": "0",
        "forced-idr": "1",
    }  # fmt: skip
    return encoder


class Sound:
    """The audio track: passed on where RTP has it as it is, else made into Opus."""

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        context = stream.codec_context
        passed = _PASSED_SOUND.get(context.name)
        if passed is not None and passed[3] not in (None, context.sample_rate):
            passed = None
        if passed is not None and passed[3] is not None and context.channels != 1:
            passed = None
        self._passed = passed
        self._maker = OpusMaker(context.channels) if passed is None else None

    @property
    def found(self) -> FoundAudio:
        """What it is when it leaves."""
        if self._passed is not None:
            _, word, _, rate = self._passed
            return FoundAudio(codec=word, sample_rate=rate or RATE, channels=2 if rate is None else 1)
        assert self._maker is not None
        return FoundAudio(codec="opus", sample_rate=RATE, channels=2)

    def take(self, packet: Packet, at_ns: int) -> Iterator[Sent]:
        """What goes on of a packet whose first sample is heard at ``at_ns``. Raises av.error.FFmpegError."""
        if self._passed is not None:
            codec, _, clock_rate, _ = self._passed
            yield Sent(codec, clock_rate, at_ns, bytes(packet), True)
            return
        assert self._maker is not None
        place = at_ns * RATE // SECOND_NS
        for frame in self._stream.codec_context.decode(packet):
            samples = frame.samples * RATE // (frame.sample_rate or RATE)
            for begin, payload in self._maker.take(frame, place):
                yield Sent(Codec.OPUS, RATE, begin * SECOND_NS // RATE, payload, True)
            place += samples


def _ns(stamp: int, time_base: Fraction) -> int:
    return stamp * time_base.numerator * SECOND_NS // time_base.denominator
