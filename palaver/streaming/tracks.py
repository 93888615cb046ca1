"""The tracks of a pulled stream: packets as the core forwards them, or encoded anew where that cannot be."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

import av
from av.bitstream import BitStreamFilterContext

from palaver.media.pipelines.frames import Codec
from palaver.mixing.control import AddVideoOutput
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.streaming.control import VIDEO_TRACK, FoundAudio, FoundVideo
from palaver.streaming.pictures import ParameterSets, Reordering, avcc_sets
from palaver.streaming.sounds import RATE, OpusMaker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    from av.audio.stream import AudioStream
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

    Packet: TypeAlias = av.Packet[Any]

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
        self._encoder: VideoEncoder | None = None
        self._encoded_size = (0, 0)
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
                yield Sent(self._codec, CLOCK_RATE, at_ns, payload, key)

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
        size = (frame.width, frame.height)
        if self._encoder is None or self._encoded_size != size:
            self._encoder, self._encoded_size = VideoEncoder(_output(*size)), size
        if self._key_wanted:
            self._encoder.want_key_frame()
            self._key_wanted = False
        pts = at_ns * CLOCK_RATE // SECOND_NS
        for payload, key in self._encoder.encode(frame, pts):
            yield Sent(Codec.H264, CLOCK_RATE, at_ns, payload, key)


def _decoder(described: VideoCodecContext) -> VideoCodecContext:
    """A decoder of our own: that of the demuxer has begun, with as many threads as there are processors."""
    decoder = av.CodecContext.create(described.name, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = described.extradata
    decoder.thread_count = 1
    return decoder


def _output(width: int, height: int) -> AddVideoOutput:
    """What a picture of this size is encoded as."""
    return AddVideoOutput(
        track=VIDEO_TRACK,
        codec="h264",
        profile="CB",
        width=width // 2 * 2,
        height=height // 2 * 2,
        framerate=30.0,
        bitrate_kbps=max(min(width * height * 3, 6_000_000), 300_000) / 1000,
        key_frame_interval_s=10.0,
    )


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
