"""What a node and a pipeline say to each other: length-prefixed msgpack over a socket of its own."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE: Final = 1 << 20
_LENGTH: Final = struct.Struct("<I")

Track = Annotated[int, Meta(ge=0, lt=0xFFFF_FFFF)]
"""The number of a tap or output, as in ``docs/protocol/frames.md``."""
Size = Annotated[int, Meta(ge=2, le=16384)]
"""Pixels."""


class ControlError(Exception):
    """The other side does not keep to the form."""


class _Said(Struct, tag=True, kw_only=True):
    """What all messages share: the class's name tells what it is."""


# ── shapes within messages ──────────────────────────────────────────────────────────────────────────


class Area(Struct, frozen=True):
    """A place in a picture, in parts of its width and height."""

    left: float
    top: float
    width: float
    height: float


class Tile(Struct, frozen=True):
    """A place in a view, and the video input shown there, if any."""

    area: Area
    input: Track | None = None


# ── commands: from the node ─────────────────────────────────────────────────────────────────────────


class AddVideoInput(_Said):
    """Frames of a tap come from now on. ``name`` is shown when its picture stops."""

    track: Track
    codec: str
    name: str


class AddAudioInput(_Said):
    """Frames of a tap come from now on."""

    track: Track
    codec: str


class RemoveInput(_Said):
    """Forget a tap; an unknown one is no error."""

    track: Track


class SetInputActive(_Said):
    """A muted video input shows its name; a muted audio input is not heard."""

    track: Track
    active: bool


class Compose(_Said):
    """How the view looks from now on. Colours are 0 to 255; ``framerate`` is pictures per second."""

    width: Size
    height: Size
    framerate: float
    background: tuple[int, int, int]
    crop: bool
    tiles: tuple[Tile, ...]


class AddVideoOutput(_Said):
    """Encode the view in this form. ``key_frame_interval_s`` is the longest time between key frames.

    A width and height of 0 follow the input: for a stream that is only transcoded.
    """

    track: Track
    codec: str
    profile: str | None
    width: Annotated[int, Meta(ge=0, le=16384)]
    height: Annotated[int, Meta(ge=0, le=16384)]
    framerate: float
    bitrate_kbps: float
    key_frame_interval_s: float


class AddAudioOutput(_Said):
    """Encode what is heard, ``without`` these inputs: a listener does not hear itself."""

    track: Track
    codec: str
    sample_rate: int
    channels: Annotated[int, Meta(ge=1, le=2)]
    without: tuple[Track, ...]


class RemoveOutput(_Said):
    """Stop encoding; an unknown one is no error."""

    track: Track


class Stop(_Said):
    """Finish and exit."""


# ── reports: from the pipeline ──────────────────────────────────────────────────────────────────────


class Ready(_Said):
    """The pipeline takes commands."""


class Alive(_Said):
    """Said every second: the pipeline runs, and what it counted since its start."""

    counters: dict[str, float]


class Speaking(_Said):
    """Another audio input is the one that speaks."""

    track: Track


class Failed(_Said):
    """An output cannot be produced (``track``), or the whole pipeline cannot go on (None). ``reason`` is for people."""

    track: Track | None
    reason: str


Command: TypeAlias = (
    AddVideoInput
    | AddAudioInput
    | RemoveInput
    | SetInputActive
    | Compose
    | AddVideoOutput
    | AddAudioOutput
    | RemoveOutput
    | Stop
)
Report: TypeAlias = Ready | Alive | Speaking | Failed

_encoder: Final = msgspec.msgpack.Encoder()
_decoders: Final = {
    "command": msgspec.msgpack.Decoder(Command),
    "report": msgspec.msgpack.Decoder(Report),
}


def packed(message: Command | Report) -> bytes:
    """``message`` as it goes over the socket."""
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE:
        raise ControlError(f"a message of {len(body)} bytes")
    return _LENGTH.pack(len(body)) + body


class Unpacker:
    """Cuts what arrives into messages: commands in a pipeline, reports in a node."""

    def __init__(self, direction: str) -> None:
        self._decoder = _decoders[direction]
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Command | Report]:
        """The messages that ``data`` completes. Raises ControlError."""
        self._pending += data
        while len(self._pending) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._pending)
            if length > MAX_MESSAGE:
                raise ControlError(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._pending) < end:
                return
            body = bytes(self._pending[_LENGTH.size : end])
            del self._pending[:end]
            try:
                yield self._decoder.decode(body)
            except msgspec.DecodeError as error:
                raise ControlError(str(error)) from error


class ControlSocket:
    """The pipeline's end: blocking, for one thread that reads; any thread may report."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(True)
        self._socket = connected
        self._unpacker = Unpacker("command")

    def commands(self) -> Iterator[Command]:
        """Every command, until the node closes."""
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            yield from self._unpacker.feed(data)  # type: ignore[misc]  # the decoder of commands gives commands

    def end(self) -> None:
        """Let :meth:`commands` end, from another thread; one may still report."""
        with contextlib.suppress(OSError):  # the node may have closed
            self._socket.shutdown(socket.SHUT_RD)

    def report(self, report: Report) -> None:
        """Tell the node. Raises OSError when it is gone."""
        self._socket.sendall(packed(report))
