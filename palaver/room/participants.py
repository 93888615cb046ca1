"""Handlers of what concerns participants: they come, go, and write to each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    CloseTransports,
    Leave,
    ParticipantDropped,
    ParticipantJoined,
    ParticipantLeft,
    TextSent,
)
from palaver.room.values import Participant, ParticipantId

if TYPE_CHECKING:
    from palaver.room.messages import Drop, Join, Outcome, SendText, SetPermission
    from palaver.room.state import RoomState
    from palaver.room.streams import Streams
    from palaver.room.subscriptions import Subscriptions

TEXT_LIMIT: Final = 2048
"""Characters in a text."""


@dataclass(slots=True)
class Participants:
    """Changes the participants of a room."""

    _state: RoomState
    _streams: Streams
    _subscriptions: Subscriptions

    def join(self, command: Join) -> list[Outcome]:
        """Somebody comes in."""
        state, participants = self._state, self._state.register.participants
        if command.participant in participants:
            raise RoomError(Fault.PARTICIPANT_EXISTS, command.participant)
        role = state.config.role(command.role)
        if role is None:
            raise RoomError(Fault.UNKNOWN_ROLE, command.role)
        if 0 < state.config.participant_limit <= len(participants):
            raise RoomError(Fault.ROOM_FULL, state.config.id)
        participant = Participant(command.participant, command.user, role.name, role.permission)
        participants[participant.id] = participant
        return [ParticipantJoined(participant)]

    def leave(self, command: Leave) -> list[Outcome]:
        """A participant goes."""
        return self._depart(self._state.register.participant(command.participant))

    def drop(self, command: Drop) -> list[Outcome]:
        """A participant is removed."""
        participant = self._state.register.participant(command.participant)
        return [ParticipantDropped(participant.id), *self._depart(participant)]

    def _depart(self, participant: Participant) -> list[Outcome]:
        owner, register = participant.id, self._state.register
        outcomes: list[Outcome] = []
        for subscription in [one for one in register.subscriptions.values() if one.owner == owner]:
            outcomes += self._subscriptions.end(subscription, Leave)
        for stream in [one for one in register.streams.values() if one.owner == owner]:
            outcomes += self._streams.end(stream, Leave)
        self._state.transports.left(owner)
        del register.participants[owner]
        return [*outcomes, CloseTransports(owner), ParticipantLeft(owner)]

    def set_permission(self, command: SetPermission) -> list[Outcome]:
        """Another permission holds from now on."""
        register = self._state.register
        participant = register.participant(command.participant)
        register.participants[participant.id] = replace(participant, permission=command.permission)
        return []

    def send_text(self, command: SendText) -> list[Outcome]:
        """A participant writes to one or to all."""
        register = self._state.register
        sender = register.participant(command.by)
        if command.to != "all":
            register.participant(ParticipantId(command.to))
        if len(command.message) > TEXT_LIMIT:
            raise RoomError(Fault.BAD_REQUEST, "message", f"expected at most {TEXT_LIMIT} characters")
        return [TextSent(sender.id, command.to, command.message)]
