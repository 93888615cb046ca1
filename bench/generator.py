"""The load generator of rust/bench as a child process: requests go in as JSON lines, answers come back by number."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

from bench.common import ROOT

BINARY = ROOT / "target/release/palaver-load"
ANSWER_S = 60


class Refused(Exception):
    """The generator could not do what it was told; the text says why."""


class Generator:
    """Publishers and subscribers in one process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def request(self, wanted: str, wait_s: float = ANSWER_S, **body: Any) -> dict[str, Any]:
        """Make one request and wait for its answer; raises Refused."""
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        line = json.dumps(
            {"id": number, "request": wanted} | {k: v for k, v in body.items() if v is not None}
        )
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        try:
            async with asyncio.timeout(wait_s):
                await self._process.stdin.drain()
                answer = await future
        finally:
            del self._waiting[number]
        if "error" in answer:
            raise Refused(f"{wanted}: {answer['error']}")
        return answer

    async def measure(self, seconds: float, server: int) -> dict[str, Any]:
        """What arrives, and what it costs the process ``server`` and its descendants, over so many seconds."""
        answer = await self.request("measure", seconds + ANSWER_S, seconds=seconds, server=server)
        return dict(answer["report"])

    async def read(self) -> None:
        """Hand out answers until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            answer = json.loads(line)
            future = self._waiting.get(answer["id"])
            if future is None:
                raise Refused(str(answer))
            if not future.done():
                future.set_result(answer)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(Refused("the generator ended"))


@contextlib.asynccontextmanager
async def generator(address: str = "127.0.0.1") -> AsyncIterator[Generator]:
    """A generator whose sockets are on ``address``; ended on leaving."""
    process = await asyncio.create_subprocess_exec(
        str(BINARY), address, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            made = Generator(process)
            reading = tasks.create_task(made.read())
            yield made
            reading.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
