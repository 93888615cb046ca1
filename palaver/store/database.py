"""What the store asks of a database: pieces of work, each done whole or not at all, and errors in our own words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.exc import IntegrityError as Integrity

from palaver.store.errors import Conflict, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

Work = Callable[[Connection], T]
"""Statements to carry out on a connection, and what comes of them. It may be called in another thread."""

DEADLINE_S: Final = 5.0
"""How long any work may take, waiting for its turn, a connection or a lock included."""

_SQLITE: Final = frozenset({"sqlite", "sqlite+aiosqlite"})
_POSTGRESQL: Final = frozenset({"postgresql", "postgresql+asyncpg"})


class Database(Protocol):
    """Where the store keeps things. All that it raises is StoreError, or what the work itself raised."""

    async def read(self, work: Work[T]) -> T:
        """What ``work``, which changes nothing, returns."""
        ...

    async def write(self, work: Work[T], *, deadline_s: float | None = None) -> T:
        """What ``work`` returns, once it is committed; if it raises, nothing of it remains.

        Raises Conflict where a constraint forbids it.
        """
        ...

    def stats(self) -> Mapping[str, float]:
        """Counters by metric name."""
        ...

    async def close(self) -> None:
        """Give all connections back."""
        ...


def parse_url(text: str) -> URL:
    """``text`` if it names a database that we can use; raises StoreError."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # such as a port that is no number
        raise StoreError("database: expected sqlite:///… or postgresql://…") from None
    if url.drivername not in _SQLITE | _POSTGRESQL:
        raise StoreError(f"database: {url.drivername} is neither sqlite nor postgresql")
    if is_sqlite(url):
        _check_file(url)
    return url


def _check_file(url: URL) -> None:
    if url.host or url.query or "\0" in (url.database or ""):
        raise StoreError("database: expected sqlite:///path, with nothing before or after the path")
    if not in_memory(url):
        with contextlib.suppress(OSError):  # it does not exist yet, or opening it says what is wrong
            if Path(url.database or "").stat().st_size == 0:
                raise StoreError(
                    f"database: {url.database} has 0 bytes: restore it, or remove it to begin with an empty one"
                )


def is_sqlite(url: URL) -> bool:
    """Whether ``url`` names SQLite rather than PostgreSQL."""
    return url.drivername in _SQLITE


def in_memory(url: URL) -> bool:
    """Whether the database lives and dies with a single connection."""
    return is_sqlite(url) and url.database in {None, "", ":memory:"}


def in_our_words(error: SQLAlchemyError) -> StoreError:
    """What the driver said, without the statement and its values: those may hold secrets."""
    kind = Conflict if isinstance(error, Integrity) else StoreError
    return kind(str(getattr(error, "orig", None) or type(error).__name__))


def too_late() -> StoreError:
    """What a caller gets that waited in vain."""
    return StoreError("the database did not answer in time")
