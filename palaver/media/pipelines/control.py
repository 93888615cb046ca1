"""What a node and its child processes say to each other: length-prefixed msgpack over a socket of its own.

The messages here mean the same to every child. Each kind of pipeline adds its own, and gives its decoders of both
directions: what a child understands, and what its node does.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from palaver.media.pipelines.confinement import DECODES, Confinement

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE: Final = 1 << 20
_LENGTH: Final = struct.Struct("<I")

Track = Annotated[int, Meta(ge=0, lt=0xFFFF_FFFF)]
"""The number of a tap or output, as in ``docs/protocol/frames.md``."""
Size = Annotated[int, Meta(ge=2, le=16384)]
"""Pixels."""

M = TypeVar("M")


class ControlError(Exception):
    """The other side does not keep to the form."""


class Message(Struct, tag=True, kw_only=True):
    """What all messages share: the class's name tells what it is."""


# ── commands: from the node ─────────────────────────────────────────────────────────────────────────


class AddInput(Message):
    """Frames of a tap come from now on. ``name`` is for people, and shown where its picture would be."""

    track: Track
    kind: Literal["audio", "video"]
    codec: str
    name: str = ""


class RemoveInput(Message):
    """Forget a tap; an unknown one is no error."""

    track: Track


class SetInputActive(Message):
    """A tap is muted, or not any more: nothing comes of a muted one."""

    track: Track
    active: bool


class Stop(Message):
    """Finish and exit."""


# ── reports: from the child ─────────────────────────────────────────────────────────────────────────


class Ready(Message):
    """The child takes commands."""


class Alive(Message):
    """Said at least every second: the child runs, and what it counted since its start."""

    counters: dict[str, float]


class Failed(Message):
    """A track cannot be produced (``track``), or the child cannot go on at all (None). ``reason`` is for people."""

    track: Track | None
    reason: str


class Ended(Message):
    """What the child worked on is over, as it should be: nothing follows but its exit."""

    reason: str


Command: TypeAlias = AddInput | RemoveInput | SetInputActive | Stop
Report: TypeAlias = Ready | Alive | Failed | Ended


@dataclass(frozen=True, slots=True)
class PipelineKind:
    """A kind of child process.

    ``target`` is its main function ("package.module:function"), ``reports`` decodes what it says. ``finish_s`` is how
    long it may take to finish once it is told to stop; 0: there is nothing to finish, it is killed. ``restarts``:
    whether another one can take its place. ``confinement``: what it may do beside using its sockets.
    """

    target: str
    reports: msgspec.msgpack.Decoder[Any]
    finish_s: float = 0.0
    restarts: bool = True
    confinement: Confinement = DECODES

    @property
    def module(self) -> str:
        """The module of its main function, for the fork server."""
        return self.target.partition(":")[0]


_encoder: Final = msgspec.msgpack.Encoder()


def packed(message: Struct) -> bytes:
    """``message`` as it goes over the socket."""
    body = _encoder.encode(message)
    if len(body) > MAX_MESSAGE:
        raise ControlError(f"a message of {len(body)} bytes")
    return _LENGTH.pack(len(body)) + body


class Unpacker(Generic[M]):
    """Cuts what arrives into messages, as ``decoder`` knows them."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[M]) -> None:
        self._decoder = decoder
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
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
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                raise ControlError(str(error)) from error


class ControlSocket(Generic[M]):
    """The child's end: blocking, for one thread that reads; any thread may report."""

    def __init__(self, connected: socket.socket, decoder: msgspec.msgpack.Decoder[M]) -> None:
        """``decoder`` knows the commands."""
        connected.setblocking(True)
        self._socket = connected
        self._unpacker = Unpacker(decoder)

    def commands(self) -> Iterator[M]:
        """Every command, until the node closes."""
        while True:
            try:
                data = self._socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            yield from self._unpacker.feed(data)

    def end(self) -> None:
        """Let :meth:`commands` end, from another thread; one may still report."""
        with contextlib.suppress(OSError):  # the node may have closed
            self._socket.shutdown(socket.SHUT_RD)

    def report(self, report: Struct) -> None:
        """Tell the node. Raises OSError when it is gone."""
        self._socket.sendall(packed(report))
