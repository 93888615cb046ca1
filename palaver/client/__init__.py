"""The management API from Python: every resource typed, blocking (:class:`Palaver`) and async (:class:`AsyncPalaver`).

>>> from palaver.client import Palaver
>>> with Palaver("http://127.0.0.1:3000", service_id, key) as api:  # doctest: +SKIP
...     room = api.rooms.create("standup", RoomOptions(participant_limit=10))
...     token = api.tokens.create(room.id, "ann", "presenter")
"""

from palaver.client.aio import AsyncPalaver
from palaver.client.blocking import Palaver
from palaver.client.errors import PalaverError, RequestRefused, ServerUnreachable
from palaver.client.types import (
    Analysis,
    AudioFormat,
    Grant,
    Invite,
    Job,
    MediaIn,
    MediaOut,
    Notifying,
    Page,
    Participant,
    Patch,
    Permission,
    Presence,
    RecordedPart,
    Recording,
    Resolution,
    Role,
    Room,
    RoomOptions,
    Service,
    Sip,
    SipCall,
    Stream,
    StreamingOut,
    Transcoding,
    VideoFormat,
    VideoParameters,
    View,
    ViewAudio,
    ViewVideo,
)

__all__ = [
    "Analysis",
    "AsyncPalaver",
    "AudioFormat",
    "Grant",
    "Invite",
    "Job",
    "MediaIn",
    "MediaOut",
    "Notifying",
    "Page",
    "Palaver",
    "PalaverError",
    "Participant",
    "Patch",
    "Permission",
    "Presence",
    "RecordedPart",
    "Recording",
    "RequestRefused",
    "Resolution",
    "Role",
    "Room",
    "RoomOptions",
    "ServerUnreachable",
    "Service",
    "Sip",
    "SipCall",
    "Stream",
    "StreamingOut",
    "Transcoding",
    "VideoFormat",
    "VideoParameters",
    "View",
    "ViewAudio",
    "ViewVideo",
]
