"""Commands: what somebody wants of a room.

``by`` is the participant who asks; None: the server itself or the management API, which may do everything.
"""

# ruff: noqa: TC001 (a remote engine resolves the field types at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from palaver.room.endpoints import Sink, Source
from palaver.room.values import (
    Format,
    GeneratedTemplate,
    Kind,
    LayerPreference,
    ParticipantId,
    Permission,
    Placement,
    Standing,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    VideoParameters,
)


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
    """A stream begins; ``standing``: as it was before, if it comes back."""

    by: ParticipantId | None
    stream: StreamId
    source: Source
    attributes: dict[str, object] | None = None
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True)
class Unpublish:
    by: ParticipantId | None
    stream: StreamId


@dataclass(frozen=True, slots=True)
class Subscribe:
    by: ParticipantId | None
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

    ``origin`` is the id of a stream or of a track. Limits and a resolution replace what chose the layer before. Another
    ``format`` is for sinks of the server: a client's section carries the one that was negotiated.
    """

    kind: Kind
    origin: StreamId | None = None
    parameters: VideoParameters | None = None
    layer: LayerPreference | None = None
    format: Format | None = None


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
    base: GeneratedTemplate
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
