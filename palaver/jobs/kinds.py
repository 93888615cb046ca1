"""What a kind of job has to say of itself. A new kind is a class with these members, given to ``Jobs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from palaver.host import RoomHost
    from palaver.room.messages import Publish, Subscribe
    from palaver.room.values import StreamId

JobCommand: TypeAlias = "Publish | Subscribe"


class JobFailed(Exception):
    """A job that does not work; the text says why and may be shown to whoever asked for it."""


class RestartRefused(JobFailed):
    """A job that must not be started again."""


class JobKind(Protocol):
    """One kind of job: how its requests become commands of a room."""

    name: str
    """How it is stored."""
    request: type[Any]
    """Its requests: plain data that msgspec turns into JSON and back."""

    async def check(self, request: Any) -> None:
        """Raise JobFailed or UrlRefused if the request cannot be carried out now. Called before each start."""
        ...

    def command(self, job: str, request: Any) -> JobCommand:
        """What starts it: a command of the server itself (``by=None``) whose stream or subscription is ``job``."""
        ...

    def shown(self, request: Any) -> Any:
        """The request without what is secret in it."""
        ...

    async def clean_up(self, request: Any) -> None:
        """Remove what a job of this request leaves behind and nobody needs; it has ended. Must not raise."""
        ...


@runtime_checkable
class StreamBringingKind(Protocol):
    """A kind whose jobs bring streams beside what their command starts."""

    def brings(self, job: str) -> tuple[StreamId, ...]:
        """The ids of the streams that there may be while the job runs."""
        ...

    async def bring(self, job: str, request: Any, host: RoomHost) -> None:
        """Bring them: called once the job works, and cancelled at its end. Returning or failing does not end it."""
        ...
