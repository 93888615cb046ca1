"""The least Socket.IO client that can join: Engine.IO 4 over one websocket, for loads of a thousand of them.

Wire form: an Engine.IO packet type digit, for messages ("4") a Socket.IO type digit, an acknowledgement id and JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable

USER_AGENT = {"sdk": {"version": "5.1", "type": "JavaScript"}}


class WireClient:
    """One connection. ``heard`` gets (monotonic seconds, event, data) of every notification."""

    def __init__(self, url: str, heard: Callable[[float, str, Any], None] | None = None) -> None:
        self._url = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
        self._heard = heard
        self._waiting: dict[int, asyncio.Future[list[Any]]] = {}
        self._next = 0
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect to the default namespace."""
        self._socket = await connect(self._url, compression=None, max_size=2**22, ping_interval=None)
        opened = await self._socket.recv()
        assert isinstance(opened, str)
        assert opened.startswith("0"), opened
        await self._socket.send("40")
        accepted = await self._socket.recv()
        assert isinstance(accepted, str)
        assert accepted.startswith("40"), accepted
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        """Take what comes until the connection ends; who waits for an answer then hears that none will come."""
        try:
            with contextlib.suppress(ConnectionClosed):  # the server may have gone first
                await self._take()
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the connection has ended"))

    async def _take(self) -> None:
        assert self._socket is not None
        async for packet in self._socket:
            assert isinstance(packet, str)
            if packet == "2":
                await self._socket.send("3")
            elif packet.startswith("43"):
                at = packet.index("[")
                self._waiting.pop(int(packet[2:at])).set_result(json.loads(packet[at:]))
            elif packet.startswith("42") and self._heard is not None:
                event, *data = json.loads(packet[2:])
                self._heard(time.monotonic(), event, data[0] if data else None)

    async def request(self, event: str, *data: Any) -> Any:
        """Emit and wait for the acknowledgement. Raises RuntimeError with the server's text if it is an error."""
        assert self._socket is not None
        self._next += 1
        self._waiting[self._next] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send(f"42{self._next}" + json.dumps([event, *data]))
        status, *rest = await asyncio.wait_for(answer, 20)
        if status != "ok":
            raise RuntimeError(f"{event}: {rest}")
        return rest[0] if rest else None

    async def login(self, token: str) -> Any:
        """Join with a token; the room's description."""
        return await self.request("login", {"token": token, "userAgent": USER_AGENT, "protocol": "1.2"})

    async def close(self) -> None:
        """Drop the connection."""
        if self._socket is not None:
            await self._socket.close()
            await self._socket.wait_closed()
            self._socket.transport.abort()  # what a dead peer left half closed
        if self._reader is not None:
            await self._reader
