"""Commands to the core that cannot be refused, kept while its queue is full."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from palaver.media import _core

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_S: Final = 0.05
"""Until a command is tried again for which a queue of the core had no room."""


class Backlog:
    """Commands in the order of asking. Bounded by what the core has: each ends or changes something that is alive."""

    def __init__(self) -> None:
        self._undone: deque[Callable[[], None]] = deque()
        self._closed = False

    def __len__(self) -> int:
        return len(self._undone)

    def do(self, command: Callable[[], None]) -> None:
        """Do it now, or in this order as soon as the core takes commands again."""
        self._undone.append(command)
        if len(self._undone) == 1:
            self._catch_up()

    def close(self) -> None:
        """Forget what is not done: the core is going."""
        self._closed = True

    def _catch_up(self) -> None:
        while self._undone and not self._closed:
            try:
                self._undone[0]()
            except _core.CoreBusy:
                asyncio.get_running_loop().call_later(RETRY_S, self._catch_up)
                return
            self._undone.popleft()
