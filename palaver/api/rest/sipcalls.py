"""/v1/rooms/{room}/sipcalls: telephones in the room."""

from __future__ import annotations

from typing import Final

from palaver.api.http.answers import Answer, ApiError, json
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.sipcalls import CallUpdate, SipCall, SipCallRequest, check_call_updates


async def list_sipcalls(call: Call) -> Answer:
    """The SIP calls that go on. There are none yet."""
    return json([])


async def create_sipcall(call: Call) -> Answer:
    """Not available yet: a valid request is refused with 500/1201."""
    raise ApiError(errors.REFUSED, "SIP calls are not available yet")


async def get_sipcall(call: Call) -> Answer:
    """A SIP call that goes on. There is none yet."""
    raise _not_found()


async def update_sipcall(call: Call) -> Answer:
    """Changes a SIP call. There is none yet."""
    check_call_updates(call.body)
    raise _not_found()


async def delete_sipcall(call: Call) -> Answer:
    """Ends a SIP call. There is none yet."""
    raise _not_found()


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


_ALL: Final = "/rooms/{room}/sipcalls"
_ONE: Final = _ALL + "/{sipcall}"

OPERATIONS: Final = (
    Operation("GET", _ALL, list_sipcalls, gives=list[SipCall]),
    Operation(
        "POST",
        _ALL,
        create_sipcall,
        takes=SipCallRequest,
        gives=SipCall,
        errors=(errors.REFUSED,),
        example={
            "peerURI": "sip:ann@example.org",
            "mediaIn": {"audio": True, "video": False},
            "mediaOut": {"audio": {"from": "common"}, "video": False},
        },
    ),
    Operation("GET", _ONE, get_sipcall, gives=SipCall, errors=(errors.NOT_FOUND,)),
    Operation(
        "PATCH",
        _ONE,
        update_sipcall,
        takes=list[CallUpdate],
        gives=SipCall,
        errors=(errors.NOT_FOUND,),
        example=[{"op": "replace", "path": "/output/media/audio/from", "value": "another-stream"}],
    ),
    Operation("DELETE", _ONE, delete_sipcall, errors=(errors.NOT_FOUND,)),
)
