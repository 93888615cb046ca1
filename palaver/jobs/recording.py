"""Recordings: jobs that write a room's streams into files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import Outgoing, WantedPicture, WantedSound
from palaver.recording.control import DISK_FULL
from palaver.recording.formats import Container, refusal, stored
from palaver.recording.index import Initiator  # noqa: TC001 - as above
from palaver.room.endpoints import FileSink
from palaver.room.ids import view_id
from palaver.room.messages import Subscribe
from palaver.room.values import SubscriptionId

if TYPE_CHECKING:
    from palaver.recording.storage import Storage
    from palaver.room.values import RoomConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(Outgoing):
    """What to record of ``room`` since ``begun_ms`` (milliseconds since the epoch).

    ``by`` tells who began it: a request to the management API, people at the page, or the room itself, which then
    has it for as long as it runs.
    """

    room: str
    begun_ms: int
    container: Container | Literal["auto"]
    by: Initiator = "request"


def of_view(
    config: RoomConfig, label: str, container: Container | Literal["auto"], begun_ms: int, *, by: Initiator
) -> Recording:
    """A recording of a room's view in forms that ``container`` holds."""
    view = next(view for view in config.views if view.label == label)
    stream, video = view_id(config.id, label), view.video_format
    sound, picture = WantedSound(stream), WantedPicture(stream) if video is not None else None
    if container != "auto":
        sound = replace(sound, codec=stored(container, "audio", view.audio_format.codec))
        if refusal(container, None, "h264"):  # it holds sound only
            picture = None
        if picture is not None and video is not None:
            picture = replace(picture, codec=stored(container, "video", video.codec))
    return Recording(sound, picture, room=config.id, begun_ms=begun_ms, container=container, by=by)


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
        sink = FileSink(name, request.container, request.inactive, request.by == "room")
        return Subscribe(None, SubscriptionId(job), sink, request.tracks())

    def shown(self, request: Recording) -> Recording:
        """See JobKind."""
        return request

    async def clean_up(self, request: Recording) -> None:
        """See JobKind: the files are what was asked for."""
