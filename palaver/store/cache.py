"""A small cache of rows by id, for what every request reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import TTLCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Cache(Generic[T]):
    """Keeps up to ``size`` rows for ``max_age_s``, as another process may change the database too.

    A row that was read before a change but arrives after it is never handed out.
    """

    def __init__(self, clock: Callable[[], float], size: int = 1024, max_age_s: float = 5.0) -> None:
        self._rows: TTLCache[str, T] = TTLCache(size, max_age_s, timer=clock)
        self._changes = 0

    async def get(self, key: str, read: Callable[[str], Awaitable[T | None]]) -> T | None:
        """The row of ``key``, by ``read`` unless it is known; what does not exist is asked for again."""
        known = self._rows.get(key)
        if known is not None:
            return known
        while True:
            changes = self._changes
            row = await read(key)
            if changes == self._changes:
                break
        if row is not None:
            self._rows[key] = row
        return row

    def forget(self, *keys: str) -> None:
        """Something about ``keys`` changed."""
        self._changes += 1
        for key in keys:
            self._rows.pop(key, None)
