"""/v1/rooms/{room}/streaming-ins: streams that the server fetches from elsewhere."""

from __future__ import annotations

from typing import Final

from palaver.api.http.answers import Answer, ApiError
from palaver.api.rest.operations import Call, Operation, Version
from palaver.api.rest.streams import (
    MUTE,
    delete_stream,
    present,
    shown,
    stream_not_found,
    update_stream,
)
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.rest_streams import LayeredStream
from palaver.api.wire.rest_streams import Stream as PlainStream
from palaver.api.wire.stream_updates import StreamUpdate
from palaver.api.wire.streaming_ins import StreamingInRequest
from palaver.jobs.kinds import JobFailed
from palaver.room.values import StreamId
from palaver.streaming.urls import UrlRefused


async def create_streaming_in(call: Call) -> Answer:
    """Fetches a stream into the room, and answers when it has arrived. It is fetched again whenever it is lost."""
    wanted: StreamingInRequest = call.body
    try:
        job = await call.api.jobs.start(call.room.id, wanted.job(), created_ms=call.api.now_ms())
    except UrlRefused as refusal:
        raise ProtocolError(f"connection.url: {refusal}") from None
    except JobFailed as failure:
        raise ApiError(errors.REFUSED, str(failure)) from None
    host = call.running
    stream = host.room.streams.get(StreamId(job.id)) if host else None
    if host is None or stream is None:
        raise ApiError(errors.REFUSED, job.error or "the stream ended at once")
    return shown(call, host, stream)


async def get_streaming_in(call: Call) -> Answer:
    """One streaming-in."""
    host, stream = present(call)
    if call.api.jobs.get(call.room.id, stream.id) is None:
        raise stream_not_found()
    return shown(call, host, stream)


async def update_streaming_in(call: Call) -> Answer:
    """Changes a streaming-in, like any stream."""
    return await update_stream(call)


async def delete_streaming_in(call: Call) -> Answer:
    """Ends a streaming-in, also one that waits for its source: the same as deleting the stream."""
    return await delete_stream(call)


def _operations(version: Version) -> tuple[Operation, ...]:
    shape = PlainStream if version == "/v1" else LayeredStream
    below, only = "/rooms/{room}/streaming-ins", (version,)
    return (
        Operation(
            "POST",
            below,
            create_streaming_in,
            takes=StreamingInRequest,
            gives=shape,
            versions=only,
            errors=(errors.REFUSED,),
            example={
                "connection": {"url": "rtsp://camera.example/stream"},
                "media": {"audio": "auto", "video": True},
            },
        ),
        Operation(
            "GET",
            below + "/{stream}",
            get_streaming_in,
            gives=shape,
            versions=only,
            errors=(errors.STREAM_NOT_FOUND,),
        ),
        Operation(
            "PATCH",
            below + "/{stream}",
            update_streaming_in,
            takes=list[StreamUpdate],
            gives=shape,
            versions=only,
            errors=(errors.STREAM_NOT_FOUND, errors.REFUSED),
            example=MUTE,
        ),
        Operation(
            "DELETE",
            below + "/{stream}",
            delete_streaming_in,
            versions=only,
            errors=(errors.STREAM_NOT_FOUND, errors.REFUSED),
        ),
    )


OPERATIONS: Final = (*_operations("/v1"), *_operations("/v1.1"))
