"""/v1/rooms/{room}/recordings: streams written to files."""

from __future__ import annotations

from typing import Final

from palaver.api.http.answers import Answer, ApiError, json
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.recordings import Recording, RecordingRequest
from palaver.api.wire.sinks import SinkUpdate, check_sink_updates


async def list_recordings(call: Call) -> Answer:
    """The recordings that go on. There are none yet."""
    return json([])


async def create_recording(call: Call) -> Answer:
    """Not available yet: a valid request is refused with 500/1201."""
    raise ApiError(errors.REFUSED, "Recordings are not available yet")


async def get_recording(call: Call) -> Answer:
    """A recording that goes on. There is none yet."""
    raise _not_found()


async def update_recording(call: Call) -> Answer:
    """Changes a recording. There is none yet."""
    check_sink_updates(call.body)
    raise _not_found()


async def delete_recording(call: Call) -> Answer:
    """Ends a recording. There is none yet."""
    raise _not_found()


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


_ALL: Final = "/rooms/{room}/recordings"
_ONE: Final = _ALL + "/{recording}"

OPERATIONS: Final = (
    Operation("GET", _ALL, list_recordings, gives=list[Recording]),
    Operation(
        "POST",
        _ALL,
        create_recording,
        takes=RecordingRequest,
        gives=Recording,
        errors=(errors.REFUSED,),
        example={"container": "mkv", "media": {"audio": {"from": "common"}, "video": False}},
    ),
    Operation("GET", _ONE, get_recording, gives=Recording, errors=(errors.NOT_FOUND,)),
    Operation(
        "PATCH",
        _ONE,
        update_recording,
        takes=list[SinkUpdate],
        gives=Recording,
        errors=(errors.NOT_FOUND,),
        example=[{"op": "replace", "path": "/media/audio/from", "value": "another-stream"}],
    ),
    Operation("DELETE", _ONE, delete_recording, errors=(errors.NOT_FOUND,)),
)
