"""OWT's numbers: the HTTP status and error code of everything that can be refused."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from palaver.room.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_FOUND: Final = (404, 1001)
SERVICE_NOT_FOUND: Final = (404, 1002)
ROOM_NOT_FOUND: Final = (404, 1003)
STREAM_NOT_FOUND: Final = (404, 1004)
PARTICIPANT_NOT_FOUND: Final = (404, 1005)
UNAUTHENTICATED: Final = (401, 1101)
FORBIDDEN: Final = (403, 1102)
REFUSED: Final = (500, 1201)
"""The room or its node refused or failed the operation."""
BAD_REQUEST: Final = (400, 1301)
TOO_LARGE: Final = (413, 1301)
STORE_FAILED: Final = (500, 1401)
UNEXPECTED: Final = (500, 2001)

OWT_ERRORS: Final[Mapping[Fault, tuple[int, int]]] = MappingProxyType(
    {
        Fault.PARTICIPANT_NOT_FOUND: PARTICIPANT_NOT_FOUND,
        Fault.STREAM_NOT_FOUND: STREAM_NOT_FOUND,
        Fault.SUBSCRIPTION_NOT_FOUND: NOT_FOUND,
        Fault.VIEW_NOT_FOUND: REFUSED,
        Fault.TRACK_NOT_FOUND: REFUSED,
        Fault.REGION_NOT_FOUND: REFUSED,
        Fault.NOT_IN_VIEW: REFUSED,
        Fault.FORBIDDEN: FORBIDDEN,
        Fault.ROOM_FULL: REFUSED,
        Fault.TOO_MANY_INPUTS: REFUSED,
        Fault.UNKNOWN_ROLE: BAD_REQUEST,
        Fault.PARTICIPANT_EXISTS: REFUSED,
        Fault.STREAM_EXISTS: REFUSED,
        Fault.SUBSCRIPTION_EXISTS: REFUSED,
        Fault.AUDIO_NOT_ACCEPTED: REFUSED,
        Fault.VIDEO_NOT_ACCEPTED: REFUSED,
        Fault.UNSATISFIABLE_AUDIO: REFUSED,
        Fault.UNSATISFIABLE_VIDEO: REFUSED,
        Fault.CANNOT_UPDATE: REFUSED,
        Fault.STREAM_IS_MIXED: REFUSED,
        Fault.STREAM_IS_NOT_MIXED: REFUSED,
        Fault.BAD_REQUEST: BAD_REQUEST,
        Fault.NOT_AVAILABLE: REFUSED,
        Fault.ROOM_CLOSED: ROOM_NOT_FOUND,
        Fault.CANNOT_START: REFUSED,
    }
)
"""The answer to each refusal of a room: HTTP status and code."""


class ProtocolError(Exception):
    """Input without the promised shape; the text says where and what, and may be shown to the sender."""
