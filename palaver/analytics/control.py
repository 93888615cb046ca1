"""What a node and an analyser say to each other, beside what all pipelines understand."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

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

OUTPUT_TRACK: Final = 1
"""What the analyser itself shows."""
_Side = Annotated[int, Meta(ge=0, le=16384)]


class Analyse(Message):
    """Run this algorithm from now on; the first command, said once.

    ``paths``: where plugins are. A handler that works longer than ``handler_s`` hangs.
    """

    algorithm: str
    parameters: dict[str, Any]
    paths: list[str]
    handler_s: Annotated[float, Meta(gt=0)]


class Show(Message):
    """Encode what the algorithm shows as the output from now on. Sizes of 0: as it is shown."""

    codec: str
    profile: str | None
    width: _Side
    height: _Side
    framerate: Annotated[float, Meta(ge=0, le=240)]
    bitrate_kbps: Annotated[float, Meta(gt=0)]
    key_frame_interval_s: Annotated[float, Meta(gt=0)]


class Begun(Message):
    """The algorithm is loaded and has started. This is what it wants to be given; sizes of 0: as it comes."""

    video: bool
    audio: bool
    fps: float
    width: _Side
    height: _Side


class Observed(Message):
    """The algorithm has seen something; ``at_ns``, of CLOCK_MONOTONIC, is when what it saw was captured."""

    name: str
    data: dict[str, Any]
    at_ns: int


class Shows(Message):
    """The algorithm shows pictures of this size, for the first time or in another size."""

    width: _Side
    height: _Side
    fps: float


class Broke(Message):
    """The algorithm cannot go on: its exception, or where it hangs. The process ends right after."""

    error: str
    traceback: str


Command: TypeAlias = Analyse | Show | AddInput | RemoveInput | SetInputActive | Stop
Report: TypeAlias = Ready | Alive | Failed | Begun | Observed | Shows | Broke

COMMANDS: Final = msgspec.msgpack.Decoder(Command)
REPORTS: Final = msgspec.msgpack.Decoder(Report)
