"""Recordings: jobs that write a room's streams into files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from palaver.jobs.kinds import JobFailed
from palaver.recording.control import DISK_FULL
from palaver.recording.formats import Container  # noqa: TC001 - msgspec reads the annotations
from palaver.room.endpoints import FileSink
from palaver.room.messages import Subscribe
from palaver.room.values import (
    AudioFormat,
    Kind,
    Resolution,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    VideoFormat,
    VideoParameters,
)

if TYPE_CHECKING:
    from palaver.recording.storage import Storage


@dataclass(frozen=True, slots=True)
class RecordedAudio:
    """Which sound to record; without a ``codec`` as it comes."""

    stream: str
    codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None

    def subscribed(self) -> SubscribedTrack:
        """What to ask the room for."""
        wanted = AudioFormat(self.codec, self.sample_rate, self.channels) if self.codec else None
        return SubscribedTrack("audio", StreamId(self.stream), format=wanted)


@dataclass(frozen=True, slots=True)
class RecordedVideo:
    """Which picture to record; what is left open stays as it comes. ``bitrate`` is kbit/s or a multiplier ("x0.8")."""

    stream: str
    codec: str | None = None
    profile: str | None = None
    resolution: tuple[int, int] | None = None
    framerate: float | None = None
    bitrate: float | str | None = None
    key_frame_interval: float | None = None

    def subscribed(self) -> SubscribedTrack:
        """What to ask the room for."""
        wanted = VideoFormat(self.codec, self.profile) if self.codec else None
        size = Resolution(*self.resolution) if self.resolution else None
        asked = VideoParameters(size, self.framerate, self.bitrate, self.key_frame_interval)
        parameters = None if asked == VideoParameters() else asked
        return SubscribedTrack("video", StreamId(self.stream), format=wanted, parameters=parameters)


@dataclass(frozen=True, slots=True)
class RecordingOrder:
    """What to record of ``room`` since ``begun_ms`` (milliseconds since the epoch)."""

    room: str
    begun_ms: int
    container: Container | Literal["auto"]
    audio: RecordedAudio | None
    video: RecordedVideo | None
    inactive: tuple[Kind, ...] = ()


class RecordingJobs:
    """The kind of job."""

    name = "recording"
    request: type[Any] = RecordingOrder

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def check(self, request: RecordingOrder) -> None:
        """See JobKind."""
        try:
            free = await asyncio.to_thread(lambda: self._storage.free_bytes)
        except OSError as error:
            raise JobFailed(f"recordings cannot be stored: {error.strerror or error}") from None
        if free < self._storage.floor_bytes:
            raise JobFailed(DISK_FULL)

    def command(self, job: str, request: RecordingOrder) -> Subscribe:
        """See JobKind."""
        begun = datetime.fromtimestamp(request.begun_ms / 1000, UTC)
        name = self._storage.name(request.room, job, begun)
        tracks = tuple(one.subscribed() for one in (request.audio, request.video) if one is not None)
        return Subscribe(
            None, SubscriptionId(job), FileSink(name, request.container, request.inactive), tracks
        )

    def shown(self, request: RecordingOrder) -> RecordingOrder:
        """See JobKind."""
        return request

    async def clean_up(self, request: RecordingOrder) -> None:
        """See JobKind: the files are what was asked for."""
