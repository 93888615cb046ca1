"""Pipeline processes: started from a fork server that has imported what they need, watched, and ended."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Final, cast

from palaver.media.pipelines import entry
from palaver.media.pipelines.confinement import USUAL, Limits, cleaned_environment
from palaver.media.pipelines.control import Alive, ControlError, Ready, Unpacker, packed
from palaver.media.ports import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.context import ForkServerProcess
    from typing import Any

    from msgspec import Struct
    from msgspec.msgpack import Decoder

    from palaver.media.pipelines.control import PipelineKind

START_TIMEOUT_S: Final = 10.0
"""From the decision to the child's first word."""
SILENT_S: Final = 3.0
"""A child that says nothing for this long hangs, and is killed."""
_LOOK_S: Final = 0.25
"""How often that is looked at. What the node itself slept through beyond this is not held against a child."""
FRAMES_BUFFER: Final = 1 << 20
"""Bytes that the frame socket holds: a key frame of 300 kB and more passes in one go."""
_UNSENT: Final = 4 << 20
"""Bytes of commands that may wait for a child that does not read; then it is held for hanging."""


class PipelineLost(Exception):
    """The process ended or hangs; the text says how."""


class ForkServer:
    """The process from which all pipelines are forked. It starts with the first of them."""

    def __init__(self, preload: Sequence[str] = (), limits: Limits = USUAL) -> None:
        """``preload``: modules of targets, imported once for all children; ``limits`` are each child's."""
        self._limits = limits
        self._context = multiprocessing.get_context("forkserver")
        self._preload = [
            *preload,
            entry.__name__,
            "palaver.media.pipelines.child",
        ]  # the last one freezes what the others have brought
        self._starter = ThreadPoolExecutor(1, "pipeline-starter")
        self._prepared = False

    def _prepare(self) -> None:
        """Runs in the main thread: the kernel ends the fork server when the thread that started it ends."""
        main = sys.modules["__main__"]
        main.__file__ = main.__spec__ = None  # else every child would import the whole server
        self._context.set_forkserver_preload(self._preload)
        # A fork server must not have threads.
        with cleaned_environment(OPENBLAS_NUM_THREADS="1", PALAVER_FORK_SERVER=str(os.getpid())):
            forkserver.ensure_running()
        self._prepared = True

    async def start(self, kind: PipelineKind) -> Pipeline:
        """Fork a child of that kind, and wait for its first word. Raises EngineError."""
        if not self._prepared:
            self._prepare()
        loop = asyncio.get_running_loop()
        control, its_control = socket.socketpair()
        frames, its_frames = socket.socketpair()
        started = False
        frames.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FRAMES_BUFFER)
        its_frames.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FRAMES_BUFFER)
        process = self._context.Process(
            target=entry.main,
            args=(kind.target, its_control, its_frames, kind.confinement, self._limits),
            daemon=True,
        )
        pipeline = Pipeline(process, frames, kind.reports)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await loop.run_in_executor(self._starter, process.start)
                await pipeline.connect(control)
        except (OSError, TimeoutError, EOFError, PipelineLost) as error:
            raise EngineError(f"no pipeline: {str(error) or 'the fork server does not answer'}") from error
        else:
            started = True
            return pipeline
        finally:
            its_control.close()
            its_frames.close()
            if not started:
                control.close()
                pipeline.abandon()

    def close(self) -> None:
        """Start no more."""
        self._starter.shutdown(wait=False, cancel_futures=True)


class Pipeline(asyncio.Protocol):
    """One child process. Whoever started it watches it, and ends it by :meth:`finish`."""

    def __init__(self, process: ForkServerProcess, frames: socket.socket, reports: Decoder[Any]) -> None:
        self._process = process
        self._frames: socket.socket | None = frames
        self._transport: asyncio.Transport | None = None
        self._unpacker = Unpacker(reports)
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._disconnected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard = 0
        self.counters: dict[str, float] = {}
        """What the child counted, by its own names."""
        self.on_report: Callable[[Struct], None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid

    def take_frames(self) -> int:
        """The descriptor of the frame socket: from now on it is the caller's to close."""
        assert self._frames is not None
        taken, self._frames = self._frames.detach(), None
        return taken

    async def connect(self, control: socket.socket) -> None:
        """Watch the child, and wait until it is ready. Raises PipelineLost."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, self._exited)
        await loop.create_unix_connection(lambda: self, sock=control)
        await asyncio.wait((self._ready, self._lost), return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            self._lost.result()

    def say(self, command: Struct) -> None:
        """Queue a command; one for a child that is gone is lost with it."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(packed(command))
        if self._transport.get_write_buffer_size() > _UNSENT:
            self._give_up("it does not read its commands")

    async def watch(self) -> None:
        """Watch the child until it is lost: raises PipelineLost."""
        silent, heard = 0.0, self._heard
        while silent < SILENT_S:
            await asyncio.wait((self._lost,), timeout=_LOOK_S)
            if self._lost.done():
                self._lost.result()
            silent, heard = (silent + _LOOK_S if heard == self._heard else 0.0), self._heard
        self._give_up("it hangs")
        self._lost.result()

    async def run(self) -> None:
        """Watch the child until it is lost (raises PipelineLost) or this is cancelled; then end it."""
        try:
            await self.watch()
        finally:
            await self._end()

    async def finish(self, stop: Struct, within_s: float) -> None:
        """Tell the child to stop, and kill it if it has not within this time; 0: at once."""
        try:
            if within_s > 0 and not self._lost.done():
                self.say(stop)
                await asyncio.wait((self._lost,), timeout=within_s)
        finally:
            await self._end()

    def abandon(self) -> None:
        """Whatever has begun, end it: it did not come to a start."""
        if self._frames is not None:
            self._frames.close()
        if self._transport is not None:
            self._transport.abort()
        if self._process.pid is not None:
            asyncio.get_running_loop().remove_reader(self._process.sentinel)
            self._process.kill()
            self._process.join()

    async def _end(self) -> None:
        if self._frames is not None:
            self._frames.close()
        if self._process.is_alive():
            self._process.kill()  # works on a stopped child too
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait((self._disconnected,))

    def _exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        code = self._process.exitcode or 0
        self._give_up(f"it was killed by signal {-code}" if code < 0 else f"it exited with status {code}")

    def _give_up(self, reason: str) -> None:
        if not self._lost.done():
            self._lost.set_exception(PipelineLost(reason))
            self._lost.exception()  # looked at: whoever waits sees it all the same

    # ── the control socket ──────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own kinds are not of this class

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol. The child's exit tells more, and comes right after."""
        self._disconnected.set_result(None)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._heard += 1
        try:
            for report in self._unpacker.feed(data):
                self._take(report)
        except ControlError as error:
            self._give_up(f"its report cannot be read: {error}")

    def _take(self, report: Struct) -> None:
        if isinstance(report, Ready) and not self._ready.done():
            self._ready.set_result(None)
        elif isinstance(report, Alive):
            self.counters = report.counters
        if self.on_report is not None:
            self.on_report(report)
