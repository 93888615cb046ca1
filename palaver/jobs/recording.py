"""Recordings: jobs that write a room's streams into files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import Outgoing
from palaver.recording.control import DISK_FULL
from palaver.recording.formats import Container  # noqa: TC001 - msgspec reads the annotations
from palaver.room.endpoints import FileSink
from palaver.room.messages import Subscribe
from palaver.room.values import SubscriptionId

if TYPE_CHECKING:
    from palaver.recording.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(Outgoing):
    """What to record of ``room`` since ``begun_ms`` (milliseconds since the epoch).

    An ``automatic`` one was not asked for: its room has it while it runs.
    """

    room: str
    begun_ms: int
    container: Container | Literal["auto"]
    automatic: bool = False


class Recordings:
    """The kind of job."""

    name = "recording"
    request: type[Any] = Recording

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def check(self, request: Recording) -> None:
        """See JobKind."""
        try:
            free = await asyncio.to_thread(lambda: self._storage.free_bytes)
        except OSError as error:
            raise JobFailed(f"recordings cannot be stored: {error.strerror or error}") from None
        if free < self._storage.floor_bytes:
            raise JobFailed(DISK_FULL)

    def command(self, job: str, request: Recording) -> Subscribe:
        """See JobKind."""
        begun = datetime.fromtimestamp(request.begun_ms / 1000, UTC)
        name = self._storage.name(request.room, job, begun)
        sink = FileSink(name, request.container, request.inactive, request.automatic)
        return Subscribe(None, SubscriptionId(job), sink, request.tracks())

    def shown(self, request: Recording) -> Recording:
        """See JobKind."""
        return request

    async def clean_up(self, request: Recording) -> None:
        """See JobKind: the files are what was asked for."""
