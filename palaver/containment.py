"""Tasks whose failure ends nothing but themselves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from palaver.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

INTERNAL_ERROR: Final = "internal error"
"""What others are told of a failure that nobody expected."""


class OwnedTasks:
    """Runs what one owner needs. An unexpected exception ends that task alone: logged, counted, told to its owner."""

    def __init__(self, log: str = "palaver.media") -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger(log)
        self.failures = 0

    def __len__(self) -> int:
        return len(self._running)

    def start(
        self,
        work: Callable[[], Coroutine[object, object, None]],
        what: str,
        failed: Callable[[], None] | None = None,
    ) -> asyncio.Task[None]:
        """Run ``work`` until it ends, is cancelled or :meth:`close` is called; ``failed`` hears of an exception."""
        task = asyncio.get_running_loop().create_task(self._contained(work, what, failed), name=what)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def kept(self, work: Callable[[], Coroutine[object, object, None]], what: str) -> None:
        """Run ``work`` until it ends or is cancelled; after an exception again, with growing pauses."""
        backoff = Backoff(first_s=0.1, most_s=30.0)
        while True:
            try:
                await work()
            except Exception:
                self._failed(what)
            else:
                return
            await asyncio.sleep(backoff.after())

    def guard(self, work: Callable[[], None], what: str) -> bool:
        """Do ``work`` now; whether it went well."""
        try:
            work()
        except Exception:
            self._failed(what)
            return False
        return True

    async def close(self) -> None:
        """Cancel everything, and wait until it has ended: each of them bounds how long that takes."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _contained(
        self,
        work: Callable[[], Coroutine[object, object, None]],
        what: str,
        failed: Callable[[], None] | None,
    ) -> None:
        try:
            await work()
        except Exception:
            self._failed(what)
            if failed is not None:
                self.guard(failed, what)

    def _failed(self, what: str) -> None:
        self.failures += 1
        self._log.exception("task failed", what=what)
