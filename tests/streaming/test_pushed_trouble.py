"""Targets that misbehave: what a pusher's real process says of it, and that it goes on when they are well again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

import pytest
from msgspec import Struct

from palaver.media.pipelines.control import Alive
from palaver.media.pipelines.process import ForkServer, Pipeline, PipelineLost
from palaver.streaming.control import Connected, Interrupted, Push
from palaver.streaming.push import PUSHER
from tests.servers import free_port

pytestmark = pytest.mark.timeout(120)
SERVER = ForkServer([PUSHER.module])
DEADLINE_S = 40.0


class Pushing:
    """One pusher without inputs: it sends black and silence."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.reports: list[Struct] = []
        self.lost: str | None = None
        pipeline.on_report = self._hear

    @property
    def reasons(self) -> list[str]:
        """Why it was interrupted, in order."""
        return [one.reason for one in self.reports if isinstance(one, Interrupted)]

    @property
    def connected(self) -> bool:
        """Whether the target took something last."""
        told = [one for one in self.reports if isinstance(one, Connected | Interrupted)]
        return bool(told) and isinstance(told[-1], Connected)

    async def said(self, words: str) -> None:
        """Wait until it says so."""
        async with asyncio.timeout(DEADLINE_S):
            while not any(words in one for one in self.reasons):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.02)

    def _hear(self, report: Struct) -> None:
        if not isinstance(report, Alive):
            self.reports.append(report)

    async def watched(self) -> None:
        """Note how the process ends."""
        try:
            await self.pipeline.run()
        except PipelineLost as lost:
            self.lost = str(lost)


@asynccontextmanager
async def pushing(protocol: Literal["rtmp", "rtsp", "hls"], url: str) -> AsyncIterator[Pushing]:
    """A pusher that sends to ``url``."""
    pipeline = await SERVER.start(PUSHER)
    one = Pushing(pipeline)
    watching = asyncio.create_task(one.watched())
    push = Push(
        protocol=protocol, audio="aac", video="h264", url=url, width=64, height=64, segment_s=1, allow_loopback=True,
    )  # fmt: skip
    try:
        pipeline.say(push)
        yield one
    finally:
        watching.cancel()
        await asyncio.wait([watching])


@pytest.mark.parametrize("protocol", ["rtmp", "rtsp"])
async def test_one_that_refuses_is_named_and_tried_again(protocol: Literal["rtmp", "rtsp"]) -> None:
    async with pushing(protocol, f"{protocol}://127.0.0.1:{free_port()}/live/secretkey") as pusher:
        async with asyncio.timeout(DEADLINE_S):
            while len(pusher.reasons) < 2:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.02)
        assert "refused" in pusher.reasons[0]
        assert not any("secretkey" in reason for reason in pusher.reasons)
        assert pusher.lost is None


async def test_one_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with pushing("rtmp", f"rtmp://127.0.0.1:{port}/live/x") as pusher:
        async with asyncio.timeout(DEADLINE_S):
            while pusher.lost is None:  # noqa: ASYNC110  # its supervisor would start another one
                await asyncio.sleep(0.02)
    server.close()
    await server.wait_closed()


async def test_uploads_that_are_refused_are_told_and_go_on_when_they_are_taken() -> None:
    answers, taken = ["500 Internal Server Error"], list[str]()

    async def store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                await reader.readexactly(int(lines.get("content-length", "0")))
                taken.append(head.split(" ")[1])
                writer.write(f"HTTP/1.1 {answers[0]}\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(store, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with pushing("hls", f"http://127.0.0.1:{port}/up/live.m3u8") as pusher:
        await pusher.said("500")
        assert not any(name.endswith(".m3u8") for name in taken), "no playlist before its segments"
        answers[0] = "201 Created"
        async with asyncio.timeout(DEADLINE_S):
            while not (pusher.connected and taken[-1].endswith(".m3u8")):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.02)
        assert pusher.lost is None
    server.close()
    await server.wait_closed()
