"""The nouns of a conference, named as OWT clients already know them. Immutable plain data throughout."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NewType, TypeAlias

RoomId = NewType("RoomId", str)
ParticipantId = NewType("ParticipantId", str)
StreamId = NewType("StreamId", str)
SubscriptionId = NewType("SubscriptionId", str)
TransportId = NewType("TransportId", str)
TrackId = NewType("TrackId", str)

Kind = Literal["audio", "video"]
GeneratedTemplate: TypeAlias = Literal["fluid", "lecture"]
Template: TypeAlias = Literal[GeneratedTemplate, "void"]
"""OWT's families of layouts: equal tiles; one large picture among small ones; none but an application's own."""
KINDS: Final[tuple[Kind, Kind]] = ("audio", "video")

NO_LIMIT: Final = -1


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """``codec`` is OWT's lower-case name ("opus", "pcmu"); an absent rate or channel count matches any."""

    codec: str
    sample_rate: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """``profile`` is for H264 only: "CB", "B", "M" or "H"; absent matches any."""

    codec: str
    profile: str | None = None


Format = AudioFormat | VideoFormat


@dataclass(frozen=True, slots=True)
class Resolution:
    """Picture size in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class VideoParameters:
    """What is known, or asked for, of a video track beside its format.

    ``bitrate`` is kbit/s or a multiplier such as "x0.8", ``key_frame_interval`` seconds.
    """

    resolution: Resolution | None = None
    framerate: float | None = None
    bitrate: float | str | None = None
    key_frame_interval: float | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One audio or video flow of a stream; of a simulcast section there is one for each layer, called ``rid``.

    ``id`` (``<transport>-<mid>``, of a layer ``<transport>-<mid>:<rid>``) and ``mid`` exist for tracks of WebRTC
    streams only; ``active`` is false while muted.
    """

    kind: Kind
    format: Format
    source: str | None = None
    parameters: VideoParameters | None = None
    active: bool = True
    id: TrackId | None = None
    mid: str | None = None
    rid: str | None = None


@dataclass(frozen=True, slots=True)
class LayerPreference:
    """Which layer of a track somebody wants: the one called ``rid``, else the largest within the limits (0: none)."""

    rid: str | None = None
    max_width: int = 0
    max_height: int = 0
    max_framerate: float = 0

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return (self.max_width, self.max_height, self.max_framerate) != (0, 0, 0)


ANY_LAYER: Final = LayerPreference()


@dataclass(frozen=True, slots=True)
class Grant:
    """Which kinds of media something applies to."""

    audio: bool = False
    video: bool = False

    def allows(self, kind: Kind) -> bool:
        """Whether ``kind`` is granted."""
        return self.audio if kind == "audio" else self.video


@dataclass(frozen=True, slots=True)
class Permission:
    """What one participant may do; starts as its role's."""

    publish: Grant
    subscribe: Grant


@dataclass(frozen=True, slots=True)
class Role:
    """A named permission of a room."""

    name: str
    permission: Permission


@dataclass(frozen=True, slots=True)
class Participant:
    """A member of a room. ``user`` is the application's name for the person, not unique."""

    id: ParticipantId
    user: str
    role: str
    permission: Permission


class StreamState(StrEnum):
    """Where a stream is in its life; only LIVE ones are seen by others."""

    NEGOTIATING = "negotiating"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Region:
    """A place in a layout; the four area values are fractions of the picture, written as "num/den"."""

    id: str
    left: str
    top: str
    width: str
    height: str
    shape: str = "rectangle"


@dataclass(frozen=True, slots=True)
class Placement:
    """A region of a mixed stream's layout and the stream shown there, if any."""

    region: Region
    stream: StreamId | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """What a room offers to subscribers. Its id is also the id of the publication behind it.

    A forward stream has an ``origin`` ("webrtc", "streaming", "sip", …) and, if a participant sends it, an ``owner``;
    a mixed one has a ``label`` instead.
    """

    id: StreamId
    owner: ParticipantId | None = None
    origin: str = "webrtc"
    transport: TransportId | None = None
    state: StreamState = StreamState.NEGOTIATING
    tracks: tuple[Track, ...] = ()
    attributes: dict[str, object] | None = None
    in_views: tuple[str, ...] = ()
    label: str | None = None
    layout: tuple[Placement, ...] = ()
    active_input: str = "unknown"

    @property
    def mixed(self) -> bool:
        """Whether this is the mixed stream of a view."""
        return self.label is not None

    def track(self, kind: Kind) -> Track | None:
        """The first track of ``kind``, or None."""
        return next((track for track in self.tracks if track.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a forward stream stands in its room: which kinds are muted, and which views it is in.

    ``places`` are labels of views, each with the id of the region where the stream is seen; None: it is not seen.
    """

    muted: tuple[Kind, ...] = ()
    places: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class SubscribedTrack:
    """One track of a subscription: where it comes from, and what was asked for.

    ``format`` is the source's own; ``formats`` are all in which it may be sent. ``transcoded``: it is not sent as it
    comes but encoded for this: it is mixed, or another size, rate or format was asked for.

    ``track`` tells the section; it is the wish that says which of the section's layers is sent.
    """

    kind: Kind
    stream: StreamId
    track: TrackId | None = None
    mid: str | None = None
    format: Format | None = None
    parameters: VideoParameters | None = None
    active: bool = True
    layer: LayerPreference = ANY_LAYER
    formats: tuple[Format, ...] = ()
    transcoded: bool = False


class SubscriptionState(StrEnum):
    """Where a subscription is in its life."""

    NEGOTIATING = "negotiating"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who receives which tracks; without ``owner`` the server itself.

    A ``lasting`` one goes on without its sources, and waits for others of the same people. One that ``accompanies``
    its room does not keep it running; what one takes that ``records`` is kept.
    """

    id: SubscriptionId
    owner: ParticipantId | None
    transport: TransportId | None
    tracks: tuple[SubscribedTrack, ...]
    state: SubscriptionState = SubscriptionState.NEGOTIATING
    lasting: bool = False
    accompanies: bool = False
    records: bool = False

    @property
    def paused(self) -> bool:
        """Whether nothing of it is wanted for now."""
        return not any(track.active for track in self.tracks)


@dataclass(frozen=True, slots=True)
class View:
    """A named mix of a room. ``video_format`` is None for an audio-only view.

    ``base`` and ``custom`` say which sets of regions there are; ``background`` is red, green and blue, 0 to 255;
    ``detect_speaker``: whether it is found out who speaks.
    """

    label: str
    audio_format: AudioFormat
    video_format: VideoFormat | None
    video_parameters: VideoParameters | None = None
    max_input: int = 16
    motion_factor: float = 0.8
    base: Template = "fluid"
    custom: tuple[tuple[Region, ...], ...] = ()
    crop: bool = False
    background: tuple[int, int, int] = (0, 0, 0)
    detect_speaker: bool = True
    speaker_first: bool = False


@dataclass(frozen=True, slots=True)
class MixInput:
    """A forward stream in a view; ``name`` is shown while it has no picture."""

    stream: StreamId
    owner: ParticipantId | None
    name: str


@dataclass(frozen=True, slots=True)
class Composition:
    """What a view is made of at a moment: all ``inputs`` are heard, those in ``placements`` are seen."""

    view: View
    placements: tuple[Placement, ...] = ()
    inputs: tuple[MixInput, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaOut:
    """The formats and parameters that a room may produce by transcoding."""

    audio: tuple[AudioFormat, ...] = ()
    video: tuple[VideoFormat, ...] = ()
    resolutions: tuple[str, ...] = ()
    framerates: tuple[float, ...] = ()
    bitrates: tuple[float | str, ...] = ()
    key_frame_intervals: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcoding:
    """Which kinds of conversion a room offers."""

    audio: bool = True
    video_format: bool = True
    resolution: bool = True
    framerate: bool = True
    bitrate: bool = True
    key_frame_interval: bool = True


RecordingState: TypeAlias = Literal["recording", "paused"]
"""Whether a room is recorded: all of its recordings are paused, or some are not."""


@dataclass(frozen=True, slots=True)
class OwnRecording:
    """What a room records by itself whenever somebody or something is in it: the view ``label``."""

    label: str
    container: str = "auto"


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """The definition of a room, as far as running it needs. A running room keeps the one it started with."""

    id: RoomId
    name: str
    roles: tuple[Role, ...]
    views: tuple[View, ...] = ()
    participant_limit: int = NO_LIMIT
    input_limit: int = NO_LIMIT
    audio_in: tuple[AudioFormat, ...] = ()
    video_in: tuple[VideoFormat, ...] = ()
    out: MediaOut = field(default_factory=MediaOut)
    transcoding: Transcoding = field(default_factory=Transcoding)
    notify_participants: bool = True
    notify_streams: bool = True
    recording: OwnRecording | None = None

    def role(self, name: str) -> Role | None:
        """The role called ``name``, or None."""
        return next((role for role in self.roles if role.name == name), None)
