"""HTTP servers that do as a test says, well or badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Behaviour = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
"""What is written for a request of this path; the connection is closed afterwards."""


@asynccontextmanager
async def http_server(behave: Behaviour, port: int = 0) -> AsyncIterator[str]:
    """Its address, without a path."""

    serving = set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with suppress(
            OSError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):  # cancelled at the end only
            head = await reader.readuntil(b"\r\n\r\n")
            await behave(head.split(b" ")[1].decode(), writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in serving:
            if task is not None:
                task.cancel()


def answer(body: bytes, kind: str = "video/mp2t", *, length: bool = True) -> bytes:
    """A whole answer; without its ``length`` the end of the connection ends it."""
    size = f"content-length: {len(body)}\r\n" if length else ""
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{size}connection: close\r\n\r\n".encode() + body


def shelf(**files: bytes) -> Behaviour:
    """Serves files by the name without what follows its dot; whatever else is asked for is not found."""

    async def behave(path: str, writer: asyncio.StreamWriter) -> None:
        body = files.get(path.strip("/").partition(".")[0])
        writer.write(answer(body) if body is not None else b"HTTP/1.1 404 Not Found\r\n\r\n")

    return behave


async def trickle(data: bytes, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Write ``data`` at an even pace, so that it takes so long."""
    steps = max(int(seconds * 25), 1)
    size = len(data) // steps + 1
    for begin in range(0, len(data), size):
        writer.write(data[begin : begin + size])
        await writer.drain()
        await asyncio.sleep(seconds / steps)


def live(data: bytes, seconds: float, times: int = 1000) -> Behaviour:
    """Serves a stream as it is made, again and again on the same connection."""

    async def behave(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", length=False))
        for _round in range(times):
            await trickle(data, writer, seconds)

    return behave
