"""Handlers of what concerns subscriptions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from palaver.room.checks import check_granted, existing_kinds, kinds_of
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    AnalysisObserved,
    AnalysisSeen,
    CloseSink,
    ForgetSinkOrigin,
    LayerChanged,
    OpenSink,
    RecordingChanged,
    SessionFailed,
    SessionReady,
    SetSinkActive,
    SetSinkLayer,
    SetSinkOrigin,
    SinkLost,
    SinkReady,
    StreamRemoved,
    TrackChange,
    Unsubscribe,
)
from palaver.room.moves import SUBSCRIPTION_MOVES
from palaver.room.reasons import SOURCE_LOSS, TERMINATED
from palaver.room.subscribing import changed, resolve, same_media
from palaver.room.values import Subscription, SubscriptionState

if TYPE_CHECKING:
    from palaver.room.messages import LayerSeen, Outcome, SetSubscriptionActive, Subscribe, UpdateSubscription
    from palaver.room.state import RoomState
    from palaver.room.values import Kind, RecordingState, Stream, SubscribedTrack, SubscriptionId


@dataclass(slots=True)
class Subscriptions:
    """Changes the subscriptions of a room. Every sink that it opens it also closes, once."""

    _state: RoomState
    # What lasting subscriptions wait for: of each kind the stream that ended, and who published it.
    _waiting: dict[SubscriptionId, dict[Kind, tuple[str, ...]]] = field(default_factory=dict)
    recording: RecordingState | None = None
    """Whether the room is recorded."""

    def subscribe(self, command: Subscribe) -> list[Outcome]:
        """Somebody wants to receive tracks."""
        state, register = self._state, self._state.register
        owner = register.participant(command.by) if command.by is not None else None
        register.check_new(command.subscription, Fault.SUBSCRIPTION_EXISTS)
        kinds = kinds_of(command.tracks)
        if owner is not None:
            check_granted(owner, owner.permission.subscribe, kinds)
        tracks = tuple(resolve(track, register.streams, state.config) for track in command.tracks)
        mids = [track.mid for track in tracks]
        transport = state.transports.checked(command.by, command.sink, mids)

        subscription = Subscription(
            command.subscription,
            command.by,
            transport,
            tracks,
            lasting=command.sink.lasting,
            accompanies=command.sink.accompanies,
            records=command.sink.records,
        )
        register.subscriptions[subscription.id] = subscription
        state.transports.bind(command.by, transport, subscription.id, mids)
        state.negotiations.start(subscription.id, command.sink.ready_timeout_s)
        return [*state.views.compositions(tracks), OpenSink(subscription, command.sink)]

    def unsubscribe(self, command: Unsubscribe) -> list[Outcome]:
        """A subscription is not wanted any more."""
        subscription = self._state.register.subscription(command.by, command.subscription)
        own = command.by == subscription.owner
        return self.end(subscription, Unsubscribe, None if own else TERMINATED)

    def observed(self, report: AnalysisObserved) -> list[Outcome]:
        """An analysis has seen something; nothing is told of one that has ended meanwhile."""
        subscription = self._state.register.subscriptions.get(report.subscription)
        if subscription is None:
            return []
        stream = subscription.tracks[0].stream
        return [
            AnalysisSeen(subscription.id, stream, report.algorithm, report.name, report.data, report.time)
        ]

    def set_active(self, command: SetSubscriptionActive) -> list[Outcome]:
        """What one subscriber receives is paused or goes on."""
        register = self._state.register
        subscription = register.subscription(command.by, command.subscription)
        kinds = frozenset(track.kind for track in subscription.tracks)
        wanted = existing_kinds(command.kinds, kinds, subscription.id)
        changed_kinds = {
            track.kind
            for track in subscription.tracks
            if track.kind in wanted and track.active != command.active
        }
        tracks = tuple(
            replace(track, active=command.active) if track.kind in wanted else track
            for track in subscription.tracks
        )
        register.subscriptions[subscription.id] = replace(subscription, tracks=tracks)
        if subscription.state is SubscriptionState.NEGOTIATING:
            return []  # the engine hears of it when the sink exists
        set_active = [SetSinkActive(subscription.id, kind, command.active) for kind in sorted(changed_kinds)]
        return [*set_active, *self._recording_changed(subscription)]

    def update(self, command: UpdateSubscription) -> list[Outcome]:
        """Something else is to be received, or in another way."""
        register = self._state.register
        subscription = register.subscription(command.by, command.subscription)
        return self._retrack(
            subscription, changed(subscription, command.changes, register.streams, self._state.config)
        )

    def follow(self, stream: Stream) -> list[Outcome]:
        """Another format comes from a stream: whoever receives it gets it as before, or else converted."""
        register = self._state.register
        outcomes: list[Outcome] = []
        for subscription in register.subscribers(stream.id):
            changes = [
                TrackChange(track.kind, stream.id, track.parameters, track.layer)
                for track in subscription.tracks
                if track.stream == stream.id
            ]
            try:
                tracks = changed(subscription, changes, register.streams, self._state.config)
            except RoomError:
                outcomes += self.end(subscription, StreamRemoved, SOURCE_LOSS)
            else:
                outcomes += self._retrack(subscription, tracks)
        return outcomes

    def _retrack(self, subscription: Subscription, tracks: tuple[SubscribedTrack, ...]) -> list[Outcome]:
        """A subscription has these tracks from now on, each in place of one before."""
        self._state.register.subscriptions[subscription.id] = replace(subscription, tracks=tracks)
        outcomes: list[Outcome] = [*self._state.views.compositions(tracks)]
        waiting = self._waiting.get(subscription.id, {})
        for old, new in zip(subscription.tracks, tracks, strict=True):
            if found := new.kind in waiting and new.stream in self._state.register.streams:
                del waiting[new.kind]
            if found or not same_media(old, new):
                outcomes += [SetSinkOrigin(subscription.id, new)]
            elif new.mid is not None and new.layer != old.layer:
                outcomes += [SetSinkLayer(subscription.id, new.mid, new.layer)]
        return outcomes

    def source_ended(self, subscription: Subscription, stream: Stream) -> list[Outcome]:
        """A stream that is drawn from has ended: so does the subscription, unless it is a lasting one."""
        if not subscription.lasting:
            return self.end(subscription, StreamRemoved, SOURCE_LOSS)
        kinds = sorted({track.kind for track in subscription.tracks if track.stream == stream.id})
        waiting = self._waiting.setdefault(subscription.id, {})
        new = [kind for kind in kinds if kind not in waiting]
        waiting |= dict.fromkeys(new, self._identity(stream))
        return [ForgetSinkOrigin(subscription.id, kind) for kind in new]

    def adopt(self, stream: Stream) -> list[Outcome]:
        """A stream is live: lasting subscriptions that wait for one of its publisher draw from it from now on."""
        outcomes: list[Outcome] = []
        for subscription_id, waiting in list(self._waiting.items()):
            for kind, identity in list(waiting.items()):
                if not set(identity) & set(self._identity(stream)) or stream.track(kind) is None:
                    continue
                register = self._state.register
                subscription = register.subscriptions[subscription_id]
                try:
                    tracks = changed(
                        subscription, [TrackChange(kind, stream.id)], register.streams, self._state.config
                    )
                except RoomError:
                    continue  # it cannot be had in that form: perhaps the next one can
                register.subscriptions[subscription_id] = replace(subscription, tracks=tracks)
                del waiting[kind]
                new = next(track for track in tracks if track.kind == kind)
                outcomes += [*self._state.views.compositions(tracks), SetSinkOrigin(subscription_id, new)]
        self._waiting = {one: waiting for one, waiting in self._waiting.items() if waiting}
        return outcomes

    def _identity(self, stream: Stream) -> tuple[str, ...]:
        """By what a stream is recognised when it comes again."""
        owner = self._state.register.participants.get(stream.owner) if stream.owner is not None else None
        return (
            (f"stream {stream.id}", f"user {owner.user}") if owner is not None else (f"stream {stream.id}",)
        )

    def layer_seen(self, report: LayerSeen) -> list[Outcome]:
        """Another layer is sent on a section."""
        subscription = self._state.register.subscriptions.get(report.subscription)
        if subscription is None or subscription.state is not SubscriptionState.LIVE:
            return []
        if subscription.owner is None:
            return []
        return [LayerChanged(subscription.owner, subscription.id, report.mid, report.rid)]

    def ready(self, report: SinkReady) -> list[Outcome]:
        """A sink works; what it cannot carry is no part of the subscription any more."""
        state, subscriptions = self._state, self._state.register.subscriptions
        subscription = subscriptions.get(report.subscription)
        moved = SUBSCRIPTION_MOVES.get((subscription.state, SinkReady)) if subscription else None
        if subscription is None or moved is None:
            return []
        carried = tuple(track for track in subscription.tracks if track.mid not in report.rejected)
        subscription = replace(subscription, state=moved, tracks=carried)
        subscriptions[subscription.id] = subscription
        state.negotiations.end(subscription.id)
        paused = sorted({track.kind for track in subscription.tracks if not track.active})
        return [
            *state.transport_up(subscription.transport),
            *(SetSinkActive(subscription.id, kind, False) for kind in paused),
            SessionReady(subscription.owner, subscription.transport, subscription.id),
            *self._recording_changed(subscription),
        ]

    def lost(self, report: SinkLost) -> list[Outcome]:
        """A sink failed or ended."""
        subscription = self._state.register.subscriptions.get(report.subscription)
        return self.end(subscription, SinkLost, report.reason) if subscription else []

    def end(self, subscription: Subscription, trigger: type, reason: str | None = None) -> list[Outcome]:
        """Close a subscription; its owner is told ``reason``, if there is one."""
        assert SUBSCRIPTION_MOVES[subscription.state, trigger] is SubscriptionState.ENDED
        del self._state.register.subscriptions[subscription.id]
        self._waiting.pop(subscription.id, None)
        self._state.negotiations.end(subscription.id)
        outcomes: list[Outcome] = [CloseSink(subscription.id)]
        if subscription.transport is not None:
            self._state.transports.release(subscription.transport, subscription.id)
        if reason is not None:
            outcomes += [SessionFailed(subscription.owner, subscription.transport, subscription.id, reason)]
        return outcomes + self._recording_changed(subscription)

    def _recording_changed(self, subscription: Subscription) -> list[Outcome]:
        """What a change of ``subscription`` means for whether the room is recorded."""
        if not subscription.records:
            return []
        every = self._state.register.subscriptions.values()
        paused = {one.paused for one in every if one.records and one.state is SubscriptionState.LIVE}
        state: RecordingState | None = "recording" if False in paused else "paused" if paused else None
        if state == self.recording:
            return []
        self.recording = state
        return [RecordingChanged(state)]
