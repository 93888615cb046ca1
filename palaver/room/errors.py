"""What can go wrong in a room, said once, with no HTTP and no portal strings in it."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """Every way in which an input can be refused; the edge maps each to its protocol's answer."""

    PARTICIPANT_NOT_FOUND = "participant not found"
    STREAM_NOT_FOUND = "stream not found"
    SUBSCRIPTION_NOT_FOUND = "subscription not found"
    VIEW_NOT_FOUND = "view not found"
    TRACK_NOT_FOUND = "track not found"
    REGION_NOT_FOUND = "region not found"
    NOT_IN_VIEW = "stream is not in the view"
    FORBIDDEN = "permission denied"
    ROOM_FULL = "room is full"
    TOO_MANY_INPUTS = "too many inputs"
    UNKNOWN_ROLE = "unknown role"
    PARTICIPANT_EXISTS = "participant exists"
    STREAM_EXISTS = "stream exists"
    SUBSCRIPTION_EXISTS = "subscription exists"
    AUDIO_NOT_ACCEPTED = "room takes no audio"
    VIDEO_NOT_ACCEPTED = "room takes no video"
    UNSATISFIABLE_AUDIO = "audio cannot be provided as requested"
    UNSATISFIABLE_VIDEO = "video cannot be provided as requested"
    CANNOT_UPDATE = "subscription cannot be changed this way"
    STREAM_IS_MIXED = "stream is mixed"
    STREAM_IS_NOT_MIXED = "stream is not mixed"
    BAD_REQUEST = "bad request"
    NOT_AVAILABLE = "not available yet"
    ROOM_CLOSED = "room is closed"
    CANNOT_START = "room cannot start"


class RoomError(Exception):
    """A refused input: the room has not changed.

    ``subject`` names the offending object or field, ``detail`` says why where that helps.
    """

    def __init__(self, fault: Fault, subject: str, detail: str = "") -> None:
        super().__init__(f"{fault}: {subject}" + (f" ({detail})" if detail else ""))
        self.fault, self.subject, self.detail = fault, subject, detail


class SourceGone(RoomError):
    """What somebody wants to receive is not there, or not yet."""
