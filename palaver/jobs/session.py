"""The source or sink of a job in a running room, from the command that starts it to its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from palaver.jobs.kinds import JobFailed
from palaver.room.errors import RoomError
from palaver.room.messages import Publish, SessionFailed, SessionReady, StreamRemoved, Unpublish, Unsubscribe
from palaver.room.reasons import ROOM_CLOSED, TERMINATED
from palaver.room.values import StreamId

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from palaver.host import RoomHost
    from palaver.jobs.kinds import JobCommand
    from palaver.room.messages import Event
    from palaver.room.values import Standing

_MARGIN_S: Final = 10.0
"""How much longer than the room itself to wait for the room's verdict about a start."""


class RoomSession:
    """Within its block, the session exists or has ended by itself. Entering raises RoomError."""

    def __init__(
        self, host: RoomHost, command: JobCommand, stands: Callable[[Standing], None] = lambda _: None
    ) -> None:
        """``stands`` is told whenever a stream is muted otherwise, or is in other views or places."""
        self._host, self._command, self._stands = host, command, stands
        self._standing = command.standing if isinstance(command, Publish) else None
        self._session = command.stream if isinstance(command, Publish) else command.subscription
        self._is_ready = False
        self._settled, self._over = asyncio.Event(), asyncio.Event()
        self._reason: str | None = None
        self._removals: list[Callable[[], None]] = []

    async def __aenter__(self) -> Self:
        self._removals = [
            self._host.listen(self._hear),
            self._host.when_over(lambda: self._end(ROOM_CLOSED)),
        ]
        try:
            self._host.submit(self._command)
        except BaseException:
            self._stop_listening()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        if not self._over.is_set():
            with suppress(RoomError):  # the room is over
                self._host.submit(self._ending())

    async def ready(self) -> None:
        """Return when it works. Raises JobFailed."""
        endpoint = self._command.source if isinstance(self._command, Publish) else self._command.sink
        limit_s = (endpoint.ready_timeout_s or 0) + _MARGIN_S
        try:
            async with asyncio.timeout(limit_s):
                await self._settled.wait()
        except TimeoutError:
            raise JobFailed("it did not start in time") from None
        if not self._is_ready:
            raise JobFailed(self._reason or "it was ended while it was starting")

    async def ended(self) -> str | None:
        """Why it ended, once it has; None if somebody ended it on purpose."""
        await self._over.wait()
        return self._reason

    def _stop_listening(self) -> None:
        for remove in self._removals:
            remove()

    def look(self) -> None:
        """See how its stream stands in the room; not every change of that is an event."""
        if self._standing is None or not self._is_ready or self._over.is_set():
            return
        now = self._host.room.standing(StreamId(self._session))
        if now is not None and now != self._standing:
            self._standing = now
            self._stands(now)

    def _hear(self, event: Event) -> None:
        match event:
            case SessionReady(session=self._session):
                self._is_ready = True
                self._settled.set()
            case SessionFailed(session=self._session, reason=reason):
                self._end(None if reason == TERMINATED else reason)
            case StreamRemoved(stream=self._session):
                self._end(None)
            case _:
                self.look()

    def _end(self, reason: str | None) -> None:
        if not self._over.is_set():
            self._reason = reason
            self._settled.set()
            self._over.set()

    def _ending(self) -> Unpublish | Unsubscribe:
        if isinstance(self._command, Publish):
            return Unpublish(None, self._command.stream)
        return Unsubscribe(None, self._command.subscription)
