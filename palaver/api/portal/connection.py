"""One client's socket: sends what its session has to tell, in order and after the answers, and ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.api.portal.library import SocketLink
    from palaver.api.portal.limits import TokenBucket
    from palaver.api.portal.session import Session

MAX_UNREAD = 1024
"""Packets that may wait in a socket; a client that reads so little has lost its connection."""


class Connection:
    """Belongs to the portal. ``session`` changes when the client resumes an earlier one."""

    def __init__(
        self, link: SocketLink, session: Session, bucket: TokenBucket, clock: Callable[[], float]
    ) -> None:
        self.link, self.session, self.bucket = link, session, bucket
        self.refused = 0
        self._clock = clock
        self._held = 0
        self._ending = False
        self._lost = False
        self._wake = asyncio.Event()
        session.wake = self.wake
        link.on_pong(lambda age: self.session.outbox.confirm(clock() - age))

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def hold(self) -> None:
        """Send nothing until released: a request is being answered, and its answer goes first."""
        self._held += 1

    def release(self) -> None:
        """The answer is on its way."""
        self._held -= 1
        self.wake()

    def adopt(self, session: Session) -> None:
        """Serve ``session`` from now on."""
        self.session = session
        self.wake()

    def finish(self) -> None:
        """Disconnect as soon as everything is sent."""
        self._ending = True
        self.wake()

    def lose(self) -> None:
        """The socket is gone: stop."""
        self._lost = True
        self.wake()

    async def run(self) -> None:
        """Send what is due until the connection ends."""
        while not self._lost:
            self._wake.clear()
            if not self._held:
                await self._flush()
                if self._ending and not len(self.session.outbox):
                    await self.link.close()
                    return
            await self._pause()

    async def _flush(self) -> None:
        while (unread := self.link.unread) is not None:
            if unread > MAX_UNREAD:
                self.session.outbox.rewind()
                await self.link.abort()
                return
            notification = self.session.outbox.take(self._clock())
            if notification is None:
                return
            await self.link.send(notification.packet)

    async def _pause(self) -> None:
        """Wait for news, or until the next notification is due."""
        due = None if self._held else self.session.outbox.next_due
        wait = None if due is None or self.link.unread is None else max(0.0, due - self._clock())
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            pass
