"""The portal's words for all that a room refuses; applications know these texts, spelling included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.room.errors import Fault, RoomError

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS: Final[Mapping[Fault, str]] = {
    Fault.PARTICIPANT_NOT_FOUND: "Participant has not joined",
    Fault.STREAM_NOT_FOUND: "Stream does NOT exist",
    Fault.SUBSCRIPTION_NOT_FOUND: "Subscription does NOT exist",
    Fault.VIEW_NOT_FOUND: "View does NOT exist: {subject}",
    Fault.TRACK_NOT_FOUND: "Track does NOT exist: {subject}",
    Fault.REGION_NOT_FOUND: "Region does NOT exist: {subject}{why}",
    Fault.NOT_IN_VIEW: "Stream is NOT in the view",
    Fault.FORBIDDEN: "unauthorized",
    Fault.ROOM_FULL: "Room is full",
    Fault.TOO_MANY_INPUTS: "Too many inputs",
    Fault.UNKNOWN_ROLE: "Invalid role",
    Fault.PARTICIPANT_EXISTS: "Participant already exists",
    Fault.STREAM_EXISTS: "Stream exists",
    Fault.SUBSCRIPTION_EXISTS: "Subscription exists",
    Fault.AUDIO_NOT_ACCEPTED: "Audio is forbiden",
    Fault.VIDEO_NOT_ACCEPTED: "Video is forbiden",
    Fault.UNSATISFIABLE_AUDIO: "Target audio stream does NOT satisfy:{detail}",
    Fault.UNSATISFIABLE_VIDEO: "Target video stream does NOT satisfy:{detail}",
    Fault.CANNOT_UPDATE: "Update subscription failed",
    Fault.STREAM_IS_MIXED: "Stream is Mixed",
    Fault.STREAM_IS_NOT_MIXED: "Stream is NOT Mixed",
    Fault.BAD_REQUEST: "Invalid request: {subject}{why}",
    Fault.NOT_AVAILABLE: "Not available: {subject}{why}",
    Fault.ROOM_CLOSED: "Room is closed",
    Fault.CANNOT_START: "Room cannot start{why}",
}

LOGIN_TEXTS: Final[Mapping[Fault, str]] = {
    Fault.ROOM_FULL: "Room is full",
    Fault.UNKNOWN_ROLE: "Invalid role",
}
"""What a login may say; everything else is "Joining room failed"."""


def text(error: RoomError) -> str:
    """The acknowledgement's text for a refusal."""
    why = f" ({error.detail})" if error.detail else ""
    return TEXTS[error.fault].format(subject=error.subject, detail=error.detail, why=why)


def login_text(error: RoomError) -> str:
    """The text for a room that refuses the newcomer."""
    return LOGIN_TEXTS.get(error.fault, "Joining room failed")
