"""What WHIP and WHEP answer when they refuse: REST's error body, with the status that RFC 9725 gives to each cause."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from palaver.api.http.answers import ApiError, Headers
from palaver.api.wire import errors
from palaver.room.errors import Fault, RoomError

if TYPE_CHECKING:
    from collections.abc import Mapping

METHOD_NOT_ALLOWED: Final = (405, 1001)
CONFLICT: Final = (409, 1201)
PRECONDITION_FAILED: Final = (412, 1301)
UNSUPPORTED_TYPE: Final = (415, 1301)
UNUSABLE: Final = (422, 1301)
"""The offer, or what it asks for, cannot be had."""
PRECONDITION_REQUIRED: Final = (428, 1301)
UNAVAILABLE: Final = (503, 1201)

RETRY: Final[Headers] = ((b"retry-after", b"2"),)
"""With refusals that may be over soon (RFC 9110 §10.2.3)."""

FAULTS: Final[Mapping[Fault, tuple[int, int]]] = MappingProxyType(
    {
        Fault.PARTICIPANT_NOT_FOUND: errors.NOT_FOUND,
        Fault.STREAM_NOT_FOUND: errors.STREAM_NOT_FOUND,
        Fault.SUBSCRIPTION_NOT_FOUND: errors.NOT_FOUND,
        Fault.VIEW_NOT_FOUND: errors.STREAM_NOT_FOUND,
        Fault.TRACK_NOT_FOUND: UNUSABLE,
        Fault.REGION_NOT_FOUND: UNUSABLE,
        Fault.NOT_IN_VIEW: UNUSABLE,
        Fault.FORBIDDEN: errors.FORBIDDEN,
        Fault.ROOM_FULL: CONFLICT,
        Fault.TOO_MANY_INPUTS: CONFLICT,
        Fault.UNKNOWN_ROLE: errors.FORBIDDEN,
        Fault.PARTICIPANT_EXISTS: CONFLICT,
        Fault.STREAM_EXISTS: CONFLICT,
        Fault.SUBSCRIPTION_EXISTS: CONFLICT,
        Fault.AUDIO_NOT_ACCEPTED: UNUSABLE,
        Fault.VIDEO_NOT_ACCEPTED: UNUSABLE,
        Fault.UNSATISFIABLE_AUDIO: UNUSABLE,
        Fault.UNSATISFIABLE_VIDEO: UNUSABLE,
        Fault.CANNOT_UPDATE: UNUSABLE,
        Fault.STREAM_IS_MIXED: CONFLICT,
        Fault.STREAM_IS_NOT_MIXED: CONFLICT,
        Fault.BAD_REQUEST: UNUSABLE,
        Fault.NOT_AVAILABLE: UNAVAILABLE,
        Fault.ROOM_CLOSED: errors.ROOM_NOT_FOUND,
        Fault.CANNOT_START: errors.REFUSED,
    }
)
"""The answer to each refusal of a room: HTTP status and code."""


def of_room(refusal: RoomError) -> ApiError:
    """A room's refusal as an answer."""
    kind = FAULTS[refusal.fault]
    words = str(refusal)
    return ApiError(kind, words[:1].upper() + words[1:], RETRY if kind == UNAVAILABLE else ())


def stream_not_found() -> ApiError:
    """There is nothing to play, at least not yet."""
    return ApiError(errors.STREAM_NOT_FOUND, "Stream not found", RETRY)
