"""/v1/rooms/{room}/participants: who is in a running room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.participants import (
    ParticipantDetail,
    PermissionUpdate,
    changed_permission,
    participant_detail,
)
from palaver.room.messages import Drop, SetPermission
from palaver.room.values import Grant, Participant, ParticipantId, Permission

if TYPE_CHECKING:
    from palaver.host import RoomHost

_NOTHING: Final = Permission(Grant(), Grant())


async def list_participants(call: Call) -> Answer:
    """Everybody in the room, in order of arrival."""
    host = call.running
    return json([participant_detail(one) for one in host.room.participants.values()] if host else [])


async def get_participant(call: Call) -> Answer:
    """One participant."""
    _, participant = _present(call)
    return json(participant_detail(participant))


async def update_participant(call: Call) -> Answer:
    """Changes what a participant may do from now on; what it publishes and receives already goes on."""
    updates: list[PermissionUpdate] = call.body
    # Every update is checked before the participant is looked for: a malformed body is 400 in any case.
    changed_permission(_NOTHING, updates)
    host, participant = _present(call)
    host.submit(SetPermission(participant.id, changed_permission(participant.permission, updates)))
    changed = host.room.participants[participant.id]
    await call.api.tokens.readmission.permit(host.room.config.id, changed.id, changed.permission)
    return json(participant_detail(changed))


async def drop_participant(call: Call) -> Answer:
    """Removes a participant from the room; it is told so."""
    host, participant = _present(call)
    host.submit(Drop(participant.id))
    await call.api.tokens.readmission.revoke(host.room.config.id, participant.id)
    return text()


def _present(call: Call) -> tuple[RoomHost, Participant]:
    host = call.running
    participant = host.room.participants.get(ParticipantId(call.path["participant"])) if host else None
    if host is None or participant is None:
        raise ApiError(errors.PARTICIPANT_NOT_FOUND, "Participant not found")
    return host, participant


_BELOW: Final = "/rooms/{room}/participants"
OPERATIONS: Final = (
    Operation("GET", _BELOW, list_participants, gives=list[ParticipantDetail]),
    Operation(
        "GET",
        _BELOW + "/{participant}",
        get_participant,
        gives=ParticipantDetail,
        errors=(errors.PARTICIPANT_NOT_FOUND,),
    ),
    Operation(
        "PATCH",
        _BELOW + "/{participant}",
        update_participant,
        takes=list[PermissionUpdate],
        gives=ParticipantDetail,
        errors=(errors.PARTICIPANT_NOT_FOUND, errors.REFUSED),
        example=[{"op": "replace", "path": "/permission/publish", "value": {"audio": True, "video": False}}],
    ),
    Operation("DELETE", _BELOW + "/{participant}", drop_participant, errors=(errors.PARTICIPANT_NOT_FOUND,)),
)
