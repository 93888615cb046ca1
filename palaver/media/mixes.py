"""What is produced for the rooms of a node: views, and streams in other forms than they come in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from palaver.media.formats import format_of, h264_level, made_as
from palaver.media.production import Feed, Output, OutputSpec, Production
from palaver.room.formats import encoding
from palaver.room.messages import SpeakerHeard
from palaver.room.values import AudioFormat, StreamId, VideoFormat, VideoParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from palaver.media.formats import Payload
    from palaver.media.pipelines.process import ForkServer
    from palaver.media.production import Frames
    from palaver.media.webrtc.sessions import RoomMedia, Session
    from palaver.room.messages import Report
    from palaver.room.values import Composition, MixInput, ParticipantId, Resolution, RoomId, SubscribedTrack

MIXER: Final = "palaver.mixing.mixer:run"
TRANSCODER: Final = "palaver.mixing.transcoder:run"
PRELOAD: Final = ("palaver.mixing.mixer", "palaver.mixing.transcoder")
"""The modules of both, for the fork server."""


@dataclass(frozen=True, slots=True)
class Order:
    """An output that somebody needs, and who makes it."""

    production: Production
    output: Output

    def release(self) -> None:
        """It is not needed any more."""
        self.production.release(self.output)


class Mixes:
    """One production per view and per stream that is transcoded, while a room has it. ``run`` owns their tasks."""

    def __init__(
        self,
        core: Frames,
        server: ForkServer,
        *,
        report: Callable[[RoomId, Report], None],
        failed: Callable[[Output, str], None],
    ) -> None:
        """``failed`` hears of outputs that cannot be produced."""
        self._core, self._server, self._report, self._failed = core, server, report, failed
        self._log = structlog.get_logger("palaver.mixes")
        self._productions: dict[tuple[RoomId, StreamId], Production] = {}
        self._compositions: dict[tuple[RoomId, StreamId], Composition] = {}
        self._tasks: dict[Production, asyncio.Task[None]] = {}
        self._begun: asyncio.Queue[Production] = asyncio.Queue()
        self._restarts = 0

    async def run(self) -> None:
        """Keep the pipelines of all productions until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                production = await self._begun.get()
                if production in self._productions.values():
                    self._tasks[production] = tasks.create_task(production.run())

    def is_view(self, room: RoomId, stream: StreamId) -> bool:
        """Whether ``stream`` is a mixed one."""
        return (room, stream) in self._compositions

    def __len__(self) -> int:
        """Everything that is remembered, to see that it goes."""
        return len(self._productions) + len(self._compositions)

    # ── what is made of what ────────────────────────────────────────────────────────────────────────

    def compose(
        self, room: RoomId, view: StreamId, composition: Composition, media: RoomMedia | None
    ) -> None:
        """A view is made of this from now on."""
        self._compositions[room, view] = composition
        if production := self._productions.get((room, view)):
            production.set_feeds(_feeds(composition.inputs, media))
            production.compose(composition)

    def sources_changed(self, room: RoomId, media: RoomMedia | None) -> None:
        """Sources came, went, or were muted: the productions of the room draw from what is there."""
        for (owner, stream), production in self._productions.items():
            if owner != room:
                continue
            if composition := self._compositions.get((room, stream)):
                production.set_feeds(_feeds(composition.inputs, media))
            else:
                production.set_feeds(_tracks(media.sessions.get(stream) if media else None))

    def close_room(self, room: RoomId) -> None:
        """The room is over, and whatever is made for it."""
        for key in [key for key in self._productions if key[0] == room]:
            self._end(key)
        for key in [key for key in self._compositions if key[0] == room]:
            del self._compositions[key]

    # ── who needs it ────────────────────────────────────────────────────────────────────────────────

    def demand(
        self,
        room: RoomId,
        track: SubscribedTrack,
        payload: Payload,
        listener: ParticipantId,
        thread: int,
        media: RoomMedia | None,
    ) -> Order | None:
        """An output for ``track`` in the format of ``payload``; None if what it is made of is gone."""
        composition = self._compositions.get((room, track.stream))
        source = media.sessions.get(track.stream) if media else None
        wanted = made_as(payload, track.formats) or format_of(payload)
        if wanted is None or (composition is None and source is None):
            return None
        spec = OutputSpec(
            wanted,
            h264_level(wanted),
            _parameters(track, wanted, composition, _size(source)),
            listener if composition is not None and isinstance(wanted, AudioFormat) else None,
        )
        if composition is not None and spec.listener is not None and not _publishes(composition, listener):
            spec = replace(spec, listener=None)
        production = self._production(room, track.stream, thread, media)
        return Order(production, production.demand(spec))

    def is_outdated(self, order: Order, room: RoomId, view: StreamId, listener: ParticipantId) -> bool:
        """Whether ``listener`` is in the view now and hears the mix for those who are not, or the reverse."""
        if order.production is not self._productions.get((room, view)):
            return False
        spec, inside = order.output.spec, _publishes(self._compositions[room, view], listener)
        return isinstance(spec.format, AudioFormat) and (spec.listener is not None) is not inside

    def _production(self, room: RoomId, stream: StreamId, thread: int, media: RoomMedia | None) -> Production:
        found = self._productions.get((room, stream))
        if found is not None:
            return found
        composition = self._compositions.get((room, stream))
        production = Production(
            self._core,
            self._server,
            TRANSCODER if composition is None else MIXER,
            thread,
            self._log.bind(room=room, stream=stream),
            failed=self._failed,
            spoke=partial(self._spoke, room, stream),
        )
        self._productions[room, stream] = production
        if composition is not None:
            production.set_feeds(_feeds(composition.inputs, media))
            production.compose(composition)
        else:
            production.set_feeds(_tracks(media.sessions.get(stream) if media else None))
        self._begun.put_nowait(production)
        return production

    def forget_stream(self, room: RoomId, stream: StreamId) -> None:
        """A forward stream has ended, and with it what is made of it."""
        if (room, stream) in self._productions and (room, stream) not in self._compositions:
            self._end((room, stream))

    def _end(self, key: tuple[RoomId, StreamId]) -> None:
        production = self._productions.pop(key)
        self._restarts += production.restarts
        production.abandon()
        if task := self._tasks.pop(production, None):
            task.cancel()

    def _spoke(self, room: RoomId, view: StreamId, stream: StreamId) -> None:
        self._report(room, SpeakerHeard(view, stream))

    def stats(self) -> dict[str, float]:
        """Gauges and counters by their metric names: of the pipelines that run now, and restarts since the start."""
        running = [one for one in self._productions.values() if one.running]
        sums: dict[str, float] = {
            "pipelines": len(running),
            "pipeline_restarts_total": self._restarts
            + sum(one.restarts for one in self._productions.values()),
        }
        for production in running:
            for name, value in production.counters.items():
                sums[f"pipeline_{name}"] = sums.get(f"pipeline_{name}", 0.0) + value
        return sums


def _parameters(
    track: SubscribedTrack,
    wanted: AudioFormat | VideoFormat,
    composition: Composition | None,
    size: Resolution | None,
) -> VideoParameters | None:
    if isinstance(wanted, AudioFormat):
        return None
    if composition is None:
        return encoding(VideoParameters(resolution=size), track.parameters, wanted)
    view = composition.view
    return encoding(view.video_parameters or VideoParameters(), track.parameters, wanted, view.motion_factor)


def _publishes(composition: Composition, listener: ParticipantId) -> bool:
    return any(one.owner == listener for one in composition.inputs)


def _size(source: Session | None) -> Resolution | None:
    lane = source.lane("video") if source is not None else None
    return lane.size if lane is not None else None


def _feeds(inputs: Iterable[MixInput], media: RoomMedia | None) -> list[Feed]:
    """The tracks of a view's inputs, as far as they are there."""
    feeds: list[Feed] = []
    for one in inputs:
        feeds += _tracks(media.sessions.get(one.stream) if media else None, one.owner, one.name)
    return feeds


def _tracks(source: Session | None, owner: ParticipantId | None = None, name: str = "") -> list[Feed]:
    """The first track of each kind."""
    feeds: dict[str, Feed] = {}
    for lane in source.lanes.values() if source is not None else ():
        kind = lane.bound.kind
        format = format_of(lane.bound.payload)  # noqa: A001  # the glossary's word
        if source is not None and format is not None and kind not in feeds:
            active = kind not in source.inactive
            feeds[kind] = Feed(StreamId(source.id), lane.handle, format, owner, name, active)
    return list(feeds.values())
