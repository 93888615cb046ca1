"""What the parts of the in-process engine share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from palaver.containment import OwnedTasks
from palaver.media.backlog import Backlog
from palaver.media.tracks import CoreTrack, Tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.media import _core
    from palaver.media.encoders import Encoders
    from palaver.room.messages import Report
    from palaver.room.values import Kind, RoomId, StreamId, SubscribedTrack


@dataclass(slots=True)
class EngineContext:
    """The core, what arrives in it, what is encoded, and where reports go. ``encoders`` come right after the rest."""

    core: _core.Core
    report: Callable[[RoomId, Report], None]
    tracks: Tracks = field(default_factory=Tracks)
    backlog: Backlog = field(default_factory=Backlog)
    tasks: OwnedTasks = field(default_factory=OwnedTasks)
    encoders: Encoders = field(init=False)

    def has_source(self, room: RoomId, track: SubscribedTrack) -> bool:
        """Whether there is anything of which ``track`` can be had."""
        return self.encoders.is_view(room, track.stream) or self.tracks.find(room, track) is not None

    def mute(self, room: RoomId, stream: StreamId, kind: Kind, active: bool) -> None:
        """Forward a kind of a source's media, or stop to."""
        for track in self.tracks.of(room, stream):
            if track.kind == kind:
                track.active = active
                self.backlog.do(partial(self.core.set_producer_active, track.producer, active))
        self.encoders.sources_changed(room)

    def stall(self, room: RoomId, track: CoreTrack, stalled: bool) -> None:
        """Nothing comes of a track any more, or again."""
        track.stalled = stalled
        self.encoders.sources_changed(room)
