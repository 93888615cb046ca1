"""What a node and a recorder say to each other, beside what all pipelines understand."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

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
from palaver.recording.formats import Container  # noqa: TC001 - msgspec reads the annotations

DISK_FULL: Final = "too little space is left"
"""Why a recording ends whose directory has less free space than the floor."""


class Record(Message):
    """Write this file from now on; the first command. A codec of None: no such track.

    ``audio`` is what is asked for: G.711 is stored as linear samples. Width and height are those of the picture while
    none has come, 0 where nobody knows. The recorder ends by itself when less than ``floor_bytes`` are free.
    """

    path: str
    container: Container
    audio: str | None
    video: str | None
    width: Annotated[int, Meta(ge=0, le=16384)] = 0
    height: Annotated[int, Meta(ge=0, le=16384)] = 0
    floor_bytes: Annotated[int, Meta(ge=0)] = 0


class Pause(Message):
    """Leave out what comes from now on."""


class Resume(Message):
    """Go on where the pause began."""


class Progress(Message):
    """How much there is in the file. Said about once a second, and when it is finished."""

    bytes: int
    seconds: float


class Marked(Message):
    """So far into the file, it begins, is paused or goes on."""

    what: Literal["started", "paused", "resumed"]
    seconds: float


class Finished(Message):
    """The file is complete. ``reason``: why, if nobody asked for it."""

    bytes: int
    seconds: float
    reason: str = ""


Command: TypeAlias = Record | Pause | Resume | AddInput | RemoveInput | SetInputActive | Stop
Report: TypeAlias = Ready | Alive | Failed | Progress | Marked | Finished

COMMANDS: Final = msgspec.msgpack.Decoder(Command)
REPORTS: Final = msgspec.msgpack.Decoder(Report)
