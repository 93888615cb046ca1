"""Recordings, streaming-outs, analytics and SIP calls: their requests are checked, the work is not available yet."""

from __future__ import annotations

from typing import Any, Final

from palaver.api.rest.answers import Answer, ApiError, json
from palaver.api.rest.operations import Call, Handler, Operation
from palaver.api.wire import errors
from palaver.api.wire.output_answers import Analysis, Recording, SipCall, StreamingOut
from palaver.api.wire.outputs import (
    AnalyticsRequest,
    RecordingRequest,
    SipCallRequest,
    StreamingOutRequest,
)
from palaver.api.wire.updates import CallUpdate, SinkUpdate, check_sink_updates

_MEDIA: Final = {"audio": {"from": "common"}, "video": False}


def _operations(
    path: str, plural: str, takes: Any, gives: Any, example: Any, update: Any = None
) -> tuple[Operation, ...]:
    below = f"/rooms/{{room}}/{path}"
    single = f"{below}/{{{path.replace('-', '_').rstrip('s')}}}"
    missing = (errors.NOT_FOUND,)
    listing = _named(f"list_{path}", f"The {plural} that go on. There are none yet.", _none)
    creation = _named(
        f"create_{path}",
        f"Not available yet: a valid request is refused with 500/1201: {plural}.",
        _refusal(plural),
    )
    reading = _named(f"get_{path}", f"One of the {plural}. There is none yet.", _missing)
    ending = _named(f"delete_{path}", f"Ends one of the {plural}. There is none yet.", _missing)
    operations = [
        Operation("GET", below, listing, gives=list[gives]),
        Operation(
            "POST", below, creation, takes=takes, gives=gives, errors=(errors.REFUSED,), example=example
        ),
        Operation("GET", single, reading, gives=gives, errors=missing),
        Operation("DELETE", single, ending, errors=missing),
    ]
    if update is not None:
        changing = _named(f"update_{path}", f"Changes one of the {plural}. There is none yet.", _checked)
        prefix = "/output" if update is CallUpdate else ""
        operations.append(
            Operation(
                "PATCH",
                single,
                changing,
                takes=list[update],
                gives=gives,
                errors=missing,
                example=[{"op": "replace", "path": f"{prefix}/media/audio/from", "value": "another-stream"}],
            )
        )
    return tuple(operations)


async def _none(call: Call) -> Answer:
    return json([])


async def _missing(call: Call) -> Answer:
    raise ApiError(errors.NOT_FOUND, "Resource not found")


async def _checked(call: Call) -> Answer:
    check_sink_updates(call.body)
    raise ApiError(errors.NOT_FOUND, "Resource not found")


def _refusal(plural: str) -> Handler:
    async def refuse(call: Call) -> Answer:
        raise ApiError(errors.REFUSED, f"{plural[0].upper()}{plural[1:]} are not available yet")

    return refuse


def _named(name: str, doc: str, handler: Handler) -> Handler:
    """``handler`` under the name and with the description that the API's documentation shows."""

    async def named(call: Call) -> Answer:
        return await handler(call)

    named.__name__ = name.replace("-", "_")
    named.__doc__ = doc
    return named


OPERATIONS: Final = (
    *_operations(
        "recordings",
        "recordings",
        RecordingRequest,
        Recording,
        {"container": "mkv", "media": _MEDIA},
        SinkUpdate,
    ),
    *_operations(
        "streaming-outs",
        "streaming-outs",
        StreamingOutRequest,
        StreamingOut,
        {"protocol": "rtmp", "url": "rtmp://cdn.example/live/room", "media": _MEDIA},
        SinkUpdate,
    ),
    *_operations(
        "analytics",
        "analyses",
        AnalyticsRequest,
        Analysis,
        {"algorithm": "motion", "media": {"audio": False, "video": {"from": "common"}}},
    ),
    *_operations(
        "sipcalls",
        "SIP calls",
        SipCallRequest,
        SipCall,
        {
            "peerURI": "sip:ann@example.org",
            "mediaIn": {"audio": True, "video": False},
            "mediaOut": {"audio": {"from": "common"}, "video": False},
        },
        CallUpdate,
    ),
)
