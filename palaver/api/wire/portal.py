"""Every portal message of dialect 1.2: the schema that the TypeScript client is generated from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from palaver.api.wire.stream_info import (
    FormatInfo,
    Id,
    Kind,
    Message,
    PlacementInfo,
    ResolutionInfo,
    Status,
    StreamInfo,
    StrictMessage,
)

Kinds = Literal["audio", "video", "av"]
TrackSource = Literal["mic", "camera", "screen-cast", "raw-file", "encoded-file"]

MAX_TRACKS = 100
"""Tracks in one request; a browser's connection becomes useless long before."""


# ── login ───────────────────────────────────────────────────────────────────────────────────────────


class Sdk(Message):
    """Which client library speaks. ``type`` decides whether the session may be resumed."""

    version: str
    type: str


class UserAgent(Message):
    """What the client says about itself."""

    sdk: Sdk


class LoginRequest(Message):
    """The first request on a fresh socket. ``token`` was made by ``POST /v1/rooms/{id}/tokens``."""

    token: str
    user_agent: UserAgent
    protocol: Literal["1.0", "1.1", "1.2"]


class MediaGrant(Message):
    """Which kinds of media a permission covers."""

    audio: bool
    video: bool


class PermissionInfo(Message):
    """What the participant may do."""

    publish: MediaGrant
    subscribe: MediaGrant


class ParticipantInfo(Message):
    """A member of the room. ``user`` is the application's name for the person, not unique."""

    id: str
    user: str
    role: str


class RoomInfo(Message):
    """The room at the moment of joining; ``participants`` includes the newcomer."""

    id: str
    views: list[str]
    participants: list[ParticipantInfo]
    streams: list[StreamInfo]
    recording: Literal["recording", "paused"] | UnsetType = UNSET


class IceServerInfo(Message):
    """A STUN or TURN server, as RTCPeerConnection takes it."""

    urls: list[str]
    username: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET


class LoginAnswer(Message):
    """The answer to a login. ``id`` is the participant's; without a ticket the session cannot be resumed."""

    id: str
    user: str
    role: str
    permission: PermissionInfo
    room: RoomInfo
    ice_servers: list[IceServerInfo] | UnsetType = UNSET
    reconnection_ticket: str | UnsetType = UNSET


class Resumed(Message):
    """The answer to a relogin in dialect 1.2, except for SDK type "JavaScript": that gets the bare ticket."""

    ticket: str
    messages: list[MissedMessage]


class MissedMessage(Message):
    """A notification that was sent while nobody listened; ``seq`` counts all notifications from 1."""

    event: str
    data: Any
    seq: int


# ── publish, subscribe, and ending both ─────────────────────────────────────────────────────────────


class TransportRequest(StrictMessage):
    """The connection to use. Without ``id`` a new one begins, whose id is that of the new session."""

    type: str = "webrtc"
    id: Id | UnsetType | None = UNSET


class PublishTrack(Message):
    """A section (``mid``) of the coming offer that will carry a track."""

    type: Kind
    mid: Id
    source: TrackSource | UnsetType = UNSET


class PublishMedia(StrictMessage):
    """The tracks to publish."""

    tracks: Annotated[list[PublishTrack], Meta(min_length=1, max_length=MAX_TRACKS)]


class PublishRequest(StrictMessage):
    """Announces what the next offer sends. ``attributes`` belong to the application; everybody sees them.

    ``data`` is for data streams, which this server does not have: true is refused.
    """

    media: PublishMedia
    transport: TransportRequest = field(default_factory=TransportRequest)
    data: bool | UnsetType | None = UNSET
    attributes: dict[str, Any] | UnsetType | None = UNSET


class SubscribeParameters(Message):
    """Wishes for a video track. ``bitrate`` is kbit/s or a multiplier such as "x0.8".

    ``maxResolution`` and ``maxFramerate`` choose among layers and are no reason to refuse; OWT does not have them.
    """

    resolution: ResolutionInfo | UnsetType = UNSET
    framerate: Annotated[float, Meta(gt=0)] | UnsetType = UNSET
    max_resolution: ResolutionInfo | UnsetType = UNSET
    max_framerate: Annotated[float, Meta(gt=0, le=1000)] | UnsetType = UNSET
    bitrate: Annotated[float, Meta(gt=0)] | str | UnsetType = UNSET
    key_frame_interval: Annotated[float, Meta(gt=0)] | UnsetType = UNSET


class SubscribeTrack(Message):
    """A section (``mid``) of the coming offer that will receive from a stream or from one of its tracks."""

    type: Kind
    mid: Id
    from_: Id = field(name="from")
    format: FormatInfo | UnsetType = UNSET
    parameters: SubscribeParameters | UnsetType = UNSET


class SubscribeMedia(StrictMessage):
    """The tracks to receive."""

    tracks: Annotated[list[SubscribeTrack], Meta(min_length=1, max_length=MAX_TRACKS)]


class SubscribeRequest(StrictMessage):
    """Announces what the next offer receives."""

    media: SubscribeMedia
    transport: TransportRequest = field(default_factory=TransportRequest)
    data: bool | UnsetType | None = UNSET


class SessionAnswer(Message):
    """``id`` names the publication (and its stream) or the subscription; offers go to ``transportId``."""

    id: str
    transport_id: str


class SessionRequest(Message):
    """Ends a publication or a subscription."""

    id: Id


# ── offers, answers and candidates ──────────────────────────────────────────────────────────────────


class Offer(Message, tag_field="type", tag="offer"):
    """A complete SDP offer of the connection."""

    sdp: str


class Candidate(Message):
    """One ICE candidate; ``candidate`` may start with ``a=``."""

    candidate: str
    sdp_mid: str | UnsetType | None = UNSET
    sdp_m_line_index: int | UnsetType | None = UNSET


class CandidateSignal(Message, tag_field="type", tag="candidate"):
    """A candidate that was found after the offer."""

    candidate: Candidate


class RemovedCandidates(Message, tag_field="type", tag="removed-candidates"):
    """Candidates that no longer work; the server notices by itself and only acknowledges."""

    candidates: list[Candidate]


class SoacRequest(Message):
    """Signalling of the connection ``id`` (a transport id)."""

    id: Id
    signaling: Offer | CandidateSignal | RemovedCandidates


class AnswerData(Message, tag_field="type", tag="answer"):
    """The SDP answer; it holds every candidate of the server."""

    sdp: str


# ── controls ────────────────────────────────────────────────────────────────────────────────────────


class ViewRegion(Message):
    """A region of a view's layout."""

    view: str
    region: str


class PauseStream(Message, tag_field="operation", tag="pause"):
    """Mutes tracks of an own stream for everybody."""

    id: Id
    data: Kinds


class PlayStream(Message, tag_field="operation", tag="play"):
    """Unmutes tracks of an own stream."""

    id: Id
    data: Kinds


class MixStream(Message, tag_field="operation", tag="mix"):
    """Puts an own stream into the view whose label is ``data``."""

    id: Id
    data: str


class UnmixStream(Message, tag_field="operation", tag="unmix"):
    """Takes an own stream out of the view whose label is ``data``."""

    id: Id
    data: str


class SetRegion(Message, tag_field="operation", tag="set-region"):
    """Moves an own stream to a region of a view."""

    id: Id
    data: ViewRegion


class GetRegion(Message, tag_field="operation", tag="get-region"):
    """Asks where in the view ``data`` an own stream is shown."""

    id: Id
    data: str


StreamControl = PauseStream | PlayStream | MixStream | UnmixStream | SetRegion | GetRegion


class RegionAnswer(Message):
    """The region that a stream is shown in."""

    region: str


class PauseSubscription(Message, tag_field="operation", tag="pause"):
    """Stops receiving some kinds of an own subscription."""

    id: Id
    data: Kinds


class PlaySubscription(Message, tag_field="operation", tag="play"):
    """Receives again."""

    id: Id
    data: Kinds


class UpdateAudio(Message):
    """Another source for the audio of a subscription."""

    from_: Id | UnsetType = field(name="from", default=UNSET)


class UpdateVideo(Message):
    """Another source or other wishes for the video of a subscription."""

    from_: Id | UnsetType = field(name="from", default=UNSET)
    parameters: SubscribeParameters | UnsetType = UNSET


class SubscriptionUpdate(Message):
    """What to change; absent members stay as they are."""

    audio: UpdateAudio | UnsetType = UNSET
    video: UpdateVideo | UnsetType = UNSET


class UpdateSubscription(Message, tag_field="operation", tag="update"):
    """Changes what an own subscription receives, without a new offer."""

    id: Id
    data: SubscriptionUpdate


SubscriptionControl = PauseSubscription | PlaySubscription | UpdateSubscription

MAX_TEXT = 2048
"""Characters in one text message."""


class TextRequest(Message):
    """``to`` is a participant's id, or "all", which includes the sender."""

    to: Id
    message: Annotated[str, Meta(max_length=MAX_TEXT)]


# ── notifications ───────────────────────────────────────────────────────────────────────────────────


class TextNotification(Message):
    """A text message; ``to`` is "all" or "me"."""

    from_: str = field(name="from")
    to: str
    message: str


class ParticipantJoin(Message, tag_field="action", tag="join"):
    """Somebody else came."""

    data: ParticipantInfo


class ParticipantLeave(Message, tag_field="action", tag="leave"):
    """Somebody went; ``data`` is the id."""

    data: str


ParticipantNotification = ParticipantJoin | ParticipantLeave


class StreamAdd(Message, tag_field="status", tag="add"):
    """A stream can be subscribed to; its publisher is told as well."""

    id: str
    data: StreamInfo


class StreamRemove(Message, tag_field="status", tag="remove"):
    """A stream is gone."""

    id: str


class AudioStatus(Message, tag_field="field", tag="audio.status"):
    """The audio of a stream was muted or unmuted."""

    value: Status


class VideoStatus(Message, tag_field="field", tag="video.status"):
    """The video of a stream was muted or unmuted."""

    value: Status


class ActiveInput(Message, tag_field="field", tag="activeInput"):
    """Somebody else speaks: ``value`` is the forward stream heard in a mixed one."""

    value: str


class LayoutChange(Message, tag_field="field", tag="video.layout"):
    """The complete new layout of a mixed stream."""

    value: list[PlacementInfo]


class DescriptionChange(Message, tag_field="field", tag="."):
    """The complete new description of a stream."""

    value: StreamInfo


class StreamUpdate(Message, tag_field="status", tag="update"):
    """Something about a stream changed."""

    id: str
    data: AudioStatus | VideoStatus | ActiveInput | LayoutChange | DescriptionChange


StreamNotification = StreamAdd | StreamRemove | StreamUpdate


class SoacProgress(Message, tag_field="status", tag="soac"):
    """The answer to an offer of the connection ``id``."""

    id: str
    data: AnswerData


class ReadyProgress(Message, tag_field="status", tag="ready"):
    """The connection ``id`` is up or, with ``sessionId``, a publication or subscription on it works."""

    id: str
    session_id: str | UnsetType = UNSET


class ErrorProgress(Message, tag_field="status", tag="error"):
    """The connection ``id`` failed or, with ``sessionId``, one session on it; ``data`` says why."""

    id: str
    data: str
    session_id: str | UnsetType = UNSET


class LayerInfo(Message):
    """What is sent on section ``mid``: the layer ``rid``, if there are several; not ``sending``: nothing."""

    mid: str
    sending: bool
    rid: str | UnsetType = UNSET


class LayerChange(Message, tag_field="field", tag="video.layer"):
    """The server sends another layer, or stopped or began to send."""

    value: LayerInfo


class SubscriptionChange(Message, tag_field="status", tag="update"):
    """Something about an own subscription changed. OWT does not have this; clients that do not listen miss nothing."""

    id: str
    data: LayerChange


class AnalyticsNotification(Message):
    """An algorithm has seen something in ``stream``, at ``time`` (milliseconds since the epoch).

    OWT does not have this; clients that do not listen miss nothing.
    """

    id: str
    stream: str
    algorithm: str
    name: str
    data: dict[str, Any]
    time: int


ProgressNotification = SoacProgress | ReadyProgress | ErrorProgress


class RecordingNotification(Message):
    """Whether the room is recorded from now on. OWT does not have this; clients that do not listen miss nothing."""

    state: Literal["recording", "paused", "none"]


# ── the whole protocol ──────────────────────────────────────────────────────────────────────────────

EVENT_NAMES = {"stream_control": "stream-control", "subscription_control": "subscription-control"}


class Requests(Struct, rename=EVENT_NAMES | {"refresh": "refreshReconnectionTicket"}):
    """The data argument of each request, by event name; null: there is none."""

    login: LoginRequest
    relogin: str
    refresh: None
    logout: None
    publish: PublishRequest
    unpublish: SessionRequest
    subscribe: SubscribeRequest
    unsubscribe: SessionRequest
    soac: SoacRequest
    stream_control: StreamControl
    subscription_control: SubscriptionControl
    text: TextRequest


class Answers(Struct, rename=EVENT_NAMES | {"refresh": "refreshReconnectionTicket"}):
    """The second argument of each request's acknowledgement when the first is "ok"; null: there is none."""

    login: LoginAnswer
    relogin: str | Resumed
    refresh: str
    logout: None
    publish: SessionAnswer
    unpublish: None
    subscribe: SessionAnswer
    unsubscribe: None
    soac: None
    stream_control: Literal["ok"] | RegionAnswer
    subscription_control: None
    text: None


class Notifications(Struct):
    """What the server tells by itself, by event name; null: no data."""

    participant: ParticipantNotification
    text: TextNotification
    stream: StreamNotification
    progress: ProgressNotification
    subscription: SubscriptionChange
    recording: RecordingNotification
    analytics: AnalyticsNotification
    drop: None


class PortalProtocol(Struct):
    """Everything that travels between a client and the portal."""

    requests: Requests
    answers: Answers
    notifications: Notifications
