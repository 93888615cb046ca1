"""People join a mixed view and leave it, one each second, while somebody watches: does anything grow, does it stop?

.venv/bin/python -m bench.mix_soak --minutes 10
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import psutil

from bench.common import report, table
from tests.net.test_mixing import Shade, Tone, Watching, publish, viewer
from tests.net.test_mixing_hostile import Pace, forwarded, pipelines
from tests.net.test_whip import peer
from tests.servers import Server, start_server

STAY_S = 3.0
GAUGES = ("media_publications", "media_subscriptions", "process_open_fds", "process_tasks")
HEAD = ["minute", "guests mixed so far", "node MB", "mixer MB", "publications", "subscriptions", "descriptors", "tasks",
        "restarts", "view pictures/s", "longest gap of a forwarded stream"]  # fmt: skip


async def visit(server: Server, room: str, number: int) -> bool:
    """Publish, be mixed, and leave; whether it came to that in time."""
    name = f"guest{number}"
    async with peer(server, f"/whip/{room}/{name}", name) as one:
        one.connection.addTrack(Tone(400))
        one.connection.addTrack(Shade(200, 160, 96))
        assert (await one.start()).status_code == 201
        try:
            await one.state("connected")
        except TimeoutError:
            return False
        change = [{"op": "add", "path": "/info/inViews", "value": "common"}]
        for _ in range(50):
            path = f"/v1.1/rooms/{room}/streams/{name}"
            if (await asyncio.to_thread(server.rest, "PATCH", path, change)).status_code == 200:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the guest's stream never came")
        await asyncio.sleep(STAY_S)
        await one.request("DELETE", one.where)
    return True


async def sample(server: Server, minute: float, guests: int, view: Watching, pace: Pace) -> list[str]:
    (mixer,) = await asyncio.to_thread(pipelines, server)
    before, began = view.pictures, time.monotonic()
    await asyncio.sleep(2)
    rate = (view.pictures - before) / (time.monotonic() - began)
    values = [f"{await asyncio.to_thread(server.metric, name):.0f}" for name in GAUGES]
    restarts = await asyncio.to_thread(server.metric, "media_pipeline_restarts_total")
    node = psutil.Process(server.process.pid).memory_info().rss
    gap, pace.longest_s = pace.longest_s, 0.0
    return [f"{minute:.1f}", str(guests), f"{node / 1e6:.1f}", f"{mixer.memory_info().rss / 1e6:.1f}", *values,
            f"{restarts:.0f}", f"{rate:.1f}", f"{gap * 1000:.0f} ms"]  # fmt: skip


async def soak(server: Server, minutes: float) -> list[list[str]]:
    room = server.room("mixing soak")
    rows, guests = [HEAD], 0
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        pace = await stack.enter_async_context(forwarded(server, room, "s1", tasks))
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < minutes * 60:
            if passed >= 60 * (len(rows) - 1):
                await asyncio.sleep(STAY_S + 3)  # until those who are here have left
                rows.append(await sample(server, passed / 60, guests, view, pace))
                print(rows[-1], flush=True)
            minute = time.monotonic()
            async with asyncio.TaskGroup() as visits:
                coming = []
                for number in range(60):
                    await asyncio.sleep(max(0.0, minute + number * 0.85 - time.monotonic()))
                    coming.append(visits.create_task(visit(server, room, 60 * (len(rows) - 2) + number)))
            guests += sum(one.result() for one in coming)
        await asyncio.sleep(STAY_S)
        rows.append(await sample(server, (time.monotonic() - begin) / 60, guests, view, pace))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, start_server(Path(name)) as server:
        try:
            rows = asyncio.run(soak(server, args.minutes))
        except httpx2.HTTPError:
            print(server.log()[-3000:])
            raise
    report("mix_soak", "Sixty join and leave a view each minute: what remains",
           "One publisher stays, one viewer plays the view and one the publisher's own stream. Samples are taken "
           f"between minutes, when all guests have left; a guest stays for {STAY_S:.0f} s.", table(rows))  # fmt: skip


if __name__ == "__main__":
    main()
