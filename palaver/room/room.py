"""The room: one conference, changed by one input at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from palaver.room.checks import check_granted, existing_kinds, kinds_of, seen_track
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    ChangeTogether,
    Close,
    CloseSink,
    CloseSource,
    CloseTransports,
    Command,
    Drop,
    Input,
    Join,
    LayerChanged,
    LayerSeen,
    Leave,
    Mix,
    OpenSink,
    OpenSource,
    Outcome,
    ParticipantDropped,
    ParticipantJoined,
    ParticipantLeft,
    Publish,
    ResolutionSeen,
    SendText,
    SessionFailed,
    SessionReady,
    SetLayout,
    SetPermission,
    SetRegion,
    SetSinkActive,
    SetSinkLayer,
    SetSinkOrigin,
    SetSourceActive,
    SetStreamActive,
    SetSubscriptionActive,
    SetTemplate,
    ShowInRegion,
    SinkLost,
    SinkReady,
    SourceLost,
    SourceReady,
    SpeakerHeard,
    StreamAdded,
    StreamMuted,
    StreamRemoved,
    StreamUpdated,
    Subscribe,
    TextSent,
    Tick,
    TransportFailed,
    TransportLost,
    TransportReady,
    TransportUp,
    Unmix,
    Unpublish,
    Unsubscribe,
    UpdateSubscription,
)
from palaver.room.moves import STREAM_MOVES, SUBSCRIPTION_MOVES
from palaver.room.negotiations import Negotiations
from palaver.room.register import Register
from palaver.room.subscribing import changed, resolve, same_media
from palaver.room.transports import Transports
from palaver.room.values import (
    Kind,
    Participant,
    ParticipantId,
    RoomConfig,
    Stream,
    StreamId,
    StreamState,
    Subscription,
    SubscriptionId,
    SubscriptionState,
    TransportId,
    VideoParameters,
    View,
)
from palaver.room.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEXT_LIMIT: Final = 2048
"""Characters in a text."""

# Reasons of SessionFailed, in the words that OWT's clients know.
SOURCE_LOSS: Final = "Source stream loss"
TERMINATED: Final = "Participant terminate"
TIMED_OUT: Final = "Negotiation timed out"

_COMMANDS: Final = get_args(Command)


@dataclass(frozen=True, slots=True)
class _Unready:
    """A publication before its tracks are known: the kinds it announced, and those muted meanwhile."""

    kinds: frozenset[Kind]
    muted: frozenset[Kind] = frozenset()


class Room:
    """One conference. Inputs go in one at a time; each returns all that follows from it, in order.

    Owns participants, streams and subscriptions. Every source and sink that it opens it also closes, once.
    A stream and a subscription never share an id, since clients look for both in one table.
    """

    def __init__(self, config: RoomConfig, *, negotiation_timeout_s: float = 30.0) -> None:
        self._config = config
        self._closed = False
        self._register = register = Register()
        self._participants, self._streams = register.participants, register.streams
        self._subscriptions = register.subscriptions
        self._views = Views(self._streams)
        self._views.open(config)
        self._mixed = len(self._streams)
        self._unready: dict[StreamId, _Unready] = {}
        self._transports = Transports()
        self._negotiations = Negotiations(negotiation_timeout_s)

    # ── to read ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def config(self) -> RoomConfig:
        """The definition that the room started with."""
        return self._config

    @property
    def participants(self) -> Mapping[ParticipantId, Participant]:
        """Who is here, by id, in order of arrival."""
        return MappingProxyType(self._participants)

    @property
    def streams(self) -> Mapping[StreamId, Stream]:
        """Every stream by id, negotiating ones included."""
        return MappingProxyType(self._streams)

    @property
    def subscriptions(self) -> Mapping[SubscriptionId, Subscription]:
        """Every subscription by id, negotiating ones included."""
        return MappingProxyType(self._subscriptions)

    @property
    def deadline(self) -> float | None:
        """The monotonic second at which a Tick is due, if one is; ``AT_ONCE`` when a session just started."""
        return self._negotiations.deadline

    @property
    def empty(self) -> bool:
        """Whether nobody is here and nothing feeds the room."""
        return not self._participants and len(self._streams) == self._mixed

    @property
    def closed(self) -> bool:
        """Whether the conference has ended for good."""
        return self._closed

    def live_streams(self) -> list[Stream]:
        """What can be subscribed to: views first, then forward streams by age."""
        return [stream for stream in self._streams.values() if stream.state is StreamState.LIVE]

    def region_of(self, by: ParticipantId | None, stream: StreamId, view: str) -> str:
        """The id of the region of a view in which ``by`` has its stream. Raises RoomError if it is seen nowhere."""
        return self._views.region_of(self._register.live_stream(by, stream), view)

    # ── the one way to change it ────────────────────────────────────────────────────────────────────

    def template(self, view: str) -> View:
        """The view of that label, as it is laid out now: ``base`` is "void" for a layout that was given by regions.

        Raises RoomError.
        """
        return self._views.template(view)

    def handle(self, incoming: Input) -> list[Outcome]:
        """Apply ``incoming``, or raise RoomError and stay exactly as before. Only commands are refused."""
        if self._closed:
            if isinstance(incoming, _COMMANDS):
                raise RoomError(Fault.ROOM_CLOSED, self._config.id)
            return []
        return HANDLERS[type(incoming)](self, incoming)

    # ── participants ────────────────────────────────────────────────────────────────────────────────

    def _join(self, command: Join) -> list[Outcome]:
        if command.participant in self._participants:
            raise RoomError(Fault.PARTICIPANT_EXISTS, command.participant)
        role = self._config.role(command.role)
        if role is None:
            raise RoomError(Fault.UNKNOWN_ROLE, command.role)
        if 0 < self._config.participant_limit <= len(self._participants):
            raise RoomError(Fault.ROOM_FULL, self._config.id)
        participant = Participant(command.participant, command.user, role.name, role.permission)
        self._participants[participant.id] = participant
        return [ParticipantJoined(participant)]

    def _leave(self, command: Leave) -> list[Outcome]:
        return self._depart(self._register.participant(command.participant))

    def _drop(self, command: Drop) -> list[Outcome]:
        participant = self._register.participant(command.participant)
        return [ParticipantDropped(participant.id), *self._depart(participant)]

    def _depart(self, participant: Participant) -> list[Outcome]:
        owner = participant.id
        outputs: list[Outcome] = []
        for subscription in [one for one in self._subscriptions.values() if one.owner == owner]:
            outputs += self._end_subscription(subscription, Leave)
        for stream in [one for one in self._streams.values() if one.owner == owner]:
            outputs += self._end_stream(stream, Leave)
        self._transports.left(owner)
        del self._participants[owner]
        return [*outputs, CloseTransports(owner), ParticipantLeft(owner)]

    def _set_permission(self, command: SetPermission) -> list[Outcome]:
        participant = self._register.participant(command.participant)
        self._participants[participant.id] = replace(participant, permission=command.permission)
        return []

    def _send_text(self, command: SendText) -> list[Outcome]:
        sender = self._register.participant(command.by)
        if command.to != "all":
            self._register.participant(ParticipantId(command.to))
        if len(command.message) > TEXT_LIMIT:
            raise RoomError(Fault.BAD_REQUEST, "message", f"expected at most {TEXT_LIMIT} characters")
        return [TextSent(sender.id, command.to, command.message)]

    def _close(self, command: Close) -> list[Outcome]:
        outputs: list[Outcome] = []
        for participant in list(self._participants):
            outputs += self._drop(Drop(participant))
        for stream in list(self._streams.values()):  # only the views' are left
            outputs += [StreamRemoved(stream.id)]
        self._streams.clear()
        self._mixed = 0
        self._closed = True
        return outputs

    # ── streams ─────────────────────────────────────────────────────────────────────────────────────

    def _publish(self, command: Publish) -> list[Outcome]:
        owner, tracks = self._register.participant(command.by), command.source.tracks
        self._register.check_new(command.stream, Fault.STREAM_EXISTS)
        kinds = kinds_of(tracks)
        check_granted(owner, owner.permission.publish, kinds)
        if "audio" in kinds and not self._config.audio_in:
            raise RoomError(Fault.AUDIO_NOT_ACCEPTED, self._config.id)
        if "video" in kinds and not self._config.video_in:
            raise RoomError(Fault.VIDEO_NOT_ACCEPTED, self._config.id)
        if 0 <= self._config.input_limit <= len(self._streams) - self._mixed:
            raise RoomError(Fault.TOO_MANY_INPUTS, self._config.id)
        transport, mids = command.source.transport, [track.mid for track in tracks]
        self._transports.check(owner.id, transport, mids)

        stream = Stream(command.stream, owner.id, transport=transport, attributes=command.attributes)
        self._streams[stream.id] = stream
        self._unready[stream.id] = _Unready(kinds)
        self._transports.bind(owner.id, transport, stream.id, mids)
        self._negotiations.start(stream.id)
        return [OpenSource(stream.id, owner.id, command.source, self._config.audio_in, self._config.video_in)]

    def _unpublish(self, command: Unpublish) -> list[Outcome]:
        stream = self._register.forward_stream(command.by, command.stream)
        return self._end_stream(stream, Unpublish, None if command.by == stream.owner else TERMINATED)

    def _set_stream_active(self, command: SetStreamActive) -> list[Outcome]:
        stream = self._register.forward_stream(command.by, command.stream)
        unready = self._unready.get(stream.id)
        kinds = unready.kinds if unready else frozenset(track.kind for track in stream.tracks)
        wanted = existing_kinds(command.kinds, kinds, stream.id)
        if unready:  # the engine and everybody else hear of it when the tracks exist
            muted = unready.muted - wanted if command.active else unready.muted | wanted
            self._unready[stream.id] = replace(unready, muted=muted)
            return []
        outputs: list[Outcome] = []
        for kind in sorted(wanted):
            if any(track.kind == kind and track.active != command.active for track in stream.tracks):
                outputs += [
                    StreamMuted(stream.id, kind, command.active),
                    SetSourceActive(stream.id, kind, command.active),
                ]
        tracks = tuple(
            replace(track, active=command.active) if track.kind in wanted else track
            for track in stream.tracks
        )
        self._streams[stream.id] = replace(stream, tracks=tracks)
        return outputs

    def _mix(self, command: Mix) -> list[Outcome]:
        stream = self._register.live_stream(command.by, command.stream)
        return self._views.mix(stream, command.view, self._register.name_of(stream))

    def _unmix(self, command: Unmix) -> list[Outcome]:
        return self._views.unmix(self._register.live_stream(command.by, command.stream), command.view)

    def _set_region(self, command: SetRegion) -> list[Outcome]:
        stream = self._register.live_stream(command.by, command.stream)
        return self._views.set_region(stream, command.view, command.region)

    def _show_in_region(self, command: ShowInRegion) -> list[Outcome]:
        return self._views.show_in_region(
            self._register.mixed_stream(command.view), command.index, command.stream
        )

    def _set_layout(self, command: SetLayout) -> list[Outcome]:
        return self._views.set_layout(self._register.mixed_stream(command.view), command.placements)

    def _set_template(self, command: SetTemplate) -> list[Outcome]:
        view = self._register.mixed_stream(command.view)
        return self._views.set_template(view, command.base, speaker_first=command.speaker_first)

    def _change_together(self, command: ChangeTogether) -> list[Outcome]:
        kept = dict(self._streams), dict(self._unready), self._views.saved()
        outputs: list[Outcome] = []
        try:
            for change in command.changes:
                outputs += HANDLERS[type(change)](self, change)
        except RoomError:
            streams, self._unready, views = kept
            self._streams.update(streams)  # a change neither adds streams nor removes them
            self._views.restore(views)
            raise
        return outputs

    def _speaker_heard(self, report: SpeakerHeard) -> list[Outcome]:
        return self._views.heard(report.view, report.stream)

    def _source_ready(self, report: SourceReady) -> list[Outcome]:
        stream = self._moved_stream(report.stream, SourceReady)
        if stream is None or stream.owner is None or stream.transport is None:
            return []
        muted = self._unready.pop(stream.id).muted
        tracks = tuple(
            replace(track, active=track.active and track.kind not in muted) for track in report.tracks
        )
        ready = replace(stream, tracks=tracks)
        self._streams[ready.id] = ready
        self._negotiations.end(ready.id)
        return [
            *self._transport_up(stream.transport),
            *(SetSourceActive(ready.id, kind, False) for kind in sorted(muted) if ready.track(kind)),
            SessionReady(stream.owner, stream.transport, ready.id),
            StreamAdded(ready),
        ]

    def _source_lost(self, report: SourceLost) -> list[Outcome]:
        stream = self._streams.get(report.stream)
        if stream is None or stream.mixed:
            return []
        return self._end_stream(stream, SourceLost, report.reason)

    def _resolution_seen(self, report: ResolutionSeen) -> list[Outcome]:
        stream = self._moved_stream(report.stream, ResolutionSeen)
        seen = seen_track(stream, report) if stream else None
        if stream is None or seen is None:
            return []
        parameters = seen.parameters or VideoParameters()
        if parameters.resolution == report.resolution:
            return []
        updated = replace(seen, parameters=replace(parameters, resolution=report.resolution))
        tracks = tuple(updated if track is seen else track for track in stream.tracks)
        self._streams[stream.id] = stream = replace(stream, tracks=tracks)
        return [StreamUpdated(stream)]

    def _moved_stream(self, stream_id: StreamId, trigger: type) -> Stream | None:
        """The stream after the move that ``trigger`` makes, or None if the report came too late."""
        stream = self._streams.get(stream_id)
        state = STREAM_MOVES.get((stream.state, trigger)) if stream else None
        if stream is None or stream.mixed or state is None:
            return None
        self._streams[stream_id] = moved = replace(stream, state=state)
        return moved

    def _end_stream(self, stream: Stream, trigger: type, reason: str | None = None) -> list[Outcome]:
        """Close a forward stream and what draws from it; its owner is told ``reason``, if there is one."""
        outputs: list[Outcome] = []
        for subscription in self._register.subscribers(stream.id):
            outputs += self._end_subscription(subscription, StreamRemoved, SOURCE_LOSS)
        assert STREAM_MOVES[stream.state, trigger] is StreamState.ENDED
        outputs += self._views.ended(stream)
        del self._streams[stream.id]
        self._unready.pop(stream.id, None)
        self._negotiations.end(stream.id)
        outputs += [CloseSource(stream.id)]
        if stream.transport is not None:
            self._transports.release(stream.transport, stream.id)
            if reason is not None and stream.owner is not None:
                outputs += [SessionFailed(stream.owner, stream.transport, stream.id, reason)]
        if stream.state is StreamState.LIVE:
            outputs += [StreamRemoved(stream.id)]
        return outputs

    # ── subscriptions ───────────────────────────────────────────────────────────────────────────────

    def _subscribe(self, command: Subscribe) -> list[Outcome]:
        owner = self._register.participant(command.by)
        self._register.check_new(command.subscription, Fault.SUBSCRIPTION_EXISTS)
        check_granted(owner, owner.permission.subscribe, kinds_of(command.tracks))
        tracks = tuple(resolve(track, self._streams, self._config) for track in command.tracks)
        transport, mids = command.sink.transport, [track.mid for track in tracks]
        self._transports.check(owner.id, transport, mids)

        subscription = Subscription(command.subscription, owner.id, transport, tracks)
        self._subscriptions[subscription.id] = subscription
        self._transports.bind(owner.id, transport, subscription.id, mids)
        self._negotiations.start(subscription.id)
        return [*self._views.compositions(tracks), OpenSink(subscription, command.sink)]

    def _unsubscribe(self, command: Unsubscribe) -> list[Outcome]:
        subscription = self._register.subscription(command.by, command.subscription)
        own = command.by == subscription.owner
        return self._end_subscription(subscription, Unsubscribe, None if own else TERMINATED)

    def _set_subscription_active(self, command: SetSubscriptionActive) -> list[Outcome]:
        subscription = self._register.subscription(command.by, command.subscription)
        kinds = frozenset(track.kind for track in subscription.tracks)
        wanted = existing_kinds(command.kinds, kinds, subscription.id)
        changed = {
            track.kind
            for track in subscription.tracks
            if track.kind in wanted and track.active != command.active
        }
        tracks = tuple(
            replace(track, active=command.active) if track.kind in wanted else track
            for track in subscription.tracks
        )
        self._subscriptions[subscription.id] = replace(subscription, tracks=tracks)
        if subscription.state is SubscriptionState.NEGOTIATING:
            return []  # the engine hears of it when the sink exists
        return [SetSinkActive(subscription.id, kind, command.active) for kind in sorted(changed)]

    def _update_subscription(self, command: UpdateSubscription) -> list[Outcome]:
        subscription = self._register.subscription(command.by, command.subscription)
        tracks = changed(subscription, command.changes, self._streams, self._config)
        self._subscriptions[subscription.id] = replace(subscription, tracks=tracks)
        outputs: list[Outcome] = [*self._views.compositions(tracks)]
        for old, new in zip(subscription.tracks, tracks, strict=True):
            if not same_media(old, new):
                outputs += [SetSinkOrigin(subscription.id, new)]
            elif new.mid is not None and new.layer != old.layer:
                outputs += [SetSinkLayer(subscription.id, new.mid, new.layer)]
        return outputs

    def _layer_seen(self, report: LayerSeen) -> list[Outcome]:
        subscription = self._subscriptions.get(report.subscription)
        if subscription is None or subscription.state is not SubscriptionState.LIVE:
            return []
        return [LayerChanged(subscription.owner, subscription.id, report.mid, report.rid)]

    def _sink_ready(self, report: SinkReady) -> list[Outcome]:
        subscription = self._subscriptions.get(report.subscription)
        state = SUBSCRIPTION_MOVES.get((subscription.state, SinkReady)) if subscription else None
        if subscription is None or subscription.transport is None or state is None:
            return []
        self._subscriptions[subscription.id] = replace(subscription, state=state)
        self._negotiations.end(subscription.id)
        paused = sorted({track.kind for track in subscription.tracks if not track.active})
        return [
            *self._transport_up(subscription.transport),
            *(SetSinkActive(subscription.id, kind, False) for kind in paused),
            SessionReady(subscription.owner, subscription.transport, subscription.id),
        ]

    def _sink_lost(self, report: SinkLost) -> list[Outcome]:
        subscription = self._subscriptions.get(report.subscription)
        return self._end_subscription(subscription, SinkLost, report.reason) if subscription else []

    def _end_subscription(
        self, subscription: Subscription, trigger: type, reason: str | None = None
    ) -> list[Outcome]:
        assert SUBSCRIPTION_MOVES[subscription.state, trigger] is SubscriptionState.ENDED
        del self._subscriptions[subscription.id]
        self._negotiations.end(subscription.id)
        outputs: list[Outcome] = [CloseSink(subscription.id)]
        if subscription.transport is not None:
            self._transports.release(subscription.transport, subscription.id)
            if reason is not None:
                outputs += [
                    SessionFailed(subscription.owner, subscription.transport, subscription.id, reason)
                ]
        return outputs

    # ── transports and time ─────────────────────────────────────────────────────────────────────────

    def _transport_ready(self, report: TransportReady) -> list[Outcome]:
        return self._transport_up(report.transport)

    def _transport_up(self, transport: TransportId) -> list[Outcome]:
        """Tell the owner, once: a ready source or sink says as much as the transport's own report."""
        owner = self._transports.came_up(transport)
        return [TransportUp(owner, transport)] if owner is not None else []

    def _transport_lost(self, report: TransportLost) -> list[Outcome]:
        owner = self._transports.lost(report.transport)
        if owner is None:
            return []
        outputs: list[Outcome] = [TransportFailed(owner, report.transport, report.reason)]
        for subscription in list(self._subscriptions.values()):
            if subscription.transport == report.transport:
                outputs += self._end_subscription(subscription, TransportLost)
        for stream in list(self._streams.values()):
            if stream.transport == report.transport:
                outputs += self._end_stream(stream, TransportLost)
        return outputs

    def _tick(self, tick: Tick) -> list[Outcome]:
        outputs: list[Outcome] = []
        for session in self._negotiations.tick(tick.now):
            if stream := self._streams.get(StreamId(session)):
                outputs += self._end_stream(stream, Tick, TIMED_OUT)
            elif subscription := self._subscriptions.get(SubscriptionId(session)):
                outputs += self._end_subscription(subscription, Tick, TIMED_OUT)
        return outputs


HANDLERS: Final[Mapping[type, Callable[[Room, Any], list[Outcome]]]] = {
    Join: Room._join,
    Leave: Room._leave,
    Drop: Room._drop,
    Publish: Room._publish,
    Unpublish: Room._unpublish,
    Subscribe: Room._subscribe,
    Unsubscribe: Room._unsubscribe,
    SetStreamActive: Room._set_stream_active,
    SetSubscriptionActive: Room._set_subscription_active,
    UpdateSubscription: Room._update_subscription,
    SetPermission: Room._set_permission,
    SendText: Room._send_text,
    Mix: Room._mix,
    Unmix: Room._unmix,
    SetRegion: Room._set_region,
    ShowInRegion: Room._show_in_region,
    SetLayout: Room._set_layout,
    SetTemplate: Room._set_template,
    ChangeTogether: Room._change_together,
    Close: Room._close,
    Tick: Room._tick,
    TransportReady: Room._transport_ready,
    TransportLost: Room._transport_lost,
    SourceReady: Room._source_ready,
    SourceLost: Room._source_lost,
    SinkReady: Room._sink_ready,
    SinkLost: Room._sink_lost,
    ResolutionSeen: Room._resolution_seen,
    LayerSeen: Room._layer_seen,
    SpeakerHeard: Room._speaker_heard,
}
