"""The management API behind the real HTTP server: one connection, several requests, some of them rude."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import structlog
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.compat.rest_house import House, make_house

JSON = "content-type: application/json\r\n"


@dataclass
class Line:
    """A connection to the server."""

    house: House
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(
        self, method: str, path: str, headers: str = "", body: bytes = b"", *, signed: bool = True
    ) -> None:
        authorization = f"authorization: {self.house.signature()}\r\n" if signed else ""
        head = f"{method} {path} HTTP/1.1\r\nhost: palaver:3000\r\n{authorization}{headers}\r\n"
        self.writer.write(head.encode("latin-1") + body)
        await self.writer.drain()

    async def receive(self, *, head: bool = False) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(5):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            length = next((line for line in lines if line.startswith(b"content-length:")), b":0")
            size = 0 if head else int(length.partition(b":")[2])
            return int(lines[0].split()[1]), await self.reader.readexactly(size)

    async def ask(
        self, method: str, path: str, headers: str = "", body: bytes = b"", *, signed: bool = True
    ) -> int:
        if body:
            headers += f"content-length: {len(body)}\r\n"
        await self.send(method, path, headers, body, signed=signed)
        return (await self.receive(head=method == "HEAD"))[0]


async def fails(request: Request) -> Response:
    raise RuntimeError("a bug")


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with make_house(extra_routes=[Route("/fails", fails)]) as house:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(house.app, http="httptools", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]  # pytest has its own
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        yield Line(house, reader, writer)
        writer.close()
        server.should_exit = True
        await serving


async def test_a_connection_outlives_refusals_and_our_own_faults(line: Line) -> None:
    assert await line.ask("GET", "/fails", signed=False) == 500
    assert await line.ask("GET", "/nowhere", signed=False) == 404
    assert await line.ask("POST", "/v1/rooms", JSON, b'{"name": "x"}', signed=False) == 401
    assert await line.ask("POST", "/v1/rooms", JSON, b"{") == 400
    assert await line.ask("HEAD", "/v1/rooms") == 200
    assert await line.ask("POST", "/v1/rooms", JSON, b'{"name": "x"}') == 200


async def test_a_body_in_chunks_is_read(line: Line) -> None:
    chunks = b'8\r\n{"name":\r\n4\r\n"x"}\r\n0\r\n\r\n'
    await line.send("POST", "/v1/rooms", JSON + "transfer-encoding: chunked\r\n", chunks)
    status, body = await line.receive()
    assert status == 200
    assert b'"name":"x"' in body


async def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(line: Line) -> None:
    await line.send("POST", "/v1/rooms", JSON + "content-length: 99999999999\r\n")
    assert (await line.receive())[0] == 413


async def test_whoever_hangs_up_in_the_middle_disturbs_nobody(line: Line) -> None:
    with structlog.testing.capture_logs() as logs:
        await line.send("POST", "/v1/rooms", JSON + "content-length: 100\r\n", b"{")
        line.writer.close()
        await line.writer.wait_closed()
        async with asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110 - a log has no event to wait for
                await asyncio.sleep(0.01)
    assert [entry["event"] for entry in logs] == ["client went away"]
    assert await line.house.ok("GET", "/v1/rooms") == []


@pytest.mark.parametrize(
    "path", ["/v1/rooms/%00", "/v1/rooms/%ff%fe", "/v1/rooms/%2e%2e/services", "//v1/rooms", "/v1/rooms//"]
)
async def test_odd_paths_are_not_found(line: Line, path: str) -> None:
    assert await line.ask("GET", path) == 404
    assert await line.ask("GET", "/v1/rooms") == 200
