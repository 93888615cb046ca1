"""What is used of python-socketio and python-engineio that they do not promise, and the upstream change that ends each.

| Reach | Ends with |
|---|---|
| ``_handle_eio_connect``, ``_handle_eio_disconnect`` | events of sessions that never join a namespace |
| ``eio.sockets``, ``environ`` | a list of connections, and the scope of each |
| ``eio.create_queue`` | a ``close`` that does not wait for the client to read (python-engineio#60) |
| ``socket.close(wait=False)``, ``socket.queue``, ``closing``, ``closed`` | a bound of unread packets, and ``abort`` |
| ``socket.schedule_ping``, ``last_ping`` | an event for each pong |
| ``_engineio_server_class``, a socket's methods in ``start_background_task`` | no ping for a socket that has ended |
| a NOOP packet at the end of a polling session | an answer to the request that is open |
| the text of a KeyError | an exception of its own for a session that has ended |

Everything else of the portal uses the libraries as their documentation says.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

import engineio
import engineio.packet
import socketio
from engineio.async_socket import AsyncSocket

from palaver.api.clock import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable

Scope: TypeAlias = MutableMapping[str, Any]
"""What ASGI says of a connection."""


class UnawaitedQueue(asyncio.Queue[Any]):
    """A socket's outgoing packets. Closing the socket does not wait until the client has fetched them all.

    The library would, for ever, in the request that was the reason for closing.
    """

    async def join(self) -> None:
        """Return at once."""


class _Engine(engineio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """The library's, but a socket that has ended is let go.

    The library's own task for the next ping sleeps for the whole interval, and holds all that belongs to the client
    for so long.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pings: dict[str, asyncio.Task[Any]] = {}

    def start_background_task(
        self, target: Callable[..., Any], *arguments: Any, **options: Any
    ) -> asyncio.Task[Any]:
        """See the library. A socket's methods are started here for its pings alone, one after the other."""
        task: asyncio.Task[Any] = super().start_background_task(target, *arguments, **options)
        socket = getattr(target, "__self__", None)
        if isinstance(socket, AsyncSocket):
            self._pings[socket.sid] = task
            task.add_done_callback(lambda done: self._forget(socket.sid, done))
        return task

    def let_go(self, sid: str) -> None:
        """The socket of this id has ended."""
        ping = self._pings.get(sid)
        if ping is not None and ping is not asyncio.current_task():
            ping.cancel()

    def _forget(self, sid: str, ping: asyncio.Task[Any]) -> None:
        if self._pings.get(sid) is ping:
            del self._pings[sid]


class SocketServer(socketio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """The library's server; tells also of sessions that never join the namespace."""

    begins: Callable[[str, Scope], None]
    ends: Callable[[str], None]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.eio.create_queue = UnawaitedQueue

    @property
    def engine_sids(self) -> list[str]:
        """All Engine.IO connections, also those that did not join the namespace."""
        return list(self.eio.sockets)

    def scope_of(self, engine_sid: str) -> Scope | None:
        """The ASGI scope in which a connection began; None if it is gone."""
        environ = self.environ.get(engine_sid)
        return None if environ is None else _scope(environ)

    async def close_socket(self, engine_sid: str) -> None:
        """Close an Engine.IO connection, saying so, without waiting for the client to read it."""
        socket = self.eio.sockets.get(engine_sid)
        if socket is not None:
            await socket.close(wait=False, reason=self.reason.SERVER_DISCONNECT)

    def _engineio_server_class(self) -> type[_Engine]:
        return _Engine

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        self.begins(eio_sid, _scope(environ))
        return await super()._handle_eio_connect(eio_sid, environ)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> Any:
        self.ends(eio_sid)
        self.eio.let_go(eio_sid)
        return await super()._handle_eio_disconnect(eio_sid, reason)


def _scope(environ: dict[str, Any]) -> Scope:
    scope: Scope = environ.get("asgi.scope", {})
    return scope


def is_of_ended_session(error: KeyError) -> bool:
    """Whether the library raised it for a poll of a session that has ended and is not forgotten yet."""
    return error.args == ("Session is disconnected",)


class SocketLink:
    """A client's place in the Socket.IO server."""

    def __init__(self, server: SocketServer, sid: str) -> None:
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
        await self._server.close_socket(self.engine_sid)

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
