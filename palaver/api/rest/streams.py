"""/v1/rooms/{room}/streams: what a running room offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest.operations import Call, Operation, Version
from palaver.api.wire import errors
from palaver.api.wire.rest_streams import LayeredStream
from palaver.api.wire.rest_streams import Stream as PlainStream
from palaver.api.wire.stream_updates import (
    AddView,
    RemoveView,
    SetLayout,
    SetStatus,
    ShowInRegion,
    StreamChange,
    StreamUpdate,
    stream_changes,
)
from palaver.api.wire.streams import stream_info
from palaver.room import messages as room
from palaver.room.messages import Change, ChangeTogether, Mix, SetStreamActive, Unmix, Unpublish
from palaver.room.values import Stream, StreamId, StreamState

if TYPE_CHECKING:
    from palaver.host import RoomHost


async def list_streams(call: Call) -> Answer:
    """The streams of the room: the mixed ones of its views first, then what participants publish, oldest first."""
    host = call.running
    if host is None:
        return json([])
    config = host.room.config
    return json([stream_info(one, config, call.dialect, rest=True) for one in host.room.live_streams()])


async def get_stream(call: Call) -> Answer:
    """One stream."""
    host, stream = present(call)
    return shown(call, host, stream)


async def update_stream(call: Call) -> Answer:
    """Mutes or unmutes a stream, puts it into views, changes the layout of a mixed stream: all of it, or nothing."""
    changes = stream_changes(call.body)
    host, stream = present(call)
    commands = [command for change in changes if (command := _command(stream, change))]
    if commands:
        host.submit(ChangeTogether(tuple(commands)))
        call.api.jobs.look(stream.id)
    return shown(call, host, host.room.streams.get(stream.id, stream))


async def delete_stream(call: Call) -> Answer:
    """Ends a stream, as its owner could. A streaming-in is not fetched again."""
    job = call.api.jobs.get(call.room.id, call.path["stream"])
    if job is not None and await call.api.jobs.stop(job.id):
        return text()
    host, stream = present(call)
    host.submit(Unpublish(None, stream.id))
    return text()


def present(call: Call) -> tuple[RoomHost, Stream]:
    """The running room and its stream of the path. Raises ApiError."""
    host = call.running
    stream = host.room.streams.get(StreamId(call.path["stream"])) if host else None
    if host is None or stream is None or stream.state is not StreamState.LIVE:
        raise stream_not_found()
    return host, stream


def shown(call: Call, host: RoomHost, stream: Stream) -> Answer:
    """The stream in the shape of the API's version."""
    return json(stream_info(stream, host.room.config, call.dialect, rest=True))


def stream_not_found() -> ApiError:
    """404/1004."""
    return ApiError(errors.STREAM_NOT_FOUND, "Stream not found")


def _command(stream: Stream, change: StreamChange) -> Change | None:
    """The command that makes ``change``, None if it takes a stream out of a view where it is not."""
    match change:
        case AddView(label):
            return Mix(None, stream.id, label)
        case RemoveView(label):
            return Unmix(None, stream.id, label)
        case SetStatus(kind, active):
            return SetStreamActive(None, stream.id, (kind,), active)
        case SetLayout(placements):
            return room.SetLayout(stream.id, placements)
        case ShowInRegion(index, shown):
            return room.ShowInRegion(stream.id, index, shown)


MUTE: Final = [{"op": "replace", "path": "/media/audio/status", "value": "inactive"}]


def _operations(version: Version) -> tuple[Operation, ...]:
    shape = PlainStream if version == "/v1" else LayeredStream
    below, only = "/rooms/{room}/streams", (version,)
    return (
        Operation("GET", below, list_streams, gives=list[shape], versions=only),  # type: ignore[valid-type]  # a shape per version
        Operation(
            "GET",
            below + "/{stream}",
            get_stream,
            gives=shape,
            versions=only,
            errors=(errors.STREAM_NOT_FOUND,),
        ),
        Operation(
            "PATCH",
            below + "/{stream}",
            update_stream,
            takes=list[StreamUpdate],
            gives=shape,
            versions=only,
            errors=(errors.STREAM_NOT_FOUND, errors.REFUSED),
            example=MUTE,
        ),
        Operation(
            "DELETE",
            below + "/{stream}",
            delete_stream,
            versions=only,
            errors=(errors.STREAM_NOT_FOUND, errors.REFUSED),
        ),
    )


OPERATIONS: Final = (
    *_operations("/v1"),
    *_operations("/v1.1"),
)
