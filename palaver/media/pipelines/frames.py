"""A pipeline's end of the socket on which it exchanges encoded frames with the packet core.

The form of the messages is in ``docs/protocol/frames.md``.
"""

from __future__ import annotations

import select
import struct
import threading
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

HEADER: Final = struct.Struct("<IBBBBIIqq")
"""length, type, codec, flags, level, track, clock rate, pts, time."""
MAX_PAYLOAD: Final = 4 * 1024 * 1024
MANY: Final = 0xFFFF_FFFF
"""In place of a track number: the payload begins with the numbers of several."""
UNKNOWN_LEVEL: Final = 255
SILENCE: Final = 127

_BUFFER: Final = 1 << 20
_LEAST_SPACE: Final = 1 << 16


class FrameError(Exception):
    """The other side does not keep to the form: nothing after it can be read."""


class Type(IntEnum):
    """What a message is."""

    FRAME = 1
    KEY_FRAME_WANTED = 2
    END = 3
    UNWANTED = 4


_TYPES: Final = {one.value: one for one in Type}


class Codec(IntEnum):
    """Codecs by number; names in lower case are OWT's."""

    VP8 = 1
    VP9 = 2
    H264 = 3
    H265 = 4
    AV1 = 5
    OPUS = 16
    PCMU = 17
    PCMA = 18
    G722 = 19
    AAC = 20


class Flag(IntFlag):
    """What is to be known of a frame besides its numbers."""

    KEY_FRAME = 1
    GAP = 2
    VOICE = 4


_KEY_FRAME: Final = int(Flag.KEY_FRAME)  # an IntFlag's own operators cost a microsecond, and frames are many
_GAP: Final = int(Flag.GAP)


class Message(NamedTuple):
    """One message. ``pts`` counts ticks of ``clock_rate`` (Hz); ``time_ns`` is CLOCK_MONOTONIC, 0 unknown."""

    type: Type
    codec: int
    flags: int
    level: int
    track: int
    clock_rate: int
    pts: int
    time_ns: int
    payload: bytes

    @property
    def key_frame(self) -> bool:
        """Whether a decoder can begin here."""
        return bool(self.flags & _KEY_FRAME)

    @property
    def after_gap(self) -> bool:
        """Whether frames before this one are missing."""
        return bool(self.flags & _GAP)


class Parser:
    """Cuts a byte stream into messages without copying it twice."""

    def __init__(self, size: int = _BUFFER) -> None:
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._read = self._written = 0

    def space(self) -> memoryview:
        """Where the next bytes go; tell :meth:`written` how many."""
        if len(self._buffer) - self._written < _LEAST_SPACE:
            self._make_room()
        return self._view[self._written :]

    def _make_room(self) -> None:
        """Move the one unfinished message to the front, and grow if that is not enough."""
        left = self._view[self._read : self._written]
        target = self._buffer
        if len(left) + _LEAST_SPACE > len(target):
            target = bytearray(len(target) * 2)
        target[: len(left)] = bytes(left)
        self._read, self._written = 0, len(left)
        self._buffer, self._view = target, memoryview(target)

    def written(self, count: int) -> Iterator[Message]:
        """The messages that ``count`` more bytes complete. Raises FrameError."""
        self._written += count
        while self._written - self._read >= HEADER.size:
            length, kind, codec, flags, level, track, rate, pts, time_ns = HEADER.unpack_from(
                self._view, self._read
            )
            if length > MAX_PAYLOAD or kind not in _TYPES:
                raise FrameError(f"a message of type {kind} and {length} bytes")
            start = self._read + HEADER.size
            if self._written < start + length:
                return
            self._read = start + length
            payload = bytes(self._view[start : self._read])
            yield Message(_TYPES[kind], codec, flags, level, track, rate, pts, time_ns, payload)
        if self._read == self._written:
            self._read = self._written = 0


class FrameSocket:
    """Blocking ends of the socket: one thread receives, any thread sends."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._socket = connected
        self._parser = Parser()
        self._lock = threading.Lock()

    def wait(self, within_s: float) -> bool:
        """Whether something has come, or the core has closed, after so long at most."""
        return bool(select.select([self._socket], [], [], within_s)[0])

    def receive(self) -> list[Message]:
        """The next messages, at least one; none when the core has closed. Raises FrameError."""
        while True:
            try:
                count = self._socket.recv_into(self._parser.space())
            except OSError:  # a killed peer resets instead of closing
                return []
            if count == 0:
                return []
            if messages := list(self._parser.written(count)):
                return messages

    def send(
        self,
        track: int,
        codec: Codec,
        pts: int,
        clock_rate: int,
        payload: bytes,
        *,
        key_frame: bool = True,
        time_ns: int = 0,
        level: int = UNKNOWN_LEVEL,
    ) -> None:
        """Write a frame of an output. Raises OSError when the core is gone."""
        flags = Flag.KEY_FRAME if key_frame else 0
        header = HEADER.pack(len(payload), Type.FRAME, codec, flags, level, track, clock_rate, pts, time_ns)
        self._write(header + payload)

    def send_to_many(
        self, tracks: Sequence[int], codec: Codec, pts: int, clock_rate: int, payload: bytes
    ) -> None:
        """Write one audio frame for several outputs. Raises OSError when the core is gone."""
        if len(tracks) == 1:
            self.send(tracks[0], codec, pts, clock_rate, payload)
        elif tracks:
            listed = struct.pack(f"<H{len(tracks)}I", len(tracks), *tracks)
            self.send(MANY, codec, pts, clock_rate, listed + payload)

    def want_key_frame(self, track: int) -> None:
        """Ask for a key frame of a tap. Raises OSError when the core is gone."""
        self._write(HEADER.pack(0, Type.KEY_FRAME_WANTED, 0, 0, UNKNOWN_LEVEL, track, 0, 0, 0))

    def close(self) -> None:
        """Give up the socket."""
        self._socket.close()

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._socket.sendall(data)
