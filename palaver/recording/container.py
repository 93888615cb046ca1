"""Encoded frames → a file that is playable whenever the process, the machine or the disk gives up.

Fragments of half a second are written as they are complete, and synced to the disk about once a second.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Final, cast

import av

from palaver.muxing.muxer import Muxer
from palaver.recording.formats import Container, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from palaver.muxing.muxer import VideoForm

_INTERLEAVE_US: Final = "200000"
"""So long the muxer waits for frames of the other track before it goes on with one."""

_FRAGMENTED: Final = {"movflags": "empty_moov+default_base_moof+frag_keyframe", "frag_duration": "500000"}
_CLUSTERS: Final = {"cluster_time_limit": "500"}
_MUXERS: Final[Mapping[Container, tuple[str, dict[str, str]]]] = {
    "mkv": ("matroska", _CLUSTERS),
    "mka": ("matroska", _CLUSTERS),
    "mp4": ("mp4", _FRAGMENTED),
    "m4a": ("mp4", _FRAGMENTED),
    "ts": ("mpegts", {}),
    "ogg": ("ogg", {"page_duration": "500000"}),
}


def muxer(container: Container) -> tuple[str, dict[str, str]]:
    """FFmpeg's name of what writes ``container``, and its options."""
    name, options = _MUXERS[container]
    return name, {**options, "flush_packets": "1", "max_interleave_delta": _INTERLEAVE_US}


class PartFile(io.RawIOBase):
    """The file of one part: unbuffered, its size known, synced on demand from any thread."""

    def __init__(self, path: Path) -> None:
        """Raises OSError; FileExistsError if the file is there: nothing is ever overwritten."""
        super().__init__()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        _sync_directory(path.parent)
        self.name = str(path)
        self.size = 0
        self._at = 0

    def writable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def write(self, data: object) -> int:
        """All of ``data``. Raises OSError."""
        view = memoryview(cast("bytes", data)).cast("B")
        done = 0
        while done < len(view):
            done += os.write(self._fd, view[done:])
        self._at += done
        self.size = max(self.size, self._at)
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See io.RawIOBase."""
        self._at = os.lseek(self._fd, offset, whence)
        return self._at

    def tell(self) -> int:
        """See io.RawIOBase."""
        return self._at

    def sync(self) -> None:
        """Let what was written survive a loss of power."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """See io.RawIOBase."""
        if not self.closed:
            os.close(self._fd)
        super().close()


def _sync_directory(directory: Path) -> None:
    """Let the name of a new file survive a loss of power, as what is written to it does."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Writer(Muxer):
    """One part of a recording."""

    def __init__(
        self, file: PartFile, container: Container, audio: str | None, video: VideoForm | None
    ) -> None:
        """Raises ValueError for what ``container`` does not hold."""
        if refused := refusal(container, audio, video.codec if video else None):
            raise ValueError(refused[1])
        name, options = muxer(container)
        self._file = file
        super().__init__(av.open(file, "w", format=name, options=options), audio, video, holds=name == "mp4")

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.size

    def close(self) -> None:
        """Finish the file. Raises OSError if that cannot be; what was written before stays playable."""
        try:
            self.finish()
            self._file.sync()
        finally:
            self._file.close()
