"""Runs an algorithm on a file, without a server: what it tells, and a file in which that is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np

from palaver.analytics.intake import Pace
from palaver.analytics.pictures import Scaler, shown
from palaver.analytics.plugin import Frame, Observation
from palaver.analytics.running import Running, handler_of
from palaver.analytics.sounds import Converter
from palaver.mixing.encoding import CLOCK_RATE
from palaver.mixing.sound import BLOCK, RATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from palaver.analytics.plugin import Analyzer

_SHOWN_S: Final = 0.6
"""So long what was seen stays drawn, if nothing else is seen."""
_LINES: Final = 6
_BOXED: Final = ("box", "boxes")
_MS: Final = Fraction(1, 1000)


class NotUsable(Exception):
    """The file does not have what the algorithm needs, or cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and the second of the file of which it was told."""

    time: float
    seen: Observation


def run_on_file(analyzer: Analyzer, file: Path, drawn: Path | None = None) -> Iterator[Told]:
    """What a started ``analyzer`` tells of ``file``; ``drawn`` is written on the way. Raises NotUsable."""
    try:
        with av.open(file, "r") as container, Running() as running:
            drawing = _Drawing(drawn) if drawn is not None and container.streams.video else None
            try:
                yield from _Pass(analyzer, container, running, drawing).events()
            finally:
                if drawing is not None:
                    drawing.close()
    except (OSError, av.error.FFmpegError) as error:
        raise NotUsable(f"{file}: {getattr(error, 'strerror', None) or error}") from error


class _Pass:
    """One pass through a file."""

    def __init__(
        self, analyzer: Analyzer, container: InputContainer, running: Running, drawing: _Drawing | None
    ) -> None:
        self._analyzer, self._container, self._running, self._drawing = analyzer, container, running, drawing
        pictures, sound = analyzer.wants_video, analyzer.wants_audio
        missing = [
            name
            for name, wanted, streams in (
                ("pictures", pictures, container.streams.video),
                ("sound", sound, container.streams.audio),
            )
            if wanted is not None and not streams
        ]
        if missing:
            raise NotUsable(
                f"{container.name}: has no {' and no '.join(missing)}, which {analyzer.name} needs"
            )
        self._scaler = Scaler(pictures) if pictures else None
        self._pace = Pace(pictures.fps) if pictures else None
        self._converter = Converter(sound) if sound else None
        self._rate = sound.rate if sound else 0
        self._resampler = av.AudioResampler("flt", "stereo", RATE, BLOCK)
        self._samples = 0

    def events(self) -> Iterator[Told]:
        """See run_on_file."""
        wanted = [
            *(self._container.streams.video[:1] if self._scaler or self._drawing else ()),
            *(self._container.streams.audio[:1] if self._converter else ()),
        ]
        for one in wanted:
            one.codec_context.thread_count = 1
        for frame in self._container.decode(*wanted):
            if isinstance(frame, av.VideoFrame):
                yield from self._see(frame)
            elif isinstance(frame, av.AudioFrame):
                for block in self._resampler.resample(frame):
                    yield from self._hear(block)

    def _see(self, picture: av.VideoFrame) -> Iterator[Told]:
        time = float(picture.time or 0.0)
        shown_now: Frame | None = None
        if self._scaler is not None and self._pace is not None and self._pace.due(round(time * CLOCK_RATE)):
            frame = self._scaler.frame(picture, time)
            for result in self._running.results(handler_of(self._analyzer, "video"), frame):
                if isinstance(result, Observation):
                    yield self._told(time, result)
                else:
                    shown_now = result
        if self._drawing is not None:
            self._drawing.draw(picture, shown_now, time)

    def _hear(self, block: av.AudioFrame) -> Iterator[Told]:
        assert self._converter is not None
        time = self._samples / RATE
        self._samples += block.samples
        samples = self._converter.converted(np.asarray(block.to_ndarray(), np.float32).reshape(-1, 2))
        frame = Frame(samples, time, rate=self._rate)
        for result in self._running.results(handler_of(self._analyzer, "audio"), frame):
            if isinstance(result, Observation):
                yield self._told(time, result)

    def _told(self, time: float, seen: Observation) -> Told:
        if self._drawing is not None:
            self._drawing.note(time, seen)
        return Told(time, seen)


@dataclass(slots=True)
class _Drawing:
    """A file of H264 in which boxes and words are drawn over the pictures."""

    path: Path
    _container: OutputContainer | None = None
    _stream: VideoStream | None = None
    _words: list[tuple[float, str]] = field(default_factory=list)
    _boxes: tuple[float, list[list[float]]] = (float("-inf"), [])
    _base: NDArray[np.uint8] | None = None

    def note(self, time: float, seen: Observation) -> None:
        """Draw this from now on, for a while."""
        rest = {name: value for name, value in seen.data.items() if name not in _BOXED}
        words = " ".join([seen.name, *(f"{name}={value}" for name, value in rest.items())])
        self._words = [*self._words[1 - _LINES :], (time, words[:80])]
        found: Any = seen.data.get("boxes", [seen.data["box"]] if "box" in seen.data else None)
        if found is not None:
            self._boxes = (time, [one for one in found if isinstance(one, list) and len(one) == 4])

    def draw(self, picture: av.VideoFrame, instead: Frame | None, time: float) -> None:
        """Write a picture, or what the algorithm shows ``instead`` of this and of those that follow."""
        import cv2

        width, height = picture.width // 2 * 2, picture.height // 2 * 2
        if instead is not None:
            made = shown(instead.array, instead.planes).reformat(width, height, "bgr24")
            self._base = np.asarray(made.to_ndarray(), np.uint8)
        own = picture.reformat(width, height, "bgr24") if self._base is None else None
        canvas = np.array(own.to_ndarray() if own is not None else self._base, np.uint8)
        if time - self._boxes[0] <= _SHOWN_S:
            for left, top, wide, high in self._boxes[1]:
                first = (round(left * width), round(top * height))
                last = (round((left + wide) * width), round((top + high) * height))
                cv2.rectangle(canvas, first, last, (80, 220, 40), 2)
        self._words = [one for one in self._words if time - one[0] <= _SHOWN_S]
        for line, (_, words) in enumerate(self._words, 1):
            at = (8, round(22 * line))
            cv2.putText(canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 4, cv2.LINE_AA)
            cv2.putText(canvas, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
        self._write(canvas, picture, time)

    def _write(self, canvas: NDArray[Any], picture: av.VideoFrame, time: float) -> None:
        if self._container is None or self._stream is None:
            self._container = av.open(self.path, "w")
            self._stream = self._container.add_stream("libx264", rate=30)
            self._stream.width, self._stream.height = canvas.shape[1], canvas.shape[0]
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = _MS
            self._stream.codec_context.thread_count = 1
        if canvas.shape[:2] != (self._stream.height, self._stream.width):
            return  # the size changed in the middle: what is drawn has one size
        frame = av.VideoFrame.from_ndarray(canvas.astype(np.uint8), format="bgr24")
        frame.pts, frame.time_base = round(time * 1000), _MS
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Complete the file."""
        if self._container is not None and self._stream is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
