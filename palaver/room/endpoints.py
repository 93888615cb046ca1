"""What may feed a room and drain it, as plain data. The room passes it through to the media engine."""

# ruff: noqa: TC001 (a remote engine resolves the field types at run time)

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from palaver.room.values import Kind, TransportId


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """A section of a client's connection that will carry a track; ``source`` is OWT's word ("mic", …)."""

    kind: Kind
    mid: str
    source: str


@dataclass(frozen=True, slots=True)
class WebRtcSource:
    """A stream that arrives on sections of a client's WebRTC transport."""

    transport: TransportId
    tracks: tuple[PublishedTrack, ...]


@dataclass(frozen=True, slots=True)
class WebRtcSink:
    """A subscription that leaves on sections of a client's transport, each track on that of its ``mid``."""

    transport: TransportId


Source: TypeAlias = WebRtcSource
Sink: TypeAlias = WebRtcSink
