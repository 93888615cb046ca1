"""Runs the sources and sinks of the server: each in a task of its own, whose failure ends nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog

from palaver.containment import INTERNAL_ERROR
from palaver.media.endpoints import EndpointLost
from palaver.media.pipelines.process import PipelineLost
from palaver.media.ports import EngineError
from palaver.room.messages import (
    OpenSink,
    OpenSource,
    SinkLost,
    SinkReady,
    SourceInterrupted,
    SourceLost,
    SourceReady,
    SourceResumed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.containment import OwnedTasks
    from palaver.media.endpoints import Endpoint, EndpointKind, RoomMedia
    from palaver.room.messages import Action, Report
    from palaver.room.values import RoomId, Track

ENDED = "ended"
"""Why a source or sink is lost that ended by itself."""


@dataclass(eq=False, slots=True)
class Entry:
    """One source or sink, from its opening to its end; ``media`` is closed after it."""

    room: RoomId
    action: OpenSource | OpenSink
    report: Callable[[RoomId, Report], None]
    endpoint: Endpoint | None = None
    task: asyncio.Task[None] | None = None
    closed: bool = False
    told: bool = False
    close_media: list[Callable[[], None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The id of its stream or subscription."""
        return self.action.stream if isinstance(self.action, OpenSource) else self.action.subscription.id

    def ready(self, tracks: tuple[Track, ...]) -> None:
        """Tell the room, once, that it works."""
        if self.closed or self.told:
            return
        self.told = True
        if isinstance(self.action, OpenSource):
            self.report(self.room, SourceReady(self.action.stream, tracks))
        else:
            self.report(self.room, SinkReady(self.action.subscription.id))

    def interrupted(self, reason: str) -> None:
        """Tell the room that nothing comes."""
        if isinstance(self.action, OpenSource) and not self.closed:
            self.report(self.room, SourceInterrupted(self.action.stream, reason))

    def resumed(self, tracks: tuple[Track, ...]) -> None:
        """Tell the room that it comes again."""
        if isinstance(self.action, OpenSource) and not self.closed:
            self.report(self.room, SourceResumed(self.action.stream, tracks))

    def lost(self, reason: str) -> None:
        """Tell the room, unless it closed the endpoint."""
        if self.closed:
            return
        self.closed = True
        if isinstance(self.action, OpenSource):
            self.report(self.room, SourceLost(self.action.stream, reason))
        else:
            self.report(self.room, SinkLost(self.action.subscription.id, reason))


class ServerEndpoints:
    """Every source and sink of the server, by room and id. The engine says what each gets of it: ``media_of``."""

    def __init__(
        self,
        kinds: Mapping[type, EndpointKind],
        tasks: OwnedTasks,
        report: Callable[[RoomId, Report], None],
        media_of: Callable[[Entry], RoomMedia],
    ) -> None:
        self._kinds, self._tasks, self._report, self._media_of = dict(kinds), tasks, report, media_of
        self._entries: dict[tuple[RoomId, str], Entry] = {}
        self._log = structlog.get_logger("palaver.media")
        self._lost = 0

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, room: RoomId, name: str) -> Entry | None:
        """The source or sink of that id."""
        return self._entries.get((room, name))

    def entries(self) -> list[Entry]:
        """All that are open."""
        return list(self._entries.values())

    def has(self, room: RoomId, name: str) -> bool:
        """Whether the source or sink of that id is one of the server."""
        return (room, name) in self._entries

    def open(self, room: RoomId, action: OpenSource | OpenSink) -> None:
        """Open a source or sink. Raises EngineError if there is no such kind, or it cannot be opened."""
        spec = action.source if isinstance(action, OpenSource) else action.sink
        kind = self._kinds.get(type(spec))
        if kind is None:
            raise EngineError(f"this engine has no {type(spec).__name__}")
        entry = Entry(room, action, self._report)
        if (room, entry.name) in self._entries:
            raise EngineError(f"{entry.name} is open already")
        try:
            entry.endpoint = kind.open(action, self._media_of(entry))
        except EndpointLost as lost:
            raise EngineError(str(lost)) from lost
        self._entries[room, entry.name] = entry
        work = partial(self._run, entry, entry.endpoint)
        entry.task = self._tasks.start(work, f"endpoint {entry.name}", partial(self._broken, entry))
        entry.task.add_done_callback(lambda _: self._release(entry))

    def change(self, room: RoomId, name: str, action: Action) -> None:
        """Pass on what concerns one of them; a failure costs that one."""
        entry = self._entries.get((room, name))
        if entry is not None and entry.endpoint is not None:
            self._change(entry, entry.endpoint, action)

    def _change(self, entry: Entry, endpoint: Endpoint, action: Action) -> None:
        try:
            endpoint.change(action)
        except (EndpointLost, EngineError) as lost:
            self.fail(entry, str(lost))
        except Exception:
            self._tasks.failures += 1
            self._log.exception("endpoint failed", endpoint=entry.name, action=type(action).__name__)
            self.fail(entry, INTERNAL_ERROR)

    def fail(self, entry: Entry, reason: str) -> None:
        """It cannot go on: tell the room, and close it."""
        entry.lost(reason)
        self._lost += 1
        self._close(entry)

    def _broken(self, entry: Entry) -> None:
        """Its task had a bug."""
        if not entry.closed:
            self.fail(entry, INTERNAL_ERROR)

    def close(self, room: RoomId, name: str) -> None:
        """Close one of them; it may take a while to finish."""
        if entry := self._entries.get((room, name)):
            self._close(entry)

    def close_all(self) -> None:
        """Close every one."""
        for entry in self.entries():
            self._close(entry)

    def close_room(self, room: RoomId) -> None:
        """Close all of a room."""
        for entry in [one for (where, _), one in self._entries.items() if where == room]:
            self._close(entry)

    def stats(self) -> dict[str, float]:
        """Gauges and counters by their metric names."""
        return {"endpoints": len(self._entries), "endpoints_lost_total": self._lost}

    def _close(self, entry: Entry) -> None:
        entry.closed = True
        self._entries.pop((entry.room, entry.name), None)
        if entry.task is not None:
            entry.task.cancel()
        if isinstance(entry.action, OpenSource):
            self._release(entry)  # what it sent ends now, whatever it has to finish

    async def _run(self, entry: Entry, endpoint: Endpoint) -> None:
        reason = INTERNAL_ERROR
        try:
            await endpoint.run()
            reason = ENDED
        except asyncio.CancelledError:
            entry.closed = True
            raise
        except (EndpointLost, PipelineLost, EngineError) as lost:
            reason = str(lost)
            self._log.warning("endpoint lost", room=entry.room, endpoint=entry.name, reason=reason)
        finally:
            if not entry.closed:
                self._lost += 1
                self._entries.pop((entry.room, entry.name), None)
                entry.lost(reason)

    def _release(self, entry: Entry) -> None:
        closing, entry.close_media = entry.close_media, []
        for close in closing:
            self._tasks.guard(partial(close), f"release of {entry.name}")
