"""/v1/rooms/{room}/sipcalls: telephones in the room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest import outgoing
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.sinks import WantedVideo
from palaver.api.wire.sipcalls import (
    CallUpdate,
    CallVideo,
    SipCall,
    SipCallRequest,
    check_call_updates,
    sipcall_info,
)
from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import NoSuchTrack, Outgoing, WantedPicture, WantedSound, changed
from palaver.jobs.phones import Dialling

if TYPE_CHECKING:
    from palaver.jobs.phone_call import PhoneCall


async def list_sipcalls(call: Call) -> Answer:
    """The calls that go on, whoever dialled."""
    return json([_shown(call, one) for one in call.api.phones.of(call.room.id)])


async def create_sipcall(call: Call) -> Answer:
    """Calls a phone through the room's account, and answers once it is in the room; the room starts if it does not run.

    A phone that is busy, unknown, unreachable or not answered is refused with 500/1201, in words.
    """
    wanted: SipCallRequest = call.body
    dialling = Dialling(wanted.peer, WantedSound(wanted.media_out.audio.source), _picture(wanted))
    try:
        made = await call.api.phones.dial(call.room.id, dialling)
    except JobFailed as failure:
        raise ApiError(errors.REFUSED, str(failure)) from None
    return json(_shown(call, made))


async def get_sipcall(call: Call) -> Answer:
    """A call that goes on."""
    return json(_shown(call, _found(call)))


async def update_sipcall(call: Call) -> Answer:
    """Lets the phone receive other streams, or its picture in another form: all, or nothing. The call goes on."""
    check_call_updates(call.body)
    found = _found(call)
    before = Outgoing(found.audio or _heard(found), found.video or _seen(found))
    try:
        kept, asked = changed(before, call.body)
    except NoSuchTrack as missing:
        raise ProtocolError(f"path: the call has no {missing}") from None
    if asked:
        call.api.phones.change(found, asked)
    found.audio, found.video = kept.audio, kept.video
    return json(_shown(call, found))


async def delete_sipcall(call: Call) -> Answer:
    """Hangs up."""
    call.api.phones.end(_found(call))
    return text()


def _found(call: Call) -> PhoneCall:
    found = call.api.phones.get(call.room.id, call.path["sipcall"])
    if found is None:
        raise ApiError(errors.NOT_FOUND, "Resource not found")
    return found


def _picture(wanted: SipCallRequest) -> WantedPicture | None:
    video = wanted.media_out.video
    if not isinstance(video, CallVideo):
        return None
    return outgoing.picture(WantedVideo(source=video.source, format=UNSET, parameters=video.parameters))


def _heard(found: PhoneCall) -> WantedSound | None:
    """What the phone hears unasked."""
    track = next((one for one in found.received() if one.kind == "audio"), None)
    return WantedSound(str(track.stream)) if track is not None else None


def _seen(found: PhoneCall) -> WantedPicture | None:
    track = next((one for one in found.received() if one.kind == "video"), None)
    return WantedPicture(str(track.stream)) if track is not None else None


def _shown(call: Call, found: PhoneCall) -> dict[str, Any]:
    tracks = found.received()
    return sipcall_info(found, tracks, outgoing.sources_of(call.running, tracks), call.dialect)


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
        errors=(errors.NOT_FOUND, errors.REFUSED),
        example=[{"op": "replace", "path": "/output/media/audio/from", "value": "another-stream"}],
    ),
    Operation("DELETE", _ONE, delete_sipcall, errors=(errors.NOT_FOUND,)),
)
