"""What a node says to pullers and pushers, and they to it, beside what all pipelines understand."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from palaver.media.pipelines.control import (
    AddInput,
    Alive,
    Failed,
    Message,
    Ready,
    RemoveInput,
    SetInputActive,
    Stop,
)

VIDEO_TRACK: Final = 1
AUDIO_TRACK: Final = 2


class Pull(Message):
    """Receive this stream from now on, and again whenever it breaks off; the first command, said once.

    ``audio`` and ``video``: True demands the kind, False leaves it out. ``loop``: a file begins again at its end.
    """

    url: str
    transport: Literal["tcp", "udp"] = "tcp"
    buffer_size: Annotated[int, Meta(ge=0, le=1 << 26)] = 8192
    audio: bool | Literal["auto"] = "auto"
    video: bool | Literal["auto"] = "auto"
    loop: bool = False
    allow_loopback: bool = False
    tls_verify: bool = True


class Generate(Struct, tag=True, kw_only=True):
    """Make bars and beeps from now on; the first command, said once. A ``video`` of None: no picture."""

    audio: bool
    video: str | None
    profile: str | None
    width: Annotated[int, Meta(ge=2, le=16384)]
    height: Annotated[int, Meta(ge=2, le=16384)]
    framerate: Annotated[int, Meta(ge=1, le=120)]


class FoundAudio(Struct, kw_only=True):
    """Sound, as it leaves the puller."""

    codec: str
    sample_rate: int
    channels: int


class FoundVideo(Struct, kw_only=True):
    """Pictures, as they leave the puller. 0: not known."""

    codec: str
    profile: str | None
    width: int
    height: int
    framerate: float


class TracksFound(Message):
    """Media flows: for the first time, again after an interruption, or in another form."""

    audio: FoundAudio | None
    video: FoundVideo | None


class Interrupted(Message):
    """Nothing comes; the puller tries again by itself, unless ``final``."""

    reason: str
    final: bool = False


class Push(Message):
    """Send what the inputs bring to this place from now on; the first command, said once.

    A ``url`` with credentials or a stream key is told to nobody else. For HLS and DASH without one, ``folder`` is where
    the files go. ``audio`` and ``video`` are codecs, None for no such track.
    """

    protocol: Literal["rtmp", "rtsp", "hls", "dash"]
    audio: str | None
    video: str | None
    url: str = ""
    folder: str = ""
    width: Annotated[int, Meta(ge=0, le=16384)] = 0
    height: Annotated[int, Meta(ge=0, le=16384)] = 0
    method: Literal["PUT", "POST"] = "PUT"
    segment_s: Annotated[float, Meta(ge=0.2, le=60)] = 2.0
    listed: Annotated[int, Meta(ge=1, le=10_000)] = 5
    allow_loopback: bool = False
    tls_verify: bool = True


class Connected(Message):
    """The other side takes what is sent, for the first time or again."""


class PushProgress(Message):
    """How much was sent since the start."""

    seconds: float


PullerCommand: TypeAlias = Pull | Stop
PullerReport: TypeAlias = Ready | Alive | Failed | TracksFound | Interrupted
PusherCommand: TypeAlias = Push | AddInput | RemoveInput | SetInputActive | Stop
PusherReport: TypeAlias = Ready | Alive | Failed | Connected | Interrupted | PushProgress

PULLER_COMMANDS: Final = msgspec.msgpack.Decoder(PullerCommand)
PULLER_REPORTS: Final = msgspec.msgpack.Decoder(PullerReport)
PUSHER_COMMANDS: Final = msgspec.msgpack.Decoder(PusherCommand)
PUSHER_REPORTS: Final = msgspec.msgpack.Decoder(PusherReport)
