"""Virtual time: an event loop that never waits; when nothing is ready, it jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class _Skip(selectors.DefaultSelector):
    """Counts the seconds that the loop would have waited instead of waiting."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise RuntimeError("the test waits for something that will never happen")
        if timeout and not ready:
            self.skipped_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose ``time()`` is 1000 s at its start and moves only by jumping to timers."""

    def __init__(self) -> None:
        self._skip = _Skip()
        super().__init__(self._skip)

    def time(self) -> float:
        return 1000.0 + self._skip.skipped_s


def now() -> float:
    return asyncio.get_running_loop().time()


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a VirtualLoop and see that it leaves no task behind."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def watched() -> None:
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(watched())

    return run
