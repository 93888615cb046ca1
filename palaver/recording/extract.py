"""A process that takes something out of a recorded file: it reads what strangers sent, so it may do nothing else.

``python -m palaver.recording.extract cut mkv 2.5 10`` or ``… thumbnail 1``: the file is its standard input, what is
taken out its standard output. It fails with a sentence on its standard error.
"""

from __future__ import annotations

import contextlib
import io
import sys
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from palaver.media.pipelines.confinement import DECODES, USUAL, confine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer

    from palaver.recording.formats import Container

_THUMBNAIL_WIDTH: Final = 320
_INTERLEAVED_S: Final = 1.0
"""So much later than others the packets of a track may be written."""
FAILED: Final = 3
"""The exit code where the reason is on the standard error."""


class Unusable(Exception):
    """What is asked for is not in the file; the text says why."""


def cut(source: BinaryIO, target: BinaryIO, container: Container, start_s: float, end_s: float) -> None:
    """What ``source`` has from the last key frame before ``start_s`` until ``end_s``, without encoding anew.

    Raises Unusable, OSError, ValueError.
    """
    import av  # not before the process is confined

    from palaver.recording.container import muxer

    name, options = muxer(container)
    with (
        av.open(source, "r") as taken,
        av.open(_Unseekable(target), "w", format=name, options=options) as made,
    ):
        begin_s = _go_to(taken, start_s)
        streams = {one.index: made.add_stream_from_template(cast("Any", one)) for one in taken.streams}
        written = 0
        for packet, seconds in _packets(taken):
            if seconds > end_s + _INTERLEAVED_S:
                break
            if not begin_s <= seconds < end_s:
                continue
            shift = round((begin_s + _origin(taken)) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = streams[packet.stream.index]
            made.mux(packet)
            written += 1
        if not written:
            raise Unusable("the file has nothing there")


def thumbnail(source: BinaryIO, target: BinaryIO, at_s: float) -> None:
    """The picture that is seen at ``at_s``, or the last before, as a small JPEG. Raises as ``cut``."""
    import av  # as above

    with av.open(source, "r") as taken:
        if not taken.streams.video:
            raise Unusable("the file has no picture")
        begin_s = _go_to(taken, at_s)
        picture = None
        for packet, seconds in _packets(taken, taken.streams.video[0]):
            if seconds < begin_s:
                continue
            if picture is not None and seconds > at_s:
                break
            for frame in packet.decode():
                picture = frame
        if picture is None:
            raise Unusable("the file has no picture yet")
        width = min(_THUMBNAIL_WIDTH, picture.width) // 2 * 2
        height = max(picture.height * width // picture.width // 2 * 2, 2)
        small = picture.reformat(width, height, "yuvj420p", threads=1)
        encoder = cast("Any", av.CodecContext.create("mjpeg", "w"))
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
        encoder.time_base = Fraction(1, 25)
        small.pts = 0
        for encoded in [*encoder.encode(small), *encoder.encode(None)]:
            target.write(bytes(encoded))


def _go_to(taken: InputContainer, start_s: float) -> float:
    """Let reading go on at the last key frame that is not after ``start_s``; its time."""
    import av  # as above

    if not taken.streams.video:
        return start_s
    video = taken.streams.video[0]
    for target_s in (start_s, None):
        with contextlib.suppress(av.FFmpegError):  # no index: from the beginning
            taken.seek(round((target_s + float(_origin(taken))) * 1_000_000) if target_s is not None else 0)
        found = None
        for packet, seconds in _packets(taken, video):
            if seconds > start_s and found is not None:
                break
            if packet.is_keyframe and (seconds <= start_s or target_s is None):
                found = seconds
            elif seconds > start_s and target_s is not None:
                break
        if found is not None:
            with contextlib.suppress(av.FFmpegError):
                taken.seek(round((found + float(_origin(taken))) * 1_000_000) if target_s is not None else 0)
            return found
    raise Unusable("the file has no picture yet")


def _packets(taken: InputContainer, *streams: Any) -> Iterator[tuple[Any, float]]:
    """Packets, each with its seconds since the beginning of the file."""
    for packet in taken.demux(*streams):
        if packet.pts is not None and packet.dts is not None and packet.time_base is not None:
            yield packet, float(packet.pts * packet.time_base - _origin(taken))


def _origin(taken: InputContainer) -> Fraction:
    """The stamp, in seconds, with which the file begins: transport streams do not begin at zero."""
    return Fraction(taken.start_time or 0, 1_000_000)


class _Unseekable(io.RawIOBase):
    """A pipe, which the muxer must not take for a file."""

    def __init__(self, target: BinaryIO) -> None:
        super().__init__()
        self._target = target
        self.name = "pipe"

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._target.write(cast("bytes", data))


def main(arguments: list[str]) -> int:
    """Do one thing, confined; the exit code."""
    confine(DECODES, USUAL)
    import av  # as above

    av.logging.set_level(None)
    source, target = io.FileIO(0, closefd=False), sys.stdout.buffer
    try:
        match arguments:
            case ["cut", container, start, end]:
                cut(cast("BinaryIO", source), target, cast("Container", container), float(start), float(end))
            case ["thumbnail", at]:
                thumbnail(cast("BinaryIO", source), target, float(at))
            case _:
                raise Unusable("expected cut or thumbnail")
        target.flush()
    except (Unusable, OSError, ValueError) as error:
        sys.stderr.write(str(error))
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
