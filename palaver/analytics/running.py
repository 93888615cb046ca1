"""Calls an analyzer's handlers, whatever kind of function they are, and gives what they tell and show."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from palaver.analytics.plugin import Frame, Observation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from typing import Self

    from palaver.analytics.plugin import Analyzer
    from palaver.room.values import Kind

Result = Observation | Frame


def handler_of(analyzer: Analyzer, kind: Kind) -> Callable[[Frame], Any]:
    """The method ``audio`` or ``video`` of an analyzer that wants that kind."""
    handler: Callable[[Frame], Any] = getattr(analyzer, kind)
    return handler


class Running:
    """Runs one analyzer's handlers on one thread; ``close`` it."""

    def __init__(self) -> None:
        self._loop: asyncio.Runner | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def results(self, handler: Callable[[Frame], Any], frame: Frame) -> Iterator[Result]:
        """What ``handler`` makes of a frame, as it makes it. Raises what it raises; TypeError for other results."""
        made = handler(frame)
        if inspect.isasyncgen(made):
            yield from map(_checked, self._drained(made))
            return
        if inspect.isawaitable(made):
            made = self._run(_awaited(made))
        if made is None:
            return
        if isinstance(made, Observation | Frame):
            made = (made,)
        yield from map(_checked, made)

    def close(self) -> None:
        """End the loop of async handlers, if there was one."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _drained(self, made: AsyncIterator[Any]) -> Iterator[Any]:
        end = object()
        while (one := self._run(_next(made, end))) is not end:
            yield one

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None:
            self._loop = asyncio.Runner()
        return self._loop.run(coroutine)


async def _awaited(made: Any) -> Any:
    return await made


async def _next(made: AsyncIterator[Any], end: object) -> Any:
    return await anext(made, end)


def _checked(one: Any) -> Result:
    if not isinstance(one, Observation | Frame):
        raise TypeError(f"a handler yields event(…) or a Frame, not {type(one).__name__}")
    return one
