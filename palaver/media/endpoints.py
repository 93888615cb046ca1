"""The port that a kind of source or sink of the server implements, and what it gets of the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import structlog

    from palaver.media.pipelines.supervisor import Pipelines
    from palaver.media.rtp import RtpTransport
    from palaver.media.tracks import CoreTrack
    from palaver.room.messages import Action, OpenSink, OpenSource
    from palaver.room.values import Format, LayerPreference, Resolution, RoomId, SubscribedTrack, Track


class EndpointLost(Exception):
    """The source or sink cannot go on; the text says why, for people."""


class Endpoint(Protocol):
    """A source or sink of one room while it lives."""

    async def run(self) -> None:
        """Work until cancelled, which closes it: whatever takes long to finish has a bound.

        Raises EndpointLost if it fails. Returning means that it ended by itself.
        """
        ...

    def change(self, action: Action) -> None:
        """Something is wanted otherwise: muted, another origin, another layer."""
        ...


@dataclass(frozen=True, slots=True)
class NewTrack:
    """A track that a pipeline writes; ``fmtp`` as in SDP: of H264 its profile-level-id."""

    format: Format
    fmtp: dict[str, str] = field(default_factory=dict)
    size: Resolution | None = None


class Tap(Protocol):
    """A track on its way into a pipeline."""

    @property
    def format(self) -> Format:
        """What it comes in."""
        ...

    def close(self) -> None:
        """It is not needed any more."""
        ...


class Sending(Protocol):
    """A track on its way to a peer over plain RTP."""

    def set_active(self, active: bool) -> None:
        """Send it, or nothing."""
        ...

    def close(self) -> None:
        """It is not sent any more; the numbers of what was sent are kept for the next."""
        ...


class RoomMedia(Protocol):
    """What an endpoint gets of the engine; whatever it leaves open is closed after its end."""

    @property
    def room(self) -> RoomId:
        """Whose it is."""
        ...

    @property
    def thread(self) -> int:
        """The thread of the core for its pipelines."""
        ...

    @property
    def pipelines(self) -> Pipelines:
        """Where its pipelines come from."""
        ...

    @property
    def log(self) -> structlog.stdlib.BoundLogger:
        """Says for which endpoint."""
        ...

    def publish(self, track: NewTrack, pipeline: int, number: int) -> CoreTrack:
        """Make a source's track of what a pipeline writes as ``number``, in place of the one of its kind before.

        In the same format, whoever receives it sees one track go on.
        """
        ...

    def tap(
        self, track: SubscribedTrack, pipeline: int, number: int, layer: LayerPreference | None = None
    ) -> Tap | None:
        """Give a subscribed track to a pipeline as ``number``: as it comes, or encoded, as the subscription says.

        ``layer``: which one of a track that comes in several; without, the best.

        None if its source is gone.
        """
        ...

    def receive(self, transport: RtpTransport) -> CoreTrack:
        """Make a source's track of what comes on a configured RTP transport, in place of the one of its kind before."""
        ...

    def send(self, track: SubscribedTrack, transport: RtpTransport) -> Sending | None:
        """Send a subscribed track on a configured RTP transport, in place of what was sent there before.

        As it comes if the section takes it, else encoded; the subscription's owner does not hear itself in a view. None
        if its source is gone, or cannot be sent so.
        """
        ...

    def ready(self, tracks: tuple[Track, ...] = ()) -> None:
        """The source works, with these tracks; or the sink does. Said once."""
        ...

    def interrupted(self, reason: str) -> None:
        """Nothing comes from the source for now."""
        ...

    def resumed(self, tracks: tuple[Track, ...]) -> None:
        """The source is back, or goes on in another form, with these tracks."""
        ...


@dataclass(frozen=True, slots=True)
class EndpointKind:
    """A kind of source or sink: how one is opened, and the modules that its pipelines begin with.

    ``open`` raises EndpointLost or EngineError for what cannot be opened. It must not take long.
    """

    open: Callable[[OpenSource | OpenSink, RoomMedia], Endpoint]
    preload: tuple[str, ...] = ()
