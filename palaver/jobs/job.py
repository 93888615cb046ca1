"""A job as the node knows it."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from palaver.store import JobRecord

if TYPE_CHECKING:
    from palaver.jobs.kinds import JobKind


class JobStatus(enum.StrEnum):
    """Where a job is: it starts, it runs, or it failed and waits to be started again."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"


@dataclass(slots=True, eq=False)
class Job:
    """What somebody asked for in ``room``; ``state`` is what its kind remembers. ``error`` is why it does not run."""

    id: str
    room: str
    kind: JobKind
    request: Any = field(repr=False)
    created_ms: int
    state: dict[str, Any] = field(default_factory=dict)
    status: JobStatus = JobStatus.STARTING
    error: str = ""
    begun: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future(), repr=False
    )
    """How the first start ended."""
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def record(self) -> JobRecord:
        """How it is stored."""
        request = msgspec.to_builtins(self.request)
        return JobRecord(self.id, self.room, self.kind.name, request, self.created_ms, self.state)

    def shown(self) -> Any:
        """The request without what is secret in it."""
        return self.kind.shown(self.request)

    def running(self) -> None:
        """Its source or sink works."""
        self.status, self.error = JobStatus.RUNNING, ""
        if not self.begun.done():
            self.begun.set_result(None)

    def waiting(self, error: str) -> None:
        """It will be started again."""
        self.status, self.error = JobStatus.WAITING, error

    def over(self, problem: Exception) -> None:
        """It will not be started again; whoever waits for its first start learns why."""
        if not self.begun.done():
            self.begun.set_exception(problem)
            self.begun.exception()  # there may be nobody
