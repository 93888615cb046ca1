"""Requests and answers of the management API. Attributes are snake_case; on the wire they are OWT's camelCase names.

Answers tolerate members that are not listed here, so that a client outlives a server's next version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType, field

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Wire(Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The naming rule of all that follows; members left UNSET are not sent."""


class AudioFormat(Wire, kw_only=False):
    """``codec`` as OWT writes it: "opus", "pcmu", "aac", …"""

    codec: str
    sample_rate: int | None = None
    channel_num: int | None = None


class VideoFormat(Wire, kw_only=False):
    """``profile`` is for h264: "CB", "B", "M" or "H"."""

    codec: str
    profile: str | None = None


class Resolution(Wire, kw_only=False):
    """Picture size in pixels."""

    width: int
    height: int


class VideoParameters(Wire):
    """``bitrate`` is kbit/s or a multiplier such as "x0.8"; ``key_frame_interval`` is in seconds."""

    resolution: Resolution | UnsetType = UNSET
    framerate: float | UnsetType = UNSET
    bitrate: float | str | UnsetType = UNSET
    key_frame_interval: float | UnsetType = UNSET


class Grant(Wire):
    """Which kinds of media something applies to."""

    audio: bool
    video: bool


class Role(Wire):
    """A named permission of a room."""

    role: str
    publish: Grant
    subscribe: Grant


class ViewAudio(Wire):
    """The sound of a mixed stream; ``vad`` switches detection of the active speaker."""

    format: AudioFormat | UnsetType = UNSET
    vad: bool | UnsetType = UNSET


class ViewVideo(Wire):
    """The picture of a mixed stream. ``layout`` and ``bg_color`` are as OWT's guide describes them."""

    format: VideoFormat | UnsetType = UNSET
    parameters: VideoParameters | UnsetType = UNSET
    max_input: int | UnsetType = UNSET
    bg_color: dict[str, int] | UnsetType = UNSET
    motion_factor: float | UnsetType = UNSET
    keep_active_input_primary: bool | UnsetType = UNSET
    layout: dict[str, Any] | UnsetType = UNSET


class View(Wire):
    """A named mix of a room; ``video=False`` mixes sound only."""

    label: str
    audio: ViewAudio | Literal[False] | UnsetType = UNSET
    video: ViewVideo | Literal[False] | UnsetType = UNSET


class MediaIn(Wire):
    """What a room accepts from publishers."""

    audio: list[AudioFormat]
    video: list[VideoFormat]


class VideoOutParameters(Wire):
    """What transcoding may produce: names or multipliers of resolutions, frame rates, bitrates, key frame intervals."""

    resolution: list[str] = field(default_factory=list)
    framerate: list[float] = field(default_factory=list)
    bitrate: list[float | str] = field(default_factory=list)
    key_frame_interval: list[float] = field(default_factory=list)


class VideoOut(Wire):
    """The video half of what a room may produce."""

    format: list[VideoFormat] = field(default_factory=list)
    parameters: VideoOutParameters = field(default_factory=VideoOutParameters)


class MediaOut(Wire):
    """What a room may produce for subscribers."""

    audio: list[AudioFormat] = field(default_factory=list)
    video: VideoOut = field(default_factory=VideoOut)


class TranscodingVideoParameters(Wire):
    """Which video parameters may be changed for a subscriber."""

    resolution: bool | UnsetType = UNSET
    framerate: bool | UnsetType = UNSET
    bitrate: bool | UnsetType = UNSET
    key_frame_interval: bool | UnsetType = UNSET


class TranscodingVideo(Wire):
    """Which conversions of video are offered."""

    format: bool | UnsetType = UNSET
    parameters: TranscodingVideoParameters | UnsetType = UNSET


class Transcoding(Wire):
    """Which conversions a room offers to subscribers."""

    audio: bool | UnsetType = UNSET
    video: TranscodingVideo | UnsetType = UNSET


class Notifying(Wire):
    """Which notifications the members of a room get."""

    participant_activities: bool | UnsetType = UNSET
    stream_change: bool | UnsetType = UNSET


class Sip(Wire):
    """A room's account at a SIP server. ``status`` and ``reason``, of a room that was asked for, tell how it stands."""

    sip_server: str
    username: str
    password: str
    status: str | None = None
    reason: str | None = None


class RoomRecording(Wire):
    """Whether a room records itself while it runs, into which container, and which view: by default its first."""

    auto: bool = True
    container: str = "auto"
    view: str | UnsetType = UNSET


class RoomOptions(Wire):
    """What may be set of a room; members left UNSET get the server's defaults, or stay as they are in an update."""

    name: str | UnsetType = UNSET
    participant_limit: int | UnsetType = UNSET
    input_limit: int | UnsetType = UNSET
    roles: list[Role] | UnsetType = UNSET
    views: list[View] | UnsetType = UNSET
    media_in: MediaIn | UnsetType = UNSET
    media_out: MediaOut | UnsetType = UNSET
    transcoding: Transcoding | UnsetType = UNSET
    notifying: Notifying | UnsetType = UNSET
    sip: Sip | UnsetType = UNSET
    recording: RoomRecording | UnsetType = UNSET


class Room(RoomOptions, kw_only=True):
    """A room as the server has it."""

    id: str = field(name="_id")
    name: str


class Service(Wire):
    """An application's account. ``key`` is cipher text in answers: remember the one you sent."""

    id: str = field(name="_id")
    name: str
    key: str
    encrypted: bool = False
    rooms: list[str] = field(default_factory=list)


class Permission(Wire):
    """What a participant may publish and subscribe to."""

    publish: Grant
    subscribe: Grant


class Participant(Wire):
    """Somebody who is in a room now."""

    id: str
    user: str
    role: str
    permission: Permission


class Stream(Wire):
    """What can be subscribed to now. ``media`` and ``info`` are as the guide's StreamInfo (v1.1) describes them."""

    id: str
    type: str
    media: dict[str, Any]
    info: dict[str, Any]
    data: Any = None


Presence = Literal["auto"] | bool
"""Whether a kind of media is wanted: it must be there, it is not wanted, or it is taken if it is there."""


class Job(Wire):
    """What a room does by request; ``error`` is why it does not run. ``created``: milliseconds since the epoch."""

    id: str
    kind: str
    status: str
    created: int
    error: str | None = None


class Event(Wire, kw_only=False):
    """Something that happened in a room; docs/events.md lists the types and what ``data`` holds.

    ``timestamp``: milliseconds since the epoch. The type "missed": events before the next are not known any more.
    """

    id: str
    type: str
    room: str
    timestamp: int
    data: dict[str, Any] = field(default_factory=dict)


class Webhook(Wire):
    """Where events are sent. ``secret`` is known only in the answer to its creation.

    ``waiting`` events were not taken yet; ``delivered`` ones and ``failed`` attempts count since the server started.
    ``error`` is why the last attempt failed.
    """

    id: str
    url: str
    events: list[str]
    created: int
    waiting: int
    delivered: int
    failed: int
    error: str | None = None
    secret: str | None = None


class Invite(Wire):
    """A link into a room: ``used`` of ``uses`` people (None: any number) came by it.

    ``expires`` is None for one that is good until it is revoked. Times are milliseconds since the epoch.
    """

    id: str
    room: str
    role: str
    url: str
    created: int
    used: int
    expires: int | None = None
    uses: int | None = None


class RecordedPart(Wire):
    """A file of a recording, and URLs that are good for a while, relative to the server.

    ``object`` is where it was uploaded to, if it was.
    ``thumbnail`` is empty where there is no picture, ``speakers`` (WebVTT) where nobody knows who spoke.
    """

    file: str
    started: int = 0
    seconds: float = 0.0
    bytes: int = 0
    complete: bool = False
    play: str = ""
    download: str = ""
    object: str = ""
    thumbnail: str = ""
    speakers: str = ""


class Recording(Wire):
    """A recording; ``storage`` names host and file. ``state`` is "recording", "paused" or "ended".

    Times are milliseconds since the epoch.
    """

    id: str
    media: dict[str, Any]
    storage: dict[str, Any]
    room: str = ""
    state: str = "recording"
    started: int = 0
    ended: int | None = None
    reason: str | None = None
    seconds: float = 0.0
    bytes: int = 0
    parts: list[RecordedPart] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    participants: list[dict[str, Any]] = field(default_factory=list)


class StreamingOut(Wire):
    """A stream that is sent elsewhere, or served by the server itself; ``targets`` if it goes to several places."""

    id: str
    media: dict[str, Any]
    url: str
    protocol: str | None = None
    parameters: dict[str, Any] | None = None
    status: str | None = None
    state: str | None = None
    error: str | None = None
    targets: list[dict[str, Any]] | None = None


class SipCall(Wire):
    """A telephone call that takes part in a room. ``type`` is "dial-in" or "dial-out"."""

    id: str
    peer: str
    type: str
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None


class Analysis(Wire):
    """A running analysis of a stream. ``stream``: the one that it shows; ``error``: why it does not run."""

    id: str
    analytics: dict[str, Any]
    media: dict[str, Any]
    status: str = ""
    events: int = 0
    stream: str | None = None
    error: str = ""


class AnalysisEvent(Wire):
    """Something that an algorithm has seen, at ``time`` (milliseconds since the epoch)."""

    id: int
    session: int
    time: int
    name: str
    data: dict[str, Any]


class Algorithm(Wire):
    """An algorithm of the server; ``parameters`` is a JSON Schema."""

    name: str
    description: str
    origin: str
    parameters: dict[str, Any]
    aliases: list[str] = []
    video: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None


class BrokenPlugin(Wire):
    """A plugin that the server cannot use, and why."""

    origin: str
    error: str


class Algorithms(Wire):
    """What there is to analyse with."""

    algorithms: list[Algorithm]
    broken: list[BrokenPlugin]


class Patch(Wire, kw_only=False):
    """One step of a PATCH: ``Patch("replace", "/media/audio/status", "inactive")``."""

    op: Literal["add", "remove", "replace"]
    path: str
    value: Any


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list: the items, and how many there are on all pages where the server said so."""

    items: list[T]
    total: int | None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
