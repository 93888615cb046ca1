"""Keeps a pipeline running while it is wanted: started, watched, started again, and finished."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from palaver.containment import OwnedTasks
from palaver.media.pipelines.control import Failed, Stop
from palaver.media.pipelines.process import PipelineLost
from palaver.media.ports import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import structlog
    from msgspec import Struct

    from palaver.media.pipelines.control import PipelineKind
    from palaver.media.pipelines.process import ForkServer, Pipeline

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
"""Between attempts to start a pipeline that ends: doubled each time."""
STEADY_S: Final = 10.0
"""A pipeline that ran for so long is not one that fails at once."""
LINGER_S: Final = 2.0
"""How long a pipeline outlives its last user, so that one that comes back finds it warm."""


class FrameCore(Protocol):
    """What concerns pipelines in the packet core: see ``_core.pyi``."""

    def open_pipeline(self, thread: int, fd: int) -> int: ...  # noqa: D102  # see _core.pyi, as all below
    def close_pipeline(self, pipeline: int) -> None: ...  # noqa: D102
    def create_output(self, thread: int, codec: str) -> int: ...  # noqa: D102
    def connect_output(self, producer: int, pipeline: int, track: int) -> None: ...  # noqa: D102
    def tap(self, producer: int, pipeline: int, track: int) -> int: ...  # noqa: D102
    def set_layer(  # noqa: D102
        self, consumer: int, rid: str | None, max_width: int, max_height: int, max_framerate: float
    ) -> None: ...
    def unsubscribe(self, consumer: int) -> None: ...  # noqa: D102
    def unpublish(self, producer: int) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Where pipelines come from, where their frames go, and who counts what fails unexpectedly."""

    core: FrameCore
    server: ForkServer
    tasks: OwnedTasks = field(default_factory=OwnedTasks)


class PipelineUser(Protocol):
    """Whoever a pipeline works for."""

    def begun(self, pipeline: int) -> None:
        """A new one takes commands, the core calls it ``pipeline``: tell it everything."""
        ...

    def heard(self, report: Struct) -> None:
        """It said something."""
        ...

    def over(self) -> None:
        """It is gone, and its taps with it."""
        ...


class PipelineSupervisor:
    """One pipeline after the other, while one is wanted. ``run`` is its life."""

    def __init__(
        self,
        pipelines: Pipelines,
        kind: PipelineKind,
        thread: int,
        user: PipelineUser,
        log: structlog.stdlib.BoundLogger,
        *,
        wanted: bool = False,
    ) -> None:
        """``wanted``: from the beginning, and until the end unless :meth:`want` says otherwise."""
        self._pipelines, self._kind, self._thread = pipelines, kind, thread
        self._user, self._log = user, log
        self._pipeline: Pipeline | None = None
        self._wanted = asyncio.Event()
        self.restarts = 0
        """How often a pipeline was lost."""
        self.want(wanted)

    @property
    def running(self) -> bool:
        """Whether there is a pipeline now."""
        return self._pipeline is not None

    @property
    def counters(self) -> Mapping[str, float]:
        """What the pipeline that runs has counted."""
        return self._pipeline.counters if self._pipeline is not None else {}

    def want(self, wanted: bool) -> None:
        """Whether a pipeline is wanted; one that is not any more is kept for LINGER_S."""
        (self._wanted.set if wanted else self._wanted.clear)()

    def say(self, command: Struct) -> None:
        """Tell the pipeline that runs; if none does, nobody hears it."""
        if self._pipeline is not None:
            self._pipeline.say(command)

    async def run(self) -> None:
        """Keep a pipeline while one is wanted, until cancelled.

        Raises PipelineLost or EngineError if one is lost that must not be started again.
        """
        pause = FIRST_PAUSE_S
        while True:
            await self._wanted.wait()
            begun = asyncio.get_running_loop().time()
            if await self._ended_well(pause):
                pause = FIRST_PAUSE_S
                continue
            if asyncio.get_running_loop().time() - begun > STEADY_S:
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _ended_well(self, pause: float) -> bool:
        try:
            await self._work()
        except (PipelineLost, EngineError) as lost:
            self.restarts += 1
            if not self._kind.restarts:
                raise
            self._log.warning("pipeline lost", what=self._kind.target, reason=str(lost), again_in_s=pause)
            return False
        except Exception:  # a bug of ours costs this pipeline, and is not repeated without a pause
            self.restarts += 1
            self._pipelines.tasks.failures += 1
            self._log.exception("pipeline abandoned", what=self._kind.target, again_in_s=pause)
            if not self._kind.restarts:
                raise
            return False
        return True

    async def _work(self) -> None:
        """One pipeline from its start to its end; returns once it has not been wanted for a while."""
        pipeline = await self._pipelines.server.start(self._kind)
        handle: int | None = None
        try:
            pipeline.on_report = self._heard
            handle = self._pipelines.core.open_pipeline(self._thread, pipeline.take_frames())
            self._pipeline = pipeline
            self._user.begun(handle)
            await self._watch(pipeline)
        finally:
            await self._finish(pipeline, handle)

    async def _watch(self, pipeline: Pipeline) -> None:
        watching: asyncio.Task[None] | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(pipeline.watch())
                await self._unwanted(watching)
                watching.cancel()
        except* PipelineLost as group:
            raise group.exceptions[0] from None

    async def _finish(self, pipeline: Pipeline, handle: int | None) -> None:
        """End the process: one that writes something gets the time to complete it."""
        try:
            if self._pipeline is not None:
                self._user.over()
        finally:
            self._pipeline = None
            try:
                await pipeline.finish(Stop(), self._kind.finish_s)
            finally:
                if handle is not None:
                    self._pipelines.core.close_pipeline(handle)

    async def _unwanted(self, watching: asyncio.Task[None]) -> None:
        """Wait until the pipeline has not been wanted for LINGER_S, or is lost."""
        while not watching.done():
            if self._wanted.is_set():
                await asyncio.wait((watching,), timeout=LINGER_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._wanted.wait()
                    continue
            if not self._wanted.is_set():
                return

    def _heard(self, report: Struct) -> None:
        if isinstance(report, Failed) and report.track is None:
            self._log.warning("pipeline failed", what=self._kind.target, reason=report.reason)
        try:
            self._user.heard(report)
        except Exception:  # a bug of ours costs this report
            self._pipelines.tasks.failures += 1
            self._log.exception("report not understood", what=self._kind.target)
