"""What one pipeline makes: a view, or one stream in other forms. It is started, fed, watched, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Protocol

from palaver.media.pipelines import control
from palaver.media.pipelines.process import PipelineLost
from palaver.media.ports import EngineError
from palaver.room.values import AudioFormat, Kind, ParticipantId, StreamId, VideoParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import structlog

    from palaver.media.pipelines.process import ForkServer, Pipeline
    from palaver.room.values import Composition, Format, Region

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
"""Between attempts to start a pipeline that ends: doubled each time."""
STEADY_S: Final = 10.0
"""A pipeline that ran for so long is not one that fails at once."""
_NEAREST: Final = Fraction(4, 3)
"""By how much a layer may exceed its region: as layers double in size, the one taken is enlarged by 1.5 at most."""
LINGER_S: Final = 2.0
"""How long a pipeline outlives its last consumer, so that one that comes back finds it warm."""


class Frames(Protocol):
    """What a production needs of the packet core: see ``_core.pyi``."""

    def open_pipeline(self, thread: int, fd: int) -> int: ...  # noqa: D102  # see _core.pyi, as all below
    def close_pipeline(self, pipeline: int) -> None: ...  # noqa: D102
    def create_output(  # noqa: D102
        self, thread: int, codec: str, profile_level_id: str | None
    ) -> int: ...
    def connect_output(self, producer: int, pipeline: int, track: int) -> None: ...  # noqa: D102
    def tap(self, producer: int, pipeline: int, track: int) -> int: ...  # noqa: D102
    def set_layer(  # noqa: D102
        self, subscription: int, rid: str | None, max_width: int, max_height: int, max_framerate: float
    ) -> None: ...
    def unsubscribe(self, subscription: int) -> None: ...  # noqa: D102
    def unpublish(self, producer: int) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One form of what is produced. Equal ones are produced once.

    ``profile_level_id`` is what H264's subscriber negotiated. ``parameters``, of video, are complete but for the
    resolution, which may be left to the input. ``listener``: whose own sound is left out.
    """

    format: Format
    profile_level_id: str | None = None
    parameters: VideoParameters | None = None
    listener: ParticipantId | None = None

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return "audio" if isinstance(self.format, AudioFormat) else "video"


@dataclass(eq=False, slots=True)
class Output:
    """A form that is produced: a producer of the core like any other. ``users`` counts who needs it."""

    spec: OutputSpec
    track: int
    producer: int
    users: int = 0


@dataclass(frozen=True, slots=True)
class Feed:
    """A track of a forward stream as the core has it."""

    stream: StreamId
    producer: int
    format: Format
    owner: ParticipantId | None = None
    name: str = ""
    active: bool = True

    @property
    def kind(self) -> Kind:
        """Audio or video."""
        return "audio" if isinstance(self.format, AudioFormat) else "video"


@dataclass(eq=False, slots=True)
class _Input:
    """A feed that the pipeline knows, by its number; ``tap`` while the core sends it frames."""

    feed: Feed
    track: int
    tap: int | None = None
    limit: int = 0  # pixels of height, 0: none


class Production:
    """Inputs and outputs as they are wanted; whatever pipeline runs is told so. ``run`` is its life."""

    def __init__(
        self,
        core: Frames,
        server: ForkServer,
        target: str,
        thread: int,
        log: structlog.stdlib.BoundLogger,
        *,
        failed: Callable[[Output, str], None],
        spoke: Callable[[StreamId], None] = lambda _: None,
    ) -> None:
        self._core, self._server, self._target, self._thread = core, server, target, thread
        self._log, self._failed, self._spoke = log, failed, spoke
        self._numbers = itertools.count(1)
        self._inputs: dict[tuple[StreamId, Kind], _Input] = {}
        self._outputs: dict[OutputSpec, Output] = {}
        self._composition: Composition | None = None
        self._pipeline: Pipeline | None = None
        self._handle: int | None = None
        self._wanted = asyncio.Event()
        self.restarts = 0

    @property
    def outputs(self) -> Iterable[Output]:
        """All that is produced."""
        return self._outputs.values()

    @property
    def running(self) -> bool:
        """Whether there is a pipeline now."""
        return self._pipeline is not None

    @property
    def counters(self) -> Mapping[str, float]:
        """What the pipeline that runs has counted."""
        return self._pipeline.counters if self._pipeline is not None else {}

    # ── what is wanted ──────────────────────────────────────────────────────────────────────────────

    def demand(self, spec: OutputSpec) -> Output:
        """One more needs this form."""
        output = self._outputs.get(spec)
        if output is None:
            producer = self._core.create_output(self._thread, spec.format.codec, spec.profile_level_id)
            output = self._outputs[spec] = Output(spec, next(self._numbers), producer)
            self._connect(output)
            self._feed_inputs()
        output.users += 1
        self._wanted.set()
        return output

    def release(self, output: Output) -> None:
        """One less needs it; the last one ends it."""
        output.users -= 1
        if output.users > 0 or self._outputs.get(output.spec) is not output:
            return
        self._drop(output)
        if not self._outputs:
            self._wanted.clear()

    def _drop(self, output: Output) -> None:
        del self._outputs[output.spec]
        self._say(control.RemoveOutput(track=output.track))
        self._core.unpublish(output.producer)
        self._feed_inputs()

    def abandon(self) -> None:
        """Nobody will need anything of it again."""
        for output in list(self._outputs.values()):
            self._drop(output)
        self._wanted.clear()

    def set_feeds(self, feeds: Iterable[Feed]) -> None:
        """These tracks are the inputs from now on."""
        wanted = {(feed.stream, feed.kind): feed for feed in feeds}
        for key, known in list(self._inputs.items()):
            feed = wanted.get(key)
            if feed is None or (feed.producer, feed.format) != (
                known.feed.producer,
                known.feed.format,
            ):
                del self._inputs[key]
                self._unfeed(known)
                self._say(control.RemoveInput(track=known.track))
        for key, feed in wanted.items():
            known_input = self._inputs.get(key)
            if known_input is None:
                added = self._inputs[key] = _Input(feed, next(self._numbers))
                self._introduce(added)
            elif known_input.feed.active != feed.active:
                known_input.feed = feed
                self._say(control.SetInputActive(track=known_input.track, active=feed.active))
        self._renew_listeners()
        self._feed_inputs()

    def compose(self, composition: Composition) -> None:
        """The view looks like this from now on."""
        self._composition = composition
        self._limit_layers()
        self._tell_composition()

    # ── its life ────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Keep a pipeline while anybody needs what it makes, until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            await self._wanted.wait()
            begun = asyncio.get_running_loop().time()
            try:
                await self._work()
            except (PipelineLost, EngineError) as lost:
                self.restarts += 1
                self._log.warning("pipeline lost", what=self._target, reason=str(lost), again_in_s=pause)
            else:
                pause = FIRST_PAUSE_S
                continue
            if asyncio.get_running_loop().time() - begun > STEADY_S:
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _work(self) -> None:
        """One pipeline from its start to its end; returns once nobody has needed it for a while."""
        pipeline = await self._server.start(self._target)
        pipeline.on_report = self._heard
        self._handle = self._core.open_pipeline(self._thread, pipeline.take_frames())
        self._pipeline = pipeline
        try:
            self._tell_all()
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(pipeline.run())
                await self._unneeded(watching)
                watching.cancel()
        except* PipelineLost as group:
            raise group.exceptions[0] from None
        finally:
            self._pipeline = None
            self._core.close_pipeline(self._handle)
            self._handle = None
            for one in self._inputs.values():
                one.tap = None  # closing the pipeline ended it

    async def _unneeded(self, watching: asyncio.Task[None]) -> None:
        """Wait until nobody has needed an output for LINGER_S, or the pipeline is lost."""
        while not watching.done():
            if self._outputs:
                await asyncio.wait((watching,), timeout=LINGER_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._wanted.wait()
                    continue
            if not self._outputs:
                return

    # ── what the pipeline is told ───────────────────────────────────────────────────────────────────

    def _say(self, command: control.Command) -> None:
        if self._pipeline is not None:
            self._pipeline.say(command)

    def _tell_all(self) -> None:
        for one in self._inputs.values():
            self._introduce(one)
        self._tell_composition()
        for output in self._outputs.values():
            self._connect(output)
        self._feed_inputs()

    def _introduce(self, one: _Input) -> None:
        feed = one.feed
        if feed.kind == "audio":
            self._say(control.AddAudioInput(track=one.track, codec=feed.format.codec))
        else:
            self._say(control.AddVideoInput(track=one.track, codec=feed.format.codec, name=feed.name))
        if not feed.active:
            self._say(control.SetInputActive(track=one.track, active=False))

    def _connect(self, output: Output) -> None:
        if self._handle is None:
            return
        self._core.connect_output(output.producer, self._handle, output.track)
        self._say(self._output_command(output))

    def _output_command(self, output: Output) -> control.AddAudioOutput | control.AddVideoOutput:
        spec = output.spec
        if isinstance(spec.format, AudioFormat):
            return control.AddAudioOutput(
                track=output.track,
                codec=spec.format.codec,
                sample_rate=spec.format.sample_rate or 0,
                channels=min(spec.format.channels or 1, 2),
                without=self._own_inputs(spec.listener),
            )
        wanted = spec.parameters or VideoParameters()
        size = wanted.resolution
        return control.AddVideoOutput(
            track=output.track,
            codec=spec.format.codec,
            profile=spec.format.profile,
            width=size.width if size else 0,
            height=size.height if size else 0,
            framerate=wanted.framerate or 30.0,
            bitrate_kbps=float(wanted.bitrate or 0),
            key_frame_interval_s=wanted.key_frame_interval or 100.0,
        )

    def _own_inputs(self, listener: ParticipantId | None) -> tuple[int, ...]:
        return tuple(
            one.track
            for one in self._inputs.values()
            if listener is not None and one.feed.kind == "audio" and one.feed.owner == listener
        )

    def _renew_listeners(self) -> None:
        """Who publishes now what it must not hear of itself."""
        for output in self._outputs.values():
            if output.spec.listener is not None:
                self._say(self._output_command(output))

    def _feed_inputs(self) -> None:
        """Let the core send the frames that are needed: of a kind that has outputs, and of video that is seen."""
        if self._handle is None:
            return
        kinds = {output.spec.kind for output in self._outputs.values()}
        for one in self._inputs.values():
            needed = one.feed.kind in kinds and (one.feed.kind == "audio" or self._seen(one.feed.stream))
            if needed and one.tap is None:
                one.tap = self._core.tap(one.feed.producer, self._handle, one.track)
                self._limit(one)
            elif not needed:
                self._unfeed(one)

    def _unfeed(self, one: _Input) -> None:
        if one.tap is not None:
            self._core.unsubscribe(one.tap)
            one.tap = None

    # ── the layout ──────────────────────────────────────────────────────────────────────────────────

    def _seen(self, stream: StreamId) -> bool:
        if self._composition is None:
            return True
        return any(placement.stream == stream for placement in self._composition.placements)

    def _tell_composition(self) -> None:
        composition = self._composition
        view = composition.view if composition is not None else None
        if composition is None or view is None or view.video_parameters is None:
            return
        size = view.video_parameters.resolution
        assert size is not None, "a view with a picture has a size"
        tiles = []
        for placement in composition.placements:
            shown = self._inputs.get((placement.stream, "video")) if placement.stream else None
            tiles.append(control.Tile(_area(placement.region), shown.track if shown else None))
        self._say(
            control.Compose(
                width=size.width // 2 * 2,
                height=size.height // 2 * 2,
                framerate=view.video_parameters.framerate or 24.0,
                background=view.background,
                crop=view.crop,
                tiles=tuple(tiles),
            )
        )
        self._feed_inputs()

    def _limit_layers(self) -> None:
        """Of a simulcast stream the layer nearest to its region is enough."""
        composition = self._composition
        if composition is None or composition.view.video_parameters is None:
            return
        size = composition.view.video_parameters.resolution
        for placement in composition.placements:
            one = self._inputs.get((placement.stream, "video")) if placement.stream else None
            if one is not None and size is not None:
                one.limit = max(round(Fraction(placement.region.height) * size.height * _NEAREST), 2)
                self._limit(one)

    def _limit(self, one: _Input) -> None:
        if one.tap is not None and one.feed.kind == "video":
            self._core.set_layer(one.tap, None, 0, one.limit, 0.0)

    # ── what the pipeline says ──────────────────────────────────────────────────────────────────────

    def _heard(self, report: control.Report) -> None:
        match report:
            case control.Failed(track=None, reason=reason):
                self._log.warning("pipeline failed", what=self._target, reason=reason)
            case control.Failed(track=track, reason=reason):
                for output in list(self._outputs.values()):
                    if output.track == track:
                        self._failed(output, reason)
            case control.Speaking(track=track):
                for (stream, kind), one in self._inputs.items():
                    if one.track == track and kind == "audio":
                        self._spoke(stream)
            case _:
                pass


def _area(region: Region) -> control.Area:
    return control.Area(
        *(float(Fraction(part)) for part in (region.left, region.top, region.width, region.height))
    )
