"""The room: one conference, changed by one input at a time."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, get_args

from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    AnalysisObserved,
    ChangeTogether,
    Close,
    Command,
    Drop,
    Input,
    Join,
    LayerSeen,
    Leave,
    Mix,
    Outcome,
    Publish,
    ResolutionSeen,
    SendText,
    SetLayout,
    SetPermission,
    SetRegion,
    SetStreamActive,
    SetSubscriptionActive,
    SetTemplate,
    ShowInRegion,
    SinkLost,
    SinkReady,
    SourceInterrupted,
    SourceLost,
    SourceReady,
    SourceResumed,
    SpeakerHeard,
    StreamRemoved,
    Subscribe,
    Tick,
    TransportFailed,
    TransportLost,
    TransportReady,
    Unmix,
    Unpublish,
    Unsubscribe,
    UpdateSubscription,
)
from palaver.room.negotiations import Negotiations
from palaver.room.participants import Participants
from palaver.room.reasons import ROOM_CLOSED, TIMED_OUT
from palaver.room.state import RoomState
from palaver.room.streams import Streams
from palaver.room.subscriptions import Subscriptions
from palaver.room.values import (
    Participant,
    ParticipantId,
    RecordingState,
    RoomConfig,
    Standing,
    Stream,
    StreamId,
    StreamState,
    Subscription,
    SubscriptionId,
    View,
)
from palaver.room.view_commands import ViewCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_COMMANDS: Final = get_args(Command)


class Room:
    """One conference. Inputs go in one at a time; each returns all that follows from it, in order.

    Owns participants, streams and subscriptions. Every source and sink that it opens it also closes, once.
    A stream and a subscription never share an id, since clients look for both in one table.
    """

    def __init__(self, config: RoomConfig, *, negotiation_timeout_s: float = 30.0) -> None:
        self._state = RoomState(config, Negotiations(negotiation_timeout_s))
        self._subscriptions = Subscriptions(self._state)
        self._streams = Streams(self._state, self._subscriptions)
        self._participants = Participants(self._state, self._streams, self._subscriptions)
        self._views = ViewCommands(self._state)

    # ── to read ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def config(self) -> RoomConfig:
        """The definition that the room started with."""
        return self._state.config

    @property
    def participants(self) -> Mapping[ParticipantId, Participant]:
        """Who is here, by id, in order of arrival."""
        return MappingProxyType(self._state.register.participants)

    @property
    def streams(self) -> Mapping[StreamId, Stream]:
        """Every stream by id, negotiating ones included."""
        return MappingProxyType(self._state.register.streams)

    @property
    def subscriptions(self) -> Mapping[SubscriptionId, Subscription]:
        """Every subscription by id, negotiating ones included."""
        return MappingProxyType(self._state.register.subscriptions)

    @property
    def deadline(self) -> float | None:
        """The monotonic second at which a Tick is due, if one is; ``AT_ONCE`` when a session just started."""
        return self._state.negotiations.deadline

    @property
    def recording(self) -> RecordingState | None:
        """Whether the room is recorded."""
        return self._subscriptions.recording

    @property
    def empty(self) -> bool:
        """Whether nobody is here, and nothing feeds the room or draws from it but what only accompanies it."""
        register = self._state.register
        forward = len(register.streams) - self._state.mixed
        if register.participants or forward:
            return False
        return all(one.accompanies for one in register.subscriptions.values())

    @property
    def closed(self) -> bool:
        """Whether the conference has ended for good."""
        return self._state.closed

    def live_streams(self) -> list[Stream]:
        """What can be subscribed to: views first, then forward streams by age."""
        return [
            stream for stream in self._state.register.streams.values() if stream.state is StreamState.LIVE
        ]

    def region_of(self, by: ParticipantId | None, stream: StreamId, view: str) -> str:
        """The id of the region of a view in which ``by`` has its stream. Raises RoomError if it is seen nowhere."""
        return self._state.views.region_of(self._state.register.live_stream(by, stream), view)

    def standing(self, stream: StreamId) -> Standing | None:
        """How a live forward stream stands: what is muted, and where it is seen."""
        return self._streams.standing(stream)

    # ── the one way to change it ────────────────────────────────────────────────────────────────────

    def template(self, view: str) -> View:
        """The view of that label, as it is laid out now: ``base`` is "void" for a layout that was given by regions.

        Raises RoomError.
        """
        return self._state.views.template(view)

    def handle(self, incoming: Input) -> list[Outcome]:
        """Apply ``incoming``, or raise RoomError and stay exactly as before. Only commands are refused."""
        if self._state.closed:
            if isinstance(incoming, _COMMANDS):
                raise RoomError(Fault.ROOM_CLOSED, self._state.config.id)
            return []
        return HANDLERS[type(incoming)](self, incoming)

    # ── the whole room ──────────────────────────────────────────────────────────────────────────────

    def _close(self, _: Close) -> list[Outcome]:
        state = self._state
        outcomes: list[Outcome] = []
        for participant in list(state.register.participants):
            outcomes += self._participants.drop(Drop(participant))
        for subscription in list(state.register.subscriptions.values()):  # the server's own
            outcomes += self._subscriptions.end(subscription, Close, ROOM_CLOSED)
        for stream in list(state.register.streams.values()):
            outcomes += (
                [StreamRemoved(stream.id)] if stream.mixed else self._streams.end(stream, Close, ROOM_CLOSED)
            )
        state.register.streams.clear()
        state.mixed = 0
        state.closed = True
        return outcomes

    def _change_together(self, command: ChangeTogether) -> list[Outcome]:
        streams, views = self._streams.saved(), self._state.views.saved()
        outcomes: list[Outcome] = []
        try:
            for change in command.changes:
                outcomes += HANDLERS[type(change)](self, change)
        except RoomError:
            self._streams.restore(streams)
            self._state.views.restore(views)
            raise
        return outcomes

    def _transport_ready(self, report: TransportReady) -> list[Outcome]:
        return self._state.transport_up(report.transport)

    def _transport_lost(self, report: TransportLost) -> list[Outcome]:
        register = self._state.register
        owner = self._state.transports.lost(report.transport)
        if owner is None:
            return []
        outcomes: list[Outcome] = [TransportFailed(owner, report.transport, report.reason)]
        for subscription in list(register.subscriptions.values()):
            if subscription.transport == report.transport:
                outcomes += self._subscriptions.end(subscription, TransportLost)
        for stream in list(register.streams.values()):
            if stream.transport == report.transport:
                outcomes += self._streams.end(stream, TransportLost)
        return outcomes

    def _tick(self, tick: Tick) -> list[Outcome]:
        register = self._state.register
        outcomes: list[Outcome] = []
        for session in self._state.negotiations.tick(tick.now):
            if stream := register.streams.get(StreamId(session)):
                outcomes += self._streams.end(stream, Tick, TIMED_OUT)
            elif subscription := register.subscriptions.get(SubscriptionId(session)):
                outcomes += self._subscriptions.end(subscription, Tick, TIMED_OUT)
        return outcomes


HANDLERS: Final[Mapping[type, Callable[[Room, Any], list[Outcome]]]] = {
    Join: lambda room, command: room._participants.join(command),
    Leave: lambda room, command: room._participants.leave(command),
    Drop: lambda room, command: room._participants.drop(command),
    SetPermission: lambda room, command: room._participants.set_permission(command),
    SendText: lambda room, command: room._participants.send_text(command),
    Publish: lambda room, command: room._streams.publish(command),
    Unpublish: lambda room, command: room._streams.unpublish(command),
    SetStreamActive: lambda room, command: room._streams.set_active(command),
    SourceReady: lambda room, report: room._streams.ready(report),
    SourceInterrupted: lambda room, report: room._streams.interrupted(report),
    SourceResumed: lambda room, report: room._streams.resumed(report),
    SourceLost: lambda room, report: room._streams.lost(report),
    ResolutionSeen: lambda room, report: room._streams.resolution_seen(report),
    Subscribe: lambda room, command: room._subscriptions.subscribe(command),
    Unsubscribe: lambda room, command: room._subscriptions.unsubscribe(command),
    SetSubscriptionActive: lambda room, command: room._subscriptions.set_active(command),
    UpdateSubscription: lambda room, command: room._subscriptions.update(command),
    SinkReady: lambda room, report: room._subscriptions.ready(report),
    SinkLost: lambda room, report: room._subscriptions.lost(report),
    LayerSeen: lambda room, report: room._subscriptions.layer_seen(report),
    Mix: lambda room, command: room._views.mix(command),
    Unmix: lambda room, command: room._views.unmix(command),
    SetRegion: lambda room, command: room._views.set_region(command),
    ShowInRegion: lambda room, command: room._views.show_in_region(command),
    SetLayout: lambda room, command: room._views.set_layout(command),
    SetTemplate: lambda room, command: room._views.set_template(command),
    AnalysisObserved: lambda room, report: room._subscriptions.observed(report),
    SpeakerHeard: lambda room, report: room._state.views.heard(report.view, report.stream),
    ChangeTogether: Room._change_together,
    Close: Room._close,
    Tick: Room._tick,
    TransportReady: Room._transport_ready,
    TransportLost: Room._transport_lost,
}
