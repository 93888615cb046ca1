"""What goes into a room (commands, reports) and comes out (events, actions): plain, serialisable data."""

# ruff: noqa: TC001 (a remote engine resolves the field types at run time)

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from palaver.room.values import (
    AudioFormat,
    Composition,
    Kind,
    LayerWish,
    Participant,
    ParticipantId,
    Permission,
    Placement,
    Resolution,
    Stream,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    Track,
    TrackId,
    TransportId,
    VideoFormat,
    VideoParameters,
)

# ── specifications: what a source or sink is made of; the room passes them through to the engine ────


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """A section of a client's connection that will carry a track; ``source`` is OWT's word ("mic", …)."""

    kind: Kind
    mid: str
    source: str


@dataclass(frozen=True, slots=True)
class WebRtcSource:
    """A stream that arrives on sections of a client's WebRTC transport."""

    transport: TransportId
    tracks: tuple[PublishedTrack, ...]


@dataclass(frozen=True, slots=True)
class WebRtcSink:
    """A subscription that leaves on sections of a client's transport, each track on that of its ``mid``."""

    transport: TransportId


Source: TypeAlias = WebRtcSource
Sink: TypeAlias = WebRtcSink

# ── commands: someone wants ─────────────────────────────────────────────────────────────────────────
# ``by`` is the participant who asks; None: the server itself or the management API, which may do everything.


@dataclass(frozen=True, slots=True)
class Join:
    participant: ParticipantId
    user: str
    role: str


@dataclass(frozen=True, slots=True)
class Leave:
    """The participant goes, by itself or because its connection ended."""

    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class Drop:
    """The participant is removed by the management API; it is told so first."""

    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class Publish:
    by: ParticipantId
    stream: StreamId
    source: Source
    attributes: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Unpublish:
    by: ParticipantId | None
    stream: StreamId


@dataclass(frozen=True, slots=True)
class Subscribe:
    by: ParticipantId
    subscription: SubscriptionId
    sink: Sink
    tracks: tuple[SubscribedTrack, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    by: ParticipantId | None
    subscription: SubscriptionId


@dataclass(frozen=True, slots=True)
class SetStreamActive:
    """Mute (``active=False``) or unmute tracks of a forward stream, for everybody."""

    by: ParticipantId | None
    stream: StreamId
    kinds: tuple[Kind, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class SetSubscriptionActive:
    """Pause or resume what one subscriber receives."""

    by: ParticipantId | None
    subscription: SubscriptionId
    kinds: tuple[Kind, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class TrackChange:
    """Another origin or other wishes for a subscription's track of a kind; None: as before.

    ``origin`` is the id of a stream or of a track. Limits and a resolution replace what chose the layer before.
    """

    kind: Kind
    origin: StreamId | None = None
    parameters: VideoParameters | None = None
    layer: LayerWish | None = None


@dataclass(frozen=True, slots=True)
class UpdateSubscription:
    """Change what one subscriber receives, on the sections that it has."""

    by: ParticipantId | None
    subscription: SubscriptionId
    changes: tuple[TrackChange, ...]


@dataclass(frozen=True, slots=True)
class SetPermission:
    """Replace a participant's permission; holds for what it asks for later."""

    participant: ParticipantId
    permission: Permission


@dataclass(frozen=True, slots=True)
class SendText:
    """``to`` is a participant or "all" (which includes the sender)."""

    by: ParticipantId
    to: str
    message: str


@dataclass(frozen=True, slots=True)
class Mix:
    by: ParticipantId | None
    stream: StreamId
    view: str


@dataclass(frozen=True, slots=True)
class Unmix:
    by: ParticipantId | None
    stream: StreamId
    view: str


@dataclass(frozen=True, slots=True)
class SetRegion:
    """Show a stream in the region of that id; whoever is there takes its place."""

    by: ParticipantId | None
    stream: StreamId
    view: str
    region: str


@dataclass(frozen=True, slots=True)
class ShowInRegion:
    """The same for the mixed stream ``view``, the region being the ``index``-th of its layout, from 0."""

    view: StreamId
    index: int
    stream: StreamId


@dataclass(frozen=True, slots=True)
class SetLayout:
    """Use these regions in the mixed stream ``view`` from now on."""

    view: StreamId
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class SetTemplate:
    """Lay out the mixed stream ``view`` by the sets of ``base`` from now on."""

    view: StreamId
    base: Literal["fluid", "lecture"]
    speaker_first: bool


Change: TypeAlias = SetStreamActive | Mix | Unmix | SetRegion | ShowInRegion | SetLayout
"""What changes a stream that there is."""


@dataclass(frozen=True, slots=True)
class ChangeTogether:
    """All of these in this order; or none of them, if one is refused."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """End the conference: everybody is dropped, everything is closed, nothing is accepted afterwards."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: ``now`` is monotonic seconds. Due whenever ``Room.deadline`` is reached."""

    now: float


# ── reports: the media plane says ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TransportReady:
    """ICE and DTLS are up."""

    transport: TransportId


@dataclass(frozen=True, slots=True)
class TransportLost:
    """The transport is gone, and every source and sink on it."""

    transport: TransportId
    reason: str


@dataclass(frozen=True, slots=True)
class SourceReady:
    """The source's tracks are negotiated and its transport is up."""

    stream: StreamId
    tracks: tuple[Track, ...]


@dataclass(frozen=True, slots=True)
class SourceLost:
    """The source failed or ended."""

    stream: StreamId
    reason: str


@dataclass(frozen=True, slots=True)
class SinkReady:
    subscription: SubscriptionId


@dataclass(frozen=True, slots=True)
class SinkLost:
    subscription: SubscriptionId
    reason: str


@dataclass(frozen=True, slots=True)
class ResolutionSeen:
    """A key frame showed the picture size of a video track."""

    stream: StreamId
    track: TrackId | None
    resolution: Resolution


@dataclass(frozen=True, slots=True)
class LayerSeen:
    """What is sent on section ``mid`` of a sink changed.

    ``rid`` names the layer, empty where there is only one; None: nothing is sent.
    """

    subscription: SubscriptionId
    mid: str
    rid: str | None


@dataclass(frozen=True, slots=True)
class SpeakerHeard:
    """Another input of a mixed stream is the one that speaks."""

    view: StreamId
    stream: StreamId


# ── events: facts to tell ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class ParticipantDropped:
    """Comes before its ParticipantLeft: the edge tells the participant and cuts its connection."""

    participant: ParticipantId


@dataclass(frozen=True, slots=True)
class TransportUp:
    """Concerns ``owner`` only; before any SessionReady on that transport."""

    owner: ParticipantId
    transport: TransportId


@dataclass(frozen=True, slots=True)
class TransportFailed:
    """Concerns ``owner`` only: everything on the transport has ended."""

    owner: ParticipantId
    transport: TransportId
    reason: str


@dataclass(frozen=True, slots=True)
class SessionReady:
    """A publication or subscription (``session``) of ``owner`` works."""

    owner: ParticipantId
    transport: TransportId
    session: StreamId | SubscriptionId


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """A publication or subscription of ``owner`` failed or was ended by somebody else."""

    owner: ParticipantId
    transport: TransportId
    session: StreamId | SubscriptionId
    reason: str


@dataclass(frozen=True, slots=True)
class StreamAdded:
    """A stream can be subscribed to from now on (OWT's "add")."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class StreamRemoved:
    stream: StreamId


@dataclass(frozen=True, slots=True)
class StreamMuted:
    """A track kind of a stream became active or inactive."""

    stream: StreamId
    kind: Kind
    active: bool


@dataclass(frozen=True, slots=True)
class StreamUpdated:
    """The description of a stream changed (OWT's update of field ".")."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class LayerChanged:
    """Concerns ``owner`` only: see LayerSeen."""

    owner: ParticipantId
    subscription: SubscriptionId
    mid: str
    rid: str | None


@dataclass(frozen=True, slots=True)
class LayoutChanged:
    """Where the inputs of a mixed stream are seen now."""

    view: StreamId
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class SpeakerChanged:
    """Who speaks in a mixed stream: OWT's "activeInput"."""

    view: StreamId
    stream: StreamId


@dataclass(frozen=True, slots=True)
class TextSent:
    """``to`` is a participant or "all"."""

    sender: ParticipantId
    to: str
    message: str


# ── actions: work for the media engine ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class OpenSource:
    """Expect a source. ``audio_in`` and ``video_in`` are the formats the room accepts."""

    stream: StreamId
    owner: ParticipantId
    source: Source
    audio_in: tuple[AudioFormat, ...]
    video_in: tuple[VideoFormat, ...]


@dataclass(frozen=True, slots=True)
class CloseSource:
    """Follows every OpenSource exactly once, also after the engine reported its loss."""

    stream: StreamId


@dataclass(frozen=True, slots=True)
class OpenSink:
    """Send the subscription's tracks; each has the ``format`` of its source filled in."""

    subscription: Subscription
    sink: Sink

    def redirected(self, track: SubscribedTrack) -> OpenSink:
        """The same with ``track`` on the section that it names."""
        tracks = tuple(track if one.mid == track.mid else one for one in self.subscription.tracks)
        return replace(self, subscription=replace(self.subscription, tracks=tracks))


@dataclass(frozen=True, slots=True)
class CloseSink:
    """Follows every OpenSink exactly once, also after the engine reported its loss."""

    subscription: SubscriptionId


@dataclass(frozen=True, slots=True)
class SetSourceActive:
    """Forward a kind of the source's media, or stop to. Only for sources that are ready, and only changes."""

    stream: StreamId
    kind: Kind
    active: bool


@dataclass(frozen=True, slots=True)
class SetSinkActive:
    """Send a kind of media to the sink, or stop to. Only for sinks that are ready, and only changes."""

    subscription: SubscriptionId
    kind: Kind
    active: bool


@dataclass(frozen=True, slots=True)
class SetSinkLayer:
    """What to send on section ``mid`` of a sink is wished for anew. Only changes, and at any time after OpenSink."""

    subscription: SubscriptionId
    mid: str
    layer: LayerWish


@dataclass(frozen=True, slots=True)
class SetSinkOrigin:
    """Send another track of the same format on the section that ``track`` names; at any time after OpenSink."""

    subscription: SubscriptionId
    track: SubscribedTrack


@dataclass(frozen=True, slots=True)
class SetComposition:
    """Make the mixed stream ``view`` of this from now on."""

    view: StreamId
    composition: Composition


@dataclass(frozen=True, slots=True)
class CloseTransports:
    """The participant left: close all its transports."""

    owner: ParticipantId


Command: TypeAlias = (
    Join
    | Leave
    | Drop
    | Publish
    | Unpublish
    | Subscribe
    | Unsubscribe
    | SetStreamActive
    | SetSubscriptionActive
    | UpdateSubscription
    | SetPermission
    | SendText
    | Mix
    | Unmix
    | SetRegion
    | ShowInRegion
    | SetLayout
    | SetTemplate
    | ChangeTogether
    | Close
)
Report: TypeAlias = (
    TransportReady
    | TransportLost
    | SourceReady
    | SourceLost
    | SinkReady
    | SinkLost
    | ResolutionSeen
    | LayerSeen
    | SpeakerHeard
)
Input: TypeAlias = Command | Report | Tick
Action: TypeAlias = (
    OpenSource
    | CloseSource
    | OpenSink
    | CloseSink
    | SetSourceActive
    | SetSinkActive
    | SetSinkLayer
    | SetSinkOrigin
    | SetComposition
    | CloseTransports
)
Event: TypeAlias = (
    ParticipantJoined
    | ParticipantLeft
    | ParticipantDropped
    | TransportUp
    | TransportFailed
    | SessionReady
    | SessionFailed
    | StreamAdded
    | StreamRemoved
    | StreamMuted
    | StreamUpdated
    | LayerChanged
    | LayoutChanged
    | SpeakerChanged
    | TextSent
)
Output: TypeAlias = Event | Action
