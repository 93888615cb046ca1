"""Encoded frames → a muxer of FFmpeg, each track in ascending order, AAC encoded on the way."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Final, cast

import av
from av.error import FFmpegError

if TYPE_CHECKING:
    from av.container import OutputContainer

MICRO: Final = Fraction(1, 1_000_000)
_STEP_US: Final = 1000
"""Frames of one track are apart by this at least: Matroska and FLV count milliseconds."""
# How FFmpeg reads a bare key frame of a codec that has parameter sets, which the container's header repeats.
_WITH_PARAMETERS: Final = {"h264": "h264", "h265": "hevc", "av1": "obu"}
_TEMPORAL_DELIMITER: Final = b"\x12\x00"
_DECODERS: Final = {"vp8": "vp8", "vp9": "vp9"}
_AUDIO: Final = {
    "opus": ("libopus", 48_000, "stereo"),
    "aac": ("aac", 48_000, "stereo"),
    "pcmu": ("pcm_s16le", 8_000, "mono"),
    "pcma": ("pcm_s16le", 8_000, "mono"),
}
_AAC_BPS: Final = 128_000


class Unreadable(Exception):
    """A key frame that does not tell what a decoder needs."""


class VideoForm:
    """What a container's header says of a picture, read from its first key frame."""

    def __init__(self, codec: str, key_frame: bytes) -> None:
        """Raises Unreadable."""
        self.codec = codec
        self.template: av.VideoStream | None = None
        try:
            if codec in _WITH_PARAMETERS:
                self._read(key_frame)
            else:
                self._decode(key_frame)
        except (FFmpegError, EOFError, ValueError, IndexError) as error:
            raise Unreadable(f"the first key frame of {codec} cannot be read: {error}") from error
        if not self.width or not self.height:
            raise Unreadable(f"the first key frame of {codec} has no size")

    def _read(self, key_frame: bytes) -> None:
        delimiter = _TEMPORAL_DELIMITER if self.codec == "av1" else b""
        # Kept: a stream is of no use without what it was read from.
        self._source = av.open(io.BytesIO(delimiter + key_frame), format=_WITH_PARAMETERS[self.codec])
        self.template = self._source.streams.video[0]
        self.width, self.height = self.template.width, self.template.height

    def _decode(self, key_frame: bytes) -> None:
        context = av.CodecContext.create(_DECODERS[self.codec], "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1
        pictures = [*context.decode(av.Packet(key_frame)), *context.decode(None)]
        self.width, self.height = pictures[0].width, pictures[0].height


class Muxer:
    """One file or connection. Times are microseconds from its beginning, in ascending order of each track but for
    what is fixed here.

    AAC is encoded here, since its header and its frames must come from one encoder; all else comes encoded.
    """

    def __init__(
        self, output: OutputContainer, audio: str | None, video: VideoForm | None, *, holds: bool = False
    ) -> None:
        """``holds``: the muxer says how long a picture is shown, which the next one tells: each waits for it."""
        self._output = output
        self._video = self._video_stream(video) if video is not None else None
        self._audio = self._audio_stream(audio) if audio is not None else None
        self._aac = self._audio if audio == "aac" else None
        self._last: dict[int, int] = {}
        self._holds = holds
        self._held: av.Packet[av.VideoStream] | None = None
        self._samples = 0
        self.end_us = 0
        """Where the longest track ends so far."""

    def _video_stream(self, form: VideoForm) -> av.VideoStream:
        if form.template is not None:
            stream = self._output.add_stream_from_template(form.template, opaque=True)
        else:
            stream = cast(
                "av.VideoStream",
                self._output.add_mux_stream(form.codec, width=form.width, height=form.height),
            )
        stream.time_base = MICRO
        return stream

    def _audio_stream(self, codec: str) -> av.AudioStream:
        encoder, rate, layout = _AUDIO[codec]
        stream = cast("av.AudioStream", self._output.add_stream(encoder, rate=rate))
        stream.layout = layout
        if codec == "aac":
            stream.bit_rate = _AAC_BPS
        return stream

    def write_video(self, payload: bytes, at_us: int, *, key_frame: bool) -> None:
        """A picture. Raises OSError."""
        assert self._video is not None
        self._write(self._video, payload, at_us, 0, key_frame=key_frame)

    def write_audio(self, payload: bytes, at_us: int, duration_us: int) -> None:
        """A frame of sound. Raises OSError."""
        assert self._audio is not None
        self._write(self._audio, payload, at_us, duration_us, key_frame=True)

    def encode_audio(self, samples: av.AudioFrame) -> None:
        """Sound that follows what was encoded before: float planes, 48 kHz, stereo; of any length. Raises OSError."""
        assert self._aac is not None
        samples.pts, samples.time_base, samples.sample_rate = self._samples, Fraction(1, 48_000), 48_000
        self._samples += samples.samples
        self._mux_encoded(samples)

    def _mux_encoded(self, samples: av.AudioFrame | None) -> None:
        assert self._aac is not None
        for packet in self._aac.encode(samples):
            if packet.pts is not None and packet.pts >= 0:  # before that is the encoder's run-up: silence
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self.end_us = max(self.end_us, int(end / MICRO))
                self._output.mux(packet)

    def _write(
        self,
        stream: av.VideoStream | av.AudioStream,
        payload: bytes,
        at_us: int,
        duration_us: int,
        *,
        key_frame: bool,
    ) -> None:
        packet = av.Packet(payload)
        at_us = max(at_us, self._last.get(stream.index, -_STEP_US) + _STEP_US)
        self._last[stream.index] = at_us
        self.end_us = max(self.end_us, at_us + duration_us)
        packet.stream, packet.time_base = stream, MICRO
        packet.pts = packet.dts = at_us
        packet.is_keyframe = key_frame
        if duration_us:
            packet.duration = duration_us
        if self._holds and stream is self._video:
            self._mux_held(at_us)
            self._held = packet  # type: ignore[assignment]  # a packet of the video stream, as was just seen
        else:
            self._output.mux(packet)

    def _mux_held(self, until_us: int | None = None) -> None:
        if self._held is not None:
            if until_us is not None:
                self._held.duration = until_us - (self._held.pts or 0)
            self._output.mux(self._held)
            self._held = None

    def finish(self) -> None:
        """Write what waits, and the end. Raises OSError."""
        if self._aac is not None and self._samples:
            self._mux_encoded(None)
        self._mux_held()
        self._output.close()
