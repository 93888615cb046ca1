"""Handlers of what concerns forward streams."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from palaver.room.checks import check_granted, existing_kinds, seen_track
from palaver.room.endpoints import WebRtcSource
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    CloseSource,
    OpenSource,
    ResolutionSeen,
    SessionFailed,
    SessionReady,
    SetSourceActive,
    SourceInterrupted,
    SourceLost,
    SourceReady,
    SourceResumed,
    StreamAdded,
    StreamMuted,
    StreamRemoved,
    StreamUpdated,
    Unpublish,
)
from palaver.room.moves import STREAM_MOVES
from palaver.room.reasons import TERMINATED
from palaver.room.values import KINDS, Standing, Stream, StreamState, VideoParameters

if TYPE_CHECKING:
    from palaver.room.endpoints import Source
    from palaver.room.messages import Outcome, Publish, SetStreamActive
    from palaver.room.state import RoomState
    from palaver.room.subscriptions import Subscriptions
    from palaver.room.values import Kind, StreamId, Track


@dataclass(frozen=True, slots=True)
class Unready:
    """A publication before its tracks are known: the kinds it announced, those muted meanwhile.

    ``standing``: as it was before, if it comes back.
    """

    kinds: frozenset[Kind]
    muted: frozenset[Kind] = frozenset()
    standing: Standing = field(default_factory=Standing)


Saved: TypeAlias = "tuple[dict[StreamId, Stream], dict[StreamId, Unready], dict[StreamId, frozenset[Kind]]]"


@dataclass(slots=True)
class Streams:
    """Changes the forward streams of a room. Every source that it opens it also closes, once."""

    _state: RoomState
    _subscriptions: Subscriptions
    _unready: dict[StreamId, Unready] = field(default_factory=dict)
    _interrupted: dict[StreamId, frozenset[Kind]] = field(default_factory=dict)  # what stays muted afterwards

    def publish(self, command: Publish) -> list[Outcome]:
        """Somebody wants to send a stream."""
        state, register = self._state, self._state.register
        source, by = command.source, command.by
        owner = register.participant(by) if by is not None else None
        register.check_new(command.stream, Fault.STREAM_EXISTS)
        if not source.kinds:
            raise RoomError(Fault.BAD_REQUEST, "tracks", "expected at least one track")
        if owner is not None:
            check_granted(owner, owner.permission.publish, source.kinds)
        self._check_accepted(source)
        mids = [track.mid for track in source.tracks] if isinstance(source, WebRtcSource) else []
        transport = state.transports.checked(by, source, mids)

        stream = Stream(command.stream, by, source.origin, transport, attributes=command.attributes)
        register.streams[stream.id] = stream
        muted = frozenset(command.standing.muted)
        self._unready[stream.id] = Unready(source.kinds, muted, command.standing)
        state.transports.bind(by, transport, stream.id, mids)
        state.negotiations.start(stream.id, source.ready_timeout_s)
        return [OpenSource(stream.id, by, source, state.config.audio_in, state.config.video_in)]

    def _check_accepted(self, source: Source) -> None:
        """Refuse what the room does not take."""
        config, register = self._state.config, self._state.register
        if "audio" in source.required and not config.audio_in:
            raise RoomError(Fault.AUDIO_NOT_ACCEPTED, config.id)
        if "video" in source.required and not config.video_in:
            raise RoomError(Fault.VIDEO_NOT_ACCEPTED, config.id)
        if 0 <= config.input_limit <= len(register.streams) - self._state.mixed:
            raise RoomError(Fault.TOO_MANY_INPUTS, config.id)

    def unpublish(self, command: Unpublish) -> list[Outcome]:
        """A stream is not sent any more."""
        stream = self._state.register.forward_stream(command.by, command.stream)
        return self.end(stream, Unpublish, None if command.by == stream.owner else TERMINATED)

    def set_active(self, command: SetStreamActive) -> list[Outcome]:
        """Tracks of a stream are muted or unmuted."""
        register = self._state.register
        stream = register.forward_stream(command.by, command.stream)
        unready = self._unready.get(stream.id)
        kinds = unready.kinds if unready else frozenset(track.kind for track in stream.tracks)
        wanted = existing_kinds(command.kinds, kinds, stream.id)
        if unready:  # the engine and everybody else hear of it when the tracks exist
            muted = unready.muted - wanted if command.active else unready.muted | wanted
            self._unready[stream.id] = replace(unready, muted=muted)
            return []
        if stream.id in self._interrupted:  # holds once it is back
            muted = self._interrupted[stream.id]
            self._interrupted[stream.id] = muted - wanted if command.active else muted | wanted
            return []
        outcomes: list[Outcome] = []
        for kind in sorted(wanted):
            if any(track.kind == kind and track.active != command.active for track in stream.tracks):
                outcomes += [
                    StreamMuted(stream.id, kind, command.active),
                    SetSourceActive(stream.id, kind, command.active),
                ]
        tracks = tuple(
            replace(track, active=command.active) if track.kind in wanted else track
            for track in stream.tracks
        )
        register.streams[stream.id] = replace(stream, tracks=tracks)
        return outcomes

    def standing(self, stream_id: StreamId) -> Standing | None:
        """How a live forward stream stands; an interruption mutes nothing."""
        stream = self._state.register.streams.get(stream_id)
        if stream is None or stream.mixed or stream_id in self._unready:
            return None
        silent = {track.kind for track in stream.tracks if not track.active}
        muted = self._interrupted.get(stream_id, silent)
        return Standing(tuple(kind for kind in KINDS if kind in muted), self._state.views.places(stream))

    def ready(self, report: SourceReady) -> list[Outcome]:
        """A source works: from now on others see its stream."""
        state = self._state
        stream = self._moved(report.stream, SourceReady)
        if stream is None:
            return []
        unready = self._unready.pop(stream.id)
        muted = unready.muted
        tracks = tuple(
            replace(track, active=track.active and track.kind not in muted) for track in report.tracks
        )
        ready = replace(stream, tracks=tracks)
        state.register.streams[ready.id] = ready
        state.negotiations.end(ready.id)
        return [
            *state.transport_up(stream.transport),
            *(SetSourceActive(ready.id, kind, False) for kind in sorted(muted) if ready.track(kind)),
            SessionReady(stream.owner, stream.transport, ready.id),
            StreamAdded(ready),
            *state.views.put_back(ready, unready.standing, state.register.name_of(ready)),
            *self._subscriptions.adopt(state.register.streams[ready.id]),
        ]

    def interrupted(self, report: SourceInterrupted) -> list[Outcome]:
        """Nothing comes from a source for now: its stream stays, muted."""
        stream = self._moved(report.stream, SourceInterrupted)
        if stream is None or stream.id in self._interrupted:
            return []
        self._interrupted[stream.id] = frozenset(track.kind for track in stream.tracks if not track.active)
        return self._retrack(stream, tuple(replace(track, active=False) for track in stream.tracks))

    def resumed(self, report: SourceResumed) -> list[Outcome]:
        """An interrupted source is back, or one goes on without a break, perhaps in another format."""
        stream = self._moved(report.stream, SourceResumed)
        if stream is None:
            return []
        muted = self._interrupted.pop(stream.id, None)
        if muted is None:
            muted = frozenset(track.kind for track in stream.tracks if not track.active)
        now = {track.kind: track for track in report.tracks}
        tracks = (now.get(track.kind, track) for track in stream.tracks)
        return self._retrack(
            stream, tuple(replace(track, active=track.kind not in muted) for track in tracks)
        )

    def _retrack(self, stream: Stream, tracks: tuple[Track, ...]) -> list[Outcome]:
        """A live stream has these tracks from now on, each in place of one before."""
        changed = replace(stream, tracks=tracks)
        self._state.register.streams[stream.id] = changed
        outcomes: list[Outcome] = []
        pairs = list(zip(stream.tracks, tracks, strict=True))
        if any(replace(new, active=old.active) != old for old, new in pairs):
            outcomes += [StreamUpdated(changed)]
        if any(new.format != old.format for old, new in pairs):
            outcomes += self._subscriptions.follow(changed)
        for old, new in pairs:
            if new.active != old.active:
                outcomes += [
                    StreamMuted(stream.id, new.kind, new.active),
                    SetSourceActive(stream.id, new.kind, new.active),
                ]
        return outcomes

    def lost(self, report: SourceLost) -> list[Outcome]:
        """A source failed or ended."""
        stream = self._state.register.streams.get(report.stream)
        if stream is None or stream.mixed:
            return []
        return self.end(stream, SourceLost, report.reason)

    def resolution_seen(self, report: ResolutionSeen) -> list[Outcome]:
        """The picture size of a track is known, or another."""
        stream = self._moved(report.stream, ResolutionSeen)
        seen = seen_track(stream, report) if stream else None
        if stream is None or seen is None:
            return []
        parameters = seen.parameters or VideoParameters()
        if parameters.resolution == report.resolution:
            return []
        updated = replace(seen, parameters=replace(parameters, resolution=report.resolution))
        tracks = tuple(updated if track is seen else track for track in stream.tracks)
        self._state.register.streams[stream.id] = stream = replace(stream, tracks=tracks)
        return [StreamUpdated(stream)]

    def end(self, stream: Stream, trigger: type, reason: str | None = None) -> list[Outcome]:
        """Close a forward stream and what draws from it; its owner is told ``reason``, if there is one."""
        state = self._state
        outcomes: list[Outcome] = []
        for subscription in state.register.subscribers(stream.id):
            outcomes += self._subscriptions.source_ended(subscription, stream)
        assert STREAM_MOVES[stream.state, trigger] is StreamState.ENDED
        outcomes += state.views.ended(stream)
        del state.register.streams[stream.id]
        self._unready.pop(stream.id, None)
        self._interrupted.pop(stream.id, None)
        state.negotiations.end(stream.id)
        outcomes += [CloseSource(stream.id)]
        if stream.transport is not None:
            state.transports.release(stream.transport, stream.id)
        if reason is not None:
            outcomes += [SessionFailed(stream.owner, stream.transport, stream.id, reason)]
        if stream.state is StreamState.LIVE:
            outcomes += [StreamRemoved(stream.id)]
        return outcomes

    def saved(self) -> Saved:
        """What ``restore`` brings back."""
        return dict(self._state.register.streams), dict(self._unready), dict(self._interrupted)

    def restore(self, saved: Saved) -> None:
        """Take back changes that neither added streams nor removed them."""
        streams, self._unready, self._interrupted = saved
        self._state.register.streams.update(streams)

    def _moved(self, stream_id: StreamId, trigger: type) -> Stream | None:
        """The stream after the move that ``trigger`` makes, or None if the report came too late."""
        streams = self._state.register.streams
        stream = streams.get(stream_id)
        moved_to = STREAM_MOVES.get((stream.state, trigger)) if stream else None
        if stream is None or stream.mixed or moved_to is None:
            return None
        streams[stream_id] = moved = replace(stream, state=moved_to)
        return moved
