"""/v1/rooms/{room}/streaming-outs: streams sent to servers elsewhere."""

from __future__ import annotations

from typing import Final

from palaver.api.http.answers import Answer, ApiError, json
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.sinks import SinkUpdate, check_sink_updates
from palaver.api.wire.streaming_outs import StreamingOut, StreamingOutRequest


async def list_streaming_outs(call: Call) -> Answer:
    """The streaming-outs that go on. There are none yet."""
    return json([])


async def create_streaming_out(call: Call) -> Answer:
    """Not available yet: a valid request is refused with 500/1201."""
    raise ApiError(errors.REFUSED, "Streaming-outs are not available yet")


async def get_streaming_out(call: Call) -> Answer:
    """A streaming-out that goes on. There is none yet."""
    raise _not_found()


async def update_streaming_out(call: Call) -> Answer:
    """Changes a streaming-out. There is none yet."""
    check_sink_updates(call.body)
    raise _not_found()


async def delete_streaming_out(call: Call) -> Answer:
    """Ends a streaming-out. There is none yet."""
    raise _not_found()


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


_ALL: Final = "/rooms/{room}/streaming-outs"
_ONE: Final = _ALL + "/{streaming_out}"

OPERATIONS: Final = (
    Operation("GET", _ALL, list_streaming_outs, gives=list[StreamingOut]),
    Operation(
        "POST",
        _ALL,
        create_streaming_out,
        takes=StreamingOutRequest,
        gives=StreamingOut,
        errors=(errors.REFUSED,),
        example={
            "protocol": "rtmp",
            "url": "rtmp://cdn.example/live/room",
            "media": {"audio": {"from": "common"}, "video": False},
        },
    ),
    Operation("GET", _ONE, get_streaming_out, gives=StreamingOut, errors=(errors.NOT_FOUND,)),
    Operation(
        "PATCH",
        _ONE,
        update_streaming_out,
        takes=list[SinkUpdate],
        gives=StreamingOut,
        errors=(errors.NOT_FOUND,),
        example=[{"op": "replace", "path": "/media/audio/from", "value": "another-stream"}],
    ),
    Operation("DELETE", _ONE, delete_streaming_out, errors=(errors.NOT_FOUND,)),
)
