"""A thread with a connection to SQLite, which carries out what waits for it in groups."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from palaver.store.database import T, Work, in_our_words, too_late
from palaver.store.errors import Conflict, StoreError
from palaver.store.work import Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, Engine

WAITING: Final = 1000
"""Pieces of work that may wait; more are refused."""

_GROUP: Final = 64
"""Pieces of work that share a commit: as many as one may lose without its caller noticing that it waits."""

_END_S: Final = 5.0


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[Connection], Any]
    done: asyncio.Future[Any]


@dataclass(slots=True)
class _Outcome:
    value: Any = None
    error: Exception | None = None


class DatabaseThread:
    """Does one piece of work after the other, in the order in which they were asked for.

    A ``writing`` thread does all that waits in one transaction: nobody is told of a success before the commit, and
    work that fails is taken back alone. The thread starts with the first work, and so does the connection.
    """

    def __init__(self, engine: Engine, *, writing: bool) -> None:
        self.waiting = self.refused = self.failed = self.groups = 0
        self._engine, self._writing = engine, writing
        self._next: list[_Job] = []
        self._groups: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._at_work = False
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._closed = False

    async def do(self, work: Work[T], deadline_s: float) -> T:
        """What ``work`` returns; what it raises, or StoreError.

        Work that is given up before its turn is not done; later, whether it was done is not known.
        """
        if self._closed:
            raise StoreError("the database is closed")
        if self.waiting >= WAITING:
            self.refused += 1
            raise StoreError(f"the database is too slow: {WAITING} wait for it already")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self.waiting += 1
        self._next.append(_Job(work, done))
        if not self._at_work:
            self._at_work = True
            loop.call_soon(self._hand_over, loop)
        deadline = loop.call_later(deadline_s, _expire, done)
        try:
            return await done
        finally:
            deadline.cancel()

    async def close(self) -> None:
        """Do what waits, then end the thread; give up on both after a while."""
        if self._closed or self._thread is None:
            self._closed = True
            return
        with contextlib.suppress(StoreError):
            await self.do(_nothing, _END_S)
        self._closed = True
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join, _END_S)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the thread its next group: all that was asked for while it was at work, and in this turn of the loop."""
        group, self._next = self._next[:_GROUP], self._next[_GROUP:]
        if self._thread is None:
            kind = "writes" if self._writing else "reads"
            self._thread = threading.Thread(
                target=self._run, args=(loop,), name=f"sqlite {kind}", daemon=True
            )
            self._thread.start()
        self._groups.put(group)

    def _deliver(self, loop: asyncio.AbstractEventLoop, group: list[_Job], outcomes: list[_Outcome]) -> None:
        self._at_work = bool(self._next)
        if self._next:
            loop.call_soon(self._hand_over, loop)
        self.waiting -= len(group)
        for job, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome.error, StoreError) and not isinstance(outcome.error, Conflict):
                self.failed += 1
            if job.done.done():
                continue
            if outcome.error is None:
                job.done.set_result(outcome.value)
            else:
                job.done.set_exception(outcome.error)

    # ── in the thread ───────────────────────────────────────────────────────────────────────────────

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while group := self._groups.get():
                outcomes = self._outcomes(group)
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(self._deliver, loop, group, outcomes)
        finally:
            if self._connection is not None:
                self._connection.close()

    def _outcomes(self, group: list[_Job]) -> list[_Outcome]:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._connection.begin()  # for SQLAlchemy, for ever; the real transactions are ours
            if self._writing:
                return self._transaction(self._connection, group)
            return [_attempt(self._connection, job) for job in group]
        except Exception as error:  # noqa: BLE001, RUF100  # whatever it is, somebody waits to be told
            return [_Outcome(error=_translated(error))] * len(group)

    def _transaction(self, connection: Connection, group: list[_Job]) -> list[_Outcome]:
        """Raises SQLAlchemyError or sqlite3.Error if nothing of the group was done."""
        raw: Any = connection.connection.dbapi_connection
        # A transaction that only turns out to write later fails at once if somebody else wrote meanwhile.
        raw.execute("BEGIN IMMEDIATE")
        try:
            outcomes = [_saved(connection, raw, job) for job in group]
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        self.groups += 1
        return outcomes


def _nothing(_connection: Connection) -> None:
    pass


def _expire(done: asyncio.Future[Any]) -> None:
    if not done.done():
        done.set_exception(too_late())


def _saved(connection: Connection, raw: Any, job: _Job) -> _Outcome:
    """The outcome of one piece of work within a transaction, of which nothing remains if it fails."""
    if job.done.done():  # given up
        return _Outcome()
    single = isinstance(job.work, Statement)
    if not single:
        raw.execute("SAVEPOINT work")
    outcome = _attempt(connection, job)
    if outcome.error is not None and not raw.in_transaction:  # all was taken back: the disk is full, say
        raise outcome.error
    if not single:
        if outcome.error is not None:
            raw.execute("ROLLBACK TO work")
        raw.execute("RELEASE work")
    return outcome


def _attempt(connection: Connection, job: _Job) -> _Outcome:
    try:
        return _Outcome(job.work(connection))
    except Exception as error:  # noqa: BLE001, RUF100  # it is the caller's to handle
        return _Outcome(error=_translated(error))


def _translated(error: Exception) -> Exception:
    """In our words, if it is the database's; else as it is."""
    if isinstance(error, SQLAlchemyError):
        said = in_our_words(error)
    elif isinstance(error, sqlite3.Error):
        said = Conflict(str(error)) if isinstance(error, sqlite3.IntegrityError) else StoreError(str(error))
    else:
        return error
    said.__cause__ = error
    return said
