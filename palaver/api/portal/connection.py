"""One client's socket: sends what its session has to tell, in order and after the answers, and ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import engineio.packet

from palaver.api.clock import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    import socketio

    from palaver.api.portal.limits import TokenBucket
    from palaver.api.portal.session import Session

MAX_UNREAD = 1024
"""Packets that may wait in a socket; a client that reads so little has lost its connection."""


class UnawaitedQueue(asyncio.Queue[Any]):
    """A socket's outgoing packets. Closing the socket does not wait until the client has fetched them all.

    The library would, for ever, in the request that was the reason for closing.
    """

    async def join(self) -> None:
        """Return at once."""


async def close_socket(server: socketio.AsyncServer, engine_sid: str) -> None:
    """Close an Engine.IO connection, saying so, without waiting for the client to read it."""
    socket = server.eio.sockets.get(engine_sid)
    if socket is not None:
        await socket.close(wait=False, reason=server.reason.SERVER_DISCONNECT)


class SocketLink:
    """A client's place in the Socket.IO server."""

    def __init__(self, server: socketio.AsyncServer, sid: str) -> None:
        self._server = server
        self.sid = sid
        self.engine_sid: str = server.manager.eio_sid_from_sid(sid, "/")

    @property
    def unread(self) -> int | None:
        """Packets that the client has not fetched yet, or None if the connection is gone."""
        socket = self._server.eio.sockets.get(self.engine_sid)
        if socket is None or socket.closing or socket.closed:
            return None
        return int(socket.queue.qsize())

    async def send(self, packet: str) -> None:
        """Put a packet into the socket's queue; never waits for the client."""
        await self._server.eio.send(self.engine_sid, packet)

    async def close(self) -> None:
        """Disconnect from the namespace, as the server does it: the client does not come back by itself."""
        await self._server.disconnect(self.sid)

    async def abort(self) -> None:
        """Close the connection below; the client tries to come back."""
        await close_socket(self._server, self.engine_sid)

    def finish_poll(self) -> None:
        """Answer the request that a polling client may have open; the library leaves it hanging at the end."""
        socket = self._server.eio.sockets.get(self.engine_sid)
        if socket is not None:
            socket.queue.put_nowait(engineio.packet.Packet(engineio.packet.NOOP))

    def on_pong(self, heard: Callable[[float], None]) -> None:
        """Call ``heard`` with the age in seconds of each ping that the client answers.

        The library tells nobody about pongs, but asks the socket for the next ping at each one.
        """
        socket = self._server.eio.sockets[self.engine_sid]
        schedule_ping = socket.schedule_ping

        def ponged() -> None:
            if socket.last_ping:
                heard(wall_clock() - socket.last_ping)
            schedule_ping()

        socket.schedule_ping = ponged


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
