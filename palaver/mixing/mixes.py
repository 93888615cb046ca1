"""What is encoded for the rooms of a node: views, and streams in other forms than they come in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import structlog

from palaver.mixing.control import MIXER, TRANSCODER
from palaver.mixing.forms import Forms
from palaver.mixing.pipeline import MixPipeline
from palaver.mixing.tracks import EncodedForm, EncodedTrack, InputTrack
from palaver.room.formats import encoding
from palaver.room.messages import SpeakerHeard
from palaver.room.values import AudioFormat, StreamId, VideoParameters

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from palaver.media.encoders import Demand, EncoderContext
    from palaver.media.tracks import CoreTrack
    from palaver.room.values import (
        Composition,
        Format,
        MixInput,
        ParticipantId,
        Resolution,
        RoomId,
        SubscribedTrack,
    )


@dataclass(eq=False, slots=True)
class EncodedDemand:
    """An encoded track that somebody needs, and which pipeline makes it; ``ended`` hears of its release."""

    pipeline: MixPipeline
    output: EncodedTrack
    ended: Callable[[], None] = lambda: None
    begun: bool = False

    @property
    def producer(self) -> int:
        """See Demand."""
        return self.output.producer

    @property
    def format(self) -> Format:
        """See Demand."""
        return self.output.form.format

    def begin(self) -> None:
        """See Demand."""
        if not self.begun:
            self.begun = True
            self.pipeline.begin(self.output)

    def release(self) -> None:
        """See Demand."""
        self.pipeline.release(self.output, connected=self.begun)
        self.ended()


class Mixes:
    """One pipeline per view and per stream that is transcoded, while a room has it."""

    preload: ClassVar = (MIXER.module, TRANSCODER.module)

    def __init__(self, context: EncoderContext) -> None:
        self._context = context
        self._log = structlog.get_logger("palaver.mixes")
        self._pipelines: dict[tuple[RoomId, StreamId], MixPipeline] = {}
        self._compositions: dict[tuple[RoomId, StreamId], Composition] = {}
        self._tasks: dict[MixPipeline, asyncio.Task[None]] = {}
        self._restarts = 0
        self._forms = Forms(context.forms)

    def is_view(self, room: RoomId, stream: StreamId) -> bool:
        """See Encoders."""
        return (room, stream) in self._compositions

    def __len__(self) -> int:
        return len(self._pipelines) + len(self._compositions) + len(self._forms)

    # ── what is made of what ────────────────────────────────────────────────────────────────────────

    def compose(self, room: RoomId, view: StreamId, composition: Composition) -> None:
        """See Encoders."""
        self._compositions[room, view] = composition
        if pipeline := self._pipelines.get((room, view)):
            pipeline.set_inputs(self._inputs(room, view))
            pipeline.compose(composition)

    def sources_changed(self, room: RoomId) -> None:
        """See Encoders."""
        for (owner, stream), pipeline in list(self._pipelines.items()):
            if owner == room:
                self._context.tasks.guard(
                    partial(self._renew_inputs, room, stream, pipeline), f"inputs of {stream}"
                )

    def _renew_inputs(self, room: RoomId, stream: StreamId, pipeline: MixPipeline) -> None:
        pipeline.set_inputs(self._inputs(room, stream))

    def _inputs(self, room: RoomId, stream: StreamId) -> list[InputTrack]:
        """What the pipeline of a view or stream draws from, as far as it is there."""
        tracks = self._context.tracks
        composition = self._compositions.get((room, stream))
        if composition is None:
            return _first_of_each(tracks.of(room, stream))
        found: list[InputTrack] = []
        for one in composition.inputs:
            found += _first_of_each(tracks.of(room, one.stream), one.name)
        return found

    def close_room(self, room: RoomId) -> None:
        """See Encoders."""
        for key in [key for key in self._pipelines if key[0] == room]:
            self._end(key)
        for key in [key for key in self._compositions if key[0] == room]:
            del self._compositions[key]

    # ── who needs it ────────────────────────────────────────────────────────────────────────────────

    def demand(
        self,
        room: RoomId,
        track: SubscribedTrack,
        wanted: Format,
        listener: ParticipantId | None,
        thread: int,
    ) -> EncodedDemand | None:
        """See Encoders."""
        composition = self._compositions.get((room, track.stream))
        sources = self._context.tracks.of(room, track.stream)
        if composition is None and not sources:
            return None
        hears_itself = composition is None or not isinstance(wanted, AudioFormat)
        form = EncodedForm(
            wanted,
            _parameters(track, wanted, composition, _size(sources)),
            listener if not hears_itself and _publishes(composition, listener) else None,
        )
        pipeline = self._pipeline(room, track.stream, thread)
        ended = self._forms.take(room, track.stream, form, pipeline.forms, listener)
        try:
            return EncodedDemand(pipeline, pipeline.demand(form), ended)
        except BaseException:
            ended()
            raise

    def is_outdated(self, demand: Demand, room: RoomId, view: StreamId, listener: ParticipantId) -> bool:
        """See Encoders."""
        if not isinstance(demand, EncodedDemand) or demand.pipeline is not self._pipelines.get((room, view)):
            return False
        form, inside = demand.output.form, _publishes(self._compositions[room, view], listener)
        return isinstance(form.format, AudioFormat) and (form.listener is not None) is not inside

    def _pipeline(self, room: RoomId, stream: StreamId, thread: int) -> MixPipeline:
        found = self._pipelines.get((room, stream))
        if found is not None:
            return found
        composition = self._compositions.get((room, stream))
        pipeline = MixPipeline(
            self._context.pipelines,
            TRANSCODER if composition is None else MIXER,
            thread,
            self._log.bind(room=room, stream=stream),
            failed=self._context.failed,
            spoke=partial(self._spoke, room, stream),
        )
        self._pipelines[room, stream] = pipeline
        pipeline.set_inputs(self._inputs(room, stream))
        if composition is not None:
            pipeline.compose(composition)
        tasks = self._context.tasks
        work = partial(tasks.kept, pipeline.supervisor.run, f"pipeline of {stream}")
        self._tasks[pipeline] = tasks.start(work, f"pipeline of {stream}")
        return pipeline

    def forget_stream(self, room: RoomId, stream: StreamId) -> None:
        """See Encoders."""
        if (room, stream) in self._pipelines and (room, stream) not in self._compositions:
            self._end((room, stream))

    def _end(self, key: tuple[RoomId, StreamId]) -> None:
        pipeline = self._pipelines.pop(key)
        self._restarts += pipeline.supervisor.restarts
        pipeline.abandon()
        if task := self._tasks.pop(pipeline, None):
            task.cancel()

    def _spoke(self, room: RoomId, view: StreamId, stream: StreamId) -> None:
        self._context.report(room, SpeakerHeard(view, stream))

    def stats(self) -> dict[str, float]:
        """Gauges and counters by their metric names: of the pipelines that run now, and restarts since the start."""
        supervisors = [one.supervisor for one in self._pipelines.values()]
        running = [one for one in supervisors if one.running]
        sums: dict[str, float] = {
            "pipelines": len(running),
            "forms": sum(len(one.forms) for one in self._pipelines.values()),
            "forms_encoded": sum(one.encoded for one in self._pipelines.values()),
            **self._forms.stats(),
            "pipeline_restarts_total": self._restarts + sum(one.restarts for one in supervisors),
        }
        for supervisor in running:
            for name, value in supervisor.counters.items():
                sums[f"pipeline_{name}"] = sums.get(f"pipeline_{name}", 0.0) + value
        return sums


def _parameters(
    track: SubscribedTrack, wanted: Format, composition: Composition | None, size: Resolution | None
) -> VideoParameters | None:
    if isinstance(wanted, AudioFormat):
        return None
    if composition is None:
        return encoding(VideoParameters(resolution=size), track.parameters, wanted)
    view = composition.view
    return encoding(view.video_parameters or VideoParameters(), track.parameters, wanted, view.motion_factor)


def _publishes(composition: Composition | None, listener: ParticipantId | None) -> bool:
    inputs: tuple[MixInput, ...] = composition.inputs if composition is not None else ()
    return listener is not None and any(one.owner == listener for one in inputs)


def _size(sources: Iterable[CoreTrack]) -> Resolution | None:
    return next((track.size for track in sources if track.kind == "video"), None)


def _first_of_each(tracks: Iterable[CoreTrack], name: str = "") -> list[InputTrack]:
    """The first track of each kind whose format is known."""
    found: dict[str, InputTrack] = {}
    for track in tracks:
        if track.kind not in found and (known := InputTrack.of(track, name)) is not None:
            found[track.kind] = known
    return list(found.values())
