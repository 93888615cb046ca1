"""A small cache of rows by id, for what every request reads."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Cache(Generic[T]):
    """Keeps up to ``size`` rows for ``max_age_s``, as another process may change the database too.

    A row that was read before a change but arrives after it is never handed out.
    """

    def __init__(self, clock: Callable[[], float], size: int = 1024, max_age_s: float = 5.0) -> None:
        self._clock, self._size, self._max_age_s = clock, size, max_age_s
        self._rows: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._changes = 0

    async def get(self, key: str, read: Callable[[str], Awaitable[T | None]]) -> T | None:
        """The row of ``key``, by ``read`` unless it is known; what does not exist is asked for again."""
        known = self._rows.get(key)
        if known is not None and known[0] > self._clock():
            self._rows.move_to_end(key)
            return known[1]
        while True:
            changes = self._changes
            row = await read(key)
            if changes == self._changes:
                break
        self._keep(key, row)
        return row

    def forget(self, *keys: str) -> None:
        """Something about ``keys`` changed."""
        self._changes += 1
        for key in keys:
            self._rows.pop(key, None)

    def _keep(self, key: str, row: T | None) -> None:
        self._rows.pop(key, None)
        if row is None:
            return
        self._rows[key] = (self._clock() + self._max_age_s, row)
        if len(self._rows) > self._size:
            self._rows.popitem(last=False)
