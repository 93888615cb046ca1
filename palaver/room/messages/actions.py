"""Actions: work of a room for the media engine."""

# ruff: noqa: TC001 (a remote engine resolves the field types at run time)

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from palaver.room.endpoints import Sink, Source
from palaver.room.values import (
    AudioFormat,
    Composition,
    Kind,
    LayerPreference,
    ParticipantId,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    VideoFormat,
)


@dataclass(frozen=True, slots=True)
class OpenSource:
    """Expect a source. ``audio_in`` and ``video_in`` are the formats the room accepts."""

    stream: StreamId
    owner: ParticipantId | None
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
        """The same with ``track`` on the section that it names; without sections, in place of the one of its kind."""
        tracks = tuple(
            track if (one.mid, one.kind) == (track.mid, track.kind) else one
            for one in self.subscription.tracks
        )
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
    layer: LayerPreference


@dataclass(frozen=True, slots=True)
class SetSinkOrigin:
    """Send another track, or the same in another form, on the section that ``track`` names.

    Without sections it replaces the one of its kind. At any time after OpenSink.
    """

    subscription: SubscriptionId
    track: SubscribedTrack


@dataclass(frozen=True, slots=True)
class ForgetSinkOrigin:
    """What a lasting sink took of this kind has ended: nothing comes until there is another origin."""

    subscription: SubscriptionId
    kind: Kind


@dataclass(frozen=True, slots=True)
class SetComposition:
    """Make the mixed stream ``view`` of this from now on."""

    view: StreamId
    composition: Composition


@dataclass(frozen=True, slots=True)
class CloseTransports:
    """The participant left: close all its transports."""

    owner: ParticipantId


Action: TypeAlias = (
    OpenSource
    | CloseSource
    | OpenSink
    | CloseSink
    | SetSourceActive
    | SetSinkActive
    | SetSinkLayer
    | SetSinkOrigin
    | ForgetSinkOrigin
    | SetComposition
    | CloseTransports
)
