"""A job as the node knows it."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from palaver.room.messages import Publish
from palaver.room.values import Standing
from palaver.store import JobRecord

_STANDING: Final = "standing"

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.jobs.kinds import JobCommand, JobKind


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
    look: Callable[[], None] | None = field(default=None, repr=False)
    """See how its stream stands in the room."""

    def record(self) -> JobRecord:
        """How it is stored."""
        request = msgspec.to_builtins(self.request)
        return JobRecord(self.id, self.room, self.kind.name, request, self.created_ms, self.state)

    def command(self) -> JobCommand:
        """What starts it: a stream that comes back stands as it did before."""
        command = self.kind.command(self.id, self.request)
        if not isinstance(command, Publish) or _STANDING not in self.state:
            return command
        try:
            return replace(command, standing=msgspec.convert(self.state[_STANDING], Standing))
        except msgspec.ValidationError:  # noted by another version of the server
            return command

    def remember(self, standing: Standing) -> None:
        """How its stream stands in the room from now on."""
        self.state = {**self.state, _STANDING: msgspec.to_builtins(standing)}

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
