"""What the portal costs and how quickly it tells: idle connections, a rush of joins, notifications in a full room.

The server is `palaver serve` on loopback; the clients are a second process, so that each has a core.

    .venv/bin/python -m bench.portal
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from bench.common import cpu_seconds, report, rss_mb, table
from palaver.client.signing import Signer
from tests.servers import Server, start_server
from tests.wire_client import WireClient

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


async def tokens(server: Server, room: str, count: int) -> list[str]:
    signer = Signer(server.service, server.key)
    made = []
    async with httpx2.AsyncClient(base_url=server.url) as http:
        for number in range(count):
            answer = await http.post(
                f"/v1/rooms/{room}/tokens",
                json={"user": f"u{number}", "role": "presenter"},
                headers=signer.headers(),
            )
            answer.raise_for_status()
            made.append(answer.text)
    return made


async def gathered(work: list[Any], at_once: int) -> list[Any]:
    """The results of coroutines, so many at once; exceptions are results."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: Any) -> Any:
        async with gate:
            return await item

    return await asyncio.gather(*(one(item) for item in work), return_exceptions=True)


class LoadPeers:
    """Many clients in one process; each method is an order of the measuring side."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._held: list[WireClient] = []
        self._delays: list[float] = []
        self._all_heard = asyncio.Event()
        self._expected = 0

    def _listen(self, at: float, event: str, data: Any) -> None:
        if event == "text":
            self._delays.append(at - float(data["message"]))
            if len(self._delays) >= self._expected:
                self._all_heard.set()

    async def open(self, count: int) -> int:
        """Connect without logging in; how many failed."""
        fresh = [WireClient(self._url) for _ in range(count)]
        self._held += fresh
        return sum(isinstance(r, BaseException) for r in await gathered([c.open() for c in fresh], 50))

    async def _join(self, token: str) -> float:
        started = time.monotonic()
        client = WireClient(self._url, self._listen)
        await client.open()
        await client.login(token)
        self._held.append(client)
        return time.monotonic() - started

    async def join(self, tokens: list[str]) -> tuple[float, list[float], list[str]]:
        """Join with each token, 40 at once: seconds for all, seconds of each, errors."""
        started = time.monotonic()
        results = await gathered([self._join(t) for t in tokens], 40)
        errors = [repr(r) for r in results if isinstance(r, BaseException)]
        return time.monotonic() - started, [r for r in results if isinstance(r, float)], errors

    async def say(self, messages: int) -> list[float]:
        """Send texts to all, one after the other: the sorted delays until each member heard each."""
        self._delays.clear()
        for _ in range(messages):
            self._expected = len(self._delays) + len(self._held)
            self._all_heard.clear()
            await self._held[0].request("text", {"to": "all", "message": repr(time.monotonic())})
            await asyncio.wait_for(self._all_heard.wait(), 20)
        return sorted(self._delays)

    async def drop(self, _: None) -> None:
        """Close everything."""
        await gathered([c.close() for c in self._held], 50)
        self._held.clear()


def clients(pipe: Connection, url: str) -> None:
    """The client process: carries out orders until told to stop."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        peers = LoadPeers(url)
        while True:
            order, argument = await loop.run_in_executor(None, pipe.recv)
            if order == "stop":
                return
            pipe.send(await getattr(peers, order)(argument))

    asyncio.run(serve())


def percentile(sorted_values: list[float], share: float) -> float:
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def measure(server: Server, pipe: Connection, args: argparse.Namespace) -> list[list[str]]:
    def ask(order: str, argument: Any = None) -> Any:
        pipe.send((order, argument))
        return pipe.recv()

    pid = server.process.pid
    rows = [["what", "measured", "asked for"]]
    assert ask("open", 50) == 0  # warm up
    ask("drop")
    time.sleep(2)
    before = rss_mb(pid)
    assert ask("open", args.idle) == 0
    time.sleep(2)
    each = (rss_mb(pid) - before) * 1e6 / 1024 / args.idle
    cpu = cpu_seconds(pid)
    time.sleep(5)
    idle_cpu = (cpu_seconds(pid) - cpu) / 5 * 100
    rows.append([f"memory per idle connection ({args.idle})", f"**{each:.1f} KiB**", "≤ 45 KiB"])
    rows.append(["CPU of the server while they idle", f"{idle_cpu:.1f} % of a core", ""])
    ask("drop")

    rooms = [server.room(f"rush {n}") for n in range(args.joins // 20)]
    rush = [t for room in rooms for t in asyncio.run(tokens(server, room, 20))]
    cpu = cpu_seconds(pid)
    took, each_join, errors = ask("join", rush)
    assert not errors, errors[:3]
    used = (cpu_seconds(pid) - cpu) / len(rush) * 1e3
    rows.append(
        [f"{len(rush)} joins into rooms of 20, 40 at once", f"**{took:.1f} s, no error**", "20 s, no error"]
    )
    rows.append(
        [
            "one join, median · p95",
            f"{statistics.median(each_join) * 1e3:.0f} · {percentile(sorted(each_join), 0.95) * 1e3:.0f} ms",
            "",
        ]
    )
    rows.append(["CPU of the server per join", f"{used:.1f} ms", ""])
    ask("drop")

    room = server.room("full")
    took, _, errors = ask("join", asyncio.run(tokens(server, room, args.members)))
    assert not errors, errors[:3]
    delays = ask("say", args.messages)
    rows.append([
        f"a notification to all {args.members} members: p50 · p95 · max of {len(delays)}",
        f"{percentile(delays, 0.5) * 1e3:.0f} · **{percentile(delays, 0.95) * 1e3:.0f}** · {delays[-1] * 1e3:.0f} ms",
        "p95 ≤ 100 ms",
    ])  # fmt: skip
    ask("drop")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--idle", type=int, default=1000)
    parser.add_argument("--joins", type=int, default=1000)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--messages", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, start_server(Path(name)) as server:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=clients, args=(theirs, server.url), daemon=True
        )
        process.start()
        try:
            rows = measure(server, ours, args)
        finally:
            ours.send(("stop", None))
            process.join(10)
    report(
        "portal",
        "The portal under connections, joins and a full room",
        __doc__.split("\n\n")[1].replace("\n", " "),
        table(rows),
    )


if __name__ == "__main__":
    main()
