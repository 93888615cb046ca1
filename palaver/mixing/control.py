"""What a node and a mixer or transcoder say to each other, beside what all pipelines understand."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from palaver.media.pipelines import control
from palaver.media.pipelines.control import Message, PipelineKind, Size, Track

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


# ── commands ────────────────────────────────────────────────────────────────────────────────────────


class Compose(Message):
    """How the view looks from now on. Colours are 0 to 255; ``framerate`` is pictures per second."""

    width: Size
    height: Size
    framerate: float
    background: tuple[int, int, int]
    crop: bool
    tiles: tuple[Tile, ...]


class AddVideoOutput(Message):
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


class AddAudioOutput(Message):
    """Encode what is heard, ``without`` these inputs: a listener does not hear itself."""

    track: Track
    codec: str
    sample_rate: int
    channels: Annotated[int, Meta(ge=1, le=2)]
    without: tuple[Track, ...]


class RemoveOutput(Message):
    """Stop encoding; an unknown one is no error."""

    track: Track


# ── reports ─────────────────────────────────────────────────────────────────────────────────────────


class Speaking(Message):
    """Another audio input is the one that speaks."""

    track: Track


Command: TypeAlias = control.Command | Compose | AddVideoOutput | AddAudioOutput | RemoveOutput
Report: TypeAlias = control.Report | Speaking

COMMANDS: Final = msgspec.msgpack.Decoder(Command)
REPORTS: Final = msgspec.msgpack.Decoder(Report)

MIXER: Final = PipelineKind("palaver.mixing.mixer:run", REPORTS)
TRANSCODER: Final = PipelineKind("palaver.mixing.transcoder:run", REPORTS)
