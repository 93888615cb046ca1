"""The port to what encodes for a room: its views, and streams in other forms than they come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from palaver.media.ports import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.containment import OwnedTasks
    from palaver.media.pipelines.supervisor import Pipelines
    from palaver.media.tracks import Tracks
    from palaver.room.messages import Report
    from palaver.room.values import Composition, Format, ParticipantId, RoomId, StreamId, SubscribedTrack


@dataclass(frozen=True, slots=True)
class FormLimits:
    """In how many forms one view or stream is encoded, and how many one participant may ask for."""

    of_one: int = 16
    of_participant: int = 32


USUAL_FORMS: Final = FormLimits()


class TooManyForms(EngineError):
    """A view, a stream or a participant has as many forms as it may; the text names the field that asks for another."""


class Demand(Protocol):
    """Something that will be encoded because somebody needs it; :meth:`begin` says that the other end is there."""

    @property
    def producer(self) -> int:
        """What the core calls the result: it can be sent and tapped like any track that arrives."""
        ...

    @property
    def format(self) -> Format:
        """What it is encoded in."""
        ...

    def begin(self) -> None:
        """Whoever needs it is connected: encode."""
        ...

    def release(self) -> None:
        """It is not needed any more."""
        ...


class Encoders(Protocol):
    """Encodes what rooms need, as long as somebody needs it."""

    def is_view(self, room: RoomId, stream: StreamId) -> bool:
        """Whether ``stream`` is a mixed one."""
        ...

    def compose(self, room: RoomId, view: StreamId, composition: Composition) -> None:
        """A view is made of this from now on."""
        ...

    def sources_changed(self, room: RoomId) -> None:
        """Tracks came, went, or were muted."""
        ...

    def forget_stream(self, room: RoomId, stream: StreamId) -> None:
        """A forward stream has ended, and with it what is made of it."""
        ...

    def close_room(self, room: RoomId) -> None:
        """The room is over, and whatever is made for it."""
        ...

    def demand(
        self,
        room: RoomId,
        track: SubscribedTrack,
        wanted: Format,
        listener: ParticipantId | None,
        thread: int,
    ) -> Demand | None:
        """``track`` in the format ``wanted``, to be encoded once it begins; None if what it is made of is gone.

        A ``listener`` does not hear itself in a view. Raises TooManyForms.
        """
        ...

    def is_outdated(self, demand: Demand, room: RoomId, view: StreamId, listener: ParticipantId) -> bool:
        """Whether ``listener`` came into the view, or left it, so that it hears another mix from now on."""
        ...

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by their metric names."""
        ...

    def __len__(self) -> int:
        """Everything that is remembered, to see that it goes."""
        ...


@dataclass(frozen=True, slots=True)
class EncoderContext:
    """What encoders get of the engine; ``failed`` hears which producer cannot be encoded, and why."""

    pipelines: Pipelines
    tracks: Tracks
    tasks: OwnedTasks
    report: Callable[[RoomId, Report], None]
    failed: Callable[[int, str], None]
    forms: FormLimits = USUAL_FORMS


class EncoderFactory(Protocol):
    """Makes the encoders of a node. ``preload`` are the modules that its pipelines begin with."""

    @property
    def preload(self) -> tuple[str, ...]:
        """See the class."""
        ...

    def __call__(self, context: EncoderContext) -> Encoders:
        """See the class."""
        ...


class NoEncoders:
    """Encodes nothing: every stream is had as it comes, and views are not had."""

    preload: ClassVar[tuple[str, ...]] = ()

    def __init__(self, context: EncoderContext) -> None:
        self._views: set[tuple[RoomId, StreamId]] = set()

    def is_view(self, room: RoomId, stream: StreamId) -> bool:
        """See Encoders."""
        return (room, stream) in self._views

    def compose(self, room: RoomId, view: StreamId, composition: Composition) -> None:
        """See Encoders."""
        self._views.add((room, view))

    def sources_changed(self, room: RoomId) -> None:
        """See Encoders."""

    def forget_stream(self, room: RoomId, stream: StreamId) -> None:
        """See Encoders."""

    def close_room(self, room: RoomId) -> None:
        """See Encoders."""
        self._views = {key for key in self._views if key[0] != room}

    def demand(
        self,
        room: RoomId,
        track: SubscribedTrack,
        wanted: Format,
        listener: ParticipantId | None,
        thread: int,
    ) -> Demand | None:
        """See Encoders."""
        return None

    def is_outdated(self, demand: Demand, room: RoomId, view: StreamId, listener: ParticipantId) -> bool:
        """See Encoders."""
        return False

    def stats(self) -> Mapping[str, float]:
        """See Encoders."""
        return {}

    def __len__(self) -> int:
        return len(self._views)
