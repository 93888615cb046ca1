"""The cache: what was read lately, never what has changed."""

from __future__ import annotations

import asyncio

from palaver.store.cache import Cache


class Table:
    """Rows that are read slowly enough to be changed meanwhile."""

    def __init__(self, **rows: int) -> None:
        self.rows, self.reads = rows, 0
        self.go = asyncio.Event()
        self.go.set()

    async def read(self, key: str) -> int | None:
        self.reads += 1
        row = self.rows.get(key)
        await self.go.wait()
        return row


async def test_a_row_is_read_once_while_it_is_young() -> None:
    now, table = 0.0, Table(a=1)
    cache: Cache[int] = Cache(lambda: now, max_age_s=5)
    assert [await cache.get("a", table.read) for _ in range(3)] == [1, 1, 1]
    assert table.reads == 1
    table.rows["a"], now = 2, 5.0
    assert await cache.get("a", table.read) == 2


async def test_what_does_not_exist_is_asked_for_again() -> None:
    table = Table()
    cache: Cache[int] = Cache(lambda: 0.0)
    assert await cache.get("a", table.read) is None
    table.rows["a"] = 1
    assert await cache.get("a", table.read) == 1


async def test_a_change_is_seen_at_once() -> None:
    table = Table(a=1, b=1)
    cache: Cache[int] = Cache(lambda: 0.0)
    await cache.get("a", table.read)
    table.rows["a"] = 2
    cache.forget("a", "b")
    assert await cache.get("a", table.read) == 2


async def test_a_row_that_was_read_before_a_change_is_not_handed_out_after_it() -> None:
    table = Table(a=1)
    cache: Cache[int] = Cache(lambda: 0.0)
    table.go.clear()
    reading = asyncio.create_task(cache.get("a", table.read))
    await asyncio.sleep(0)
    table.rows["a"] = 2
    cache.forget("a")
    table.go.set()
    assert await reading == 2


async def test_it_keeps_what_was_used_last() -> None:
    table = Table(a=1, b=2, c=3)
    cache: Cache[int] = Cache(lambda: 0.0, size=2)
    for key in "abac":
        await cache.get(key, table.read)
    assert table.reads == 3
    await cache.get("a", table.read)
    assert table.reads == 3
    await cache.get("b", table.read)
    assert table.reads == 4
