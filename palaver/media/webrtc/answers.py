"""Questions to the core that it answers by an event: offers, so far."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from palaver.media import _core
from palaver.media.ports import EngineError, NegotiationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.media.webrtc.sessions import Transport

ANSWER_TIMEOUT_S: Final = 5.0
"""How long the core may take to answer an offer."""


class Answers:
    """The answers that are waited for, by the number of their request."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[str]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, core: _core.Core, transport: Transport, offer: str) -> str:
        """What ``core`` answers. Raises NegotiationError if it refuses, EngineError if it does not answer."""
        with self._question(transport) as (number, answer):
            try:
                core.negotiate(transport.handle, number, offer)
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return await answer
            except _core.CoreBusy as busy:
                raise EngineError(str(busy)) from busy
            except TimeoutError:
                raise EngineError("the packet core did not answer in time") from None

    @contextmanager
    def _question(self, transport: Transport) -> Iterator[tuple[int, asyncio.Future[str]]]:
        number = next(self._numbers)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[number] = transport.answer = answer
        try:
            yield number, answer
        finally:
            transport.answer = None
            del self._waiting[number]

    def answered(self, number: int, answer: str) -> None:
        """The core took the offer."""
        if (waiting := self._waiting.get(number)) and not waiting.done():
            waiting.set_result(answer)

    def refused(self, number: int, reason: str) -> None:
        """The core did not take the offer."""
        if (waiting := self._waiting.get(number)) and not waiting.done():
            waiting.set_exception(NegotiationError(reason))

    def close(self) -> None:
        """The core is going: nobody shall wait for it."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(EngineError("the media engine is stopped"))
