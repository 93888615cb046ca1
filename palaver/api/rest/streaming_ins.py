"""/v1/rooms/{room}/streaming-ins: streams that the server fetches from elsewhere."""

from __future__ import annotations

from typing import Final

from palaver.api.http.answers import Answer, ApiError
from palaver.api.rest.operations import Call, Operation, Version
from palaver.api.rest.streams import MUTE, delete_stream, stream_not_found
from palaver.api.wire import errors
from palaver.api.wire.rest_streams import LayeredStream
from palaver.api.wire.rest_streams import Stream as PlainStream
from palaver.api.wire.stream_updates import StreamUpdate, stream_changes
from palaver.api.wire.streaming_ins import StreamingInRequest


async def create_streaming_in(call: Call) -> Answer:
    """Fetches a stream from elsewhere into the room. Not available yet: a valid request is refused with 500/1201."""
    raise ApiError(errors.REFUSED, "Streaming-ins are not available yet")


async def get_streaming_in(call: Call) -> Answer:
    """One streaming-in. There is none yet."""
    raise stream_not_found()


async def update_streaming_in(call: Call) -> Answer:
    """Changes a streaming-in, like any stream."""
    stream_changes(call.body)
    raise stream_not_found()


async def delete_streaming_in(call: Call) -> Answer:
    """Ends a streaming-in: the same as deleting the stream."""
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
