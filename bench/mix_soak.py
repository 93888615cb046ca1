"""People join a mixed view and leave it, one each second, while somebody watches: does anything grow, does it stop?

.venv/bin/python -m bench.mix_soak --minutes 10
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack

import psutil

from bench.common import report, table
from bench.forwarders import Habits, Palaver, palaver
from bench.generator import Generator, generator
from tests.net.test_mixing import Watching, publish, viewer
from tests.net.test_mixing_hostile import Pace, forwarded, pipelines
from tests.servers import Server

STAY_S = 3.0
GAUGES = ("media_publications", "media_subscriptions", "process_open_fds", "process_tasks")
HEAD = ["minute", "guests so far", "node MB", "mixer MB", "publications", "subscriptions", "descriptors", "tasks",
        "restarts", "view pictures/s", "longest gap of a forwarded stream"]  # fmt: skip


async def visit(server: Palaver, load: Generator, number: int) -> None:
    """Publish, be mixed, and leave."""
    guest = await server.publish(load, number, Habits(video_bps=200_000))
    change = [{"op": "add", "path": "/info/inViews", "value": "common"}]
    path = f"/v1.1/rooms/{server.room}/streams/s{number}"
    deadline = time.monotonic() + 60
    while (await asyncio.to_thread(server.server.rest, "PATCH", path, change)).status_code != 200:
        assert time.monotonic() < deadline, "the guest's stream never came"
        await asyncio.sleep(0.2)
    await asyncio.sleep(STAY_S)
    await server.leave(load, guest)


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


async def soak(minutes: float) -> list[list[str]]:
    rows, guests = [HEAD], 0
    async with (
        palaver() as node,
        generator() as load,
        asyncio.TaskGroup() as tasks,
        AsyncExitStack() as stack,
    ):
        server, room = node.server, node.room
        await publish(stack, server, room, 1)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        pace = await stack.enter_async_context(forwarded(server, room, "s1", tasks))
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < minutes * 60:
            await asyncio.sleep(2)
            rows.append(await sample(server, passed / 60, guests, view, pace))
            print(rows[-1], flush=True)
            minute = time.monotonic()
            async with asyncio.TaskGroup() as visits:
                for number in range(60):
                    await asyncio.sleep(max(0.0, minute + number * 0.85 - time.monotonic()))
                    guests += 1
                    visits.create_task(visit(node, load, 100 + guests))
        rows.append(await sample(server, (time.monotonic() - begin) / 60, guests, view, pace))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    rows = asyncio.run(soak(args.minutes))
    report("mix_soak", "Sixty join and leave a view each minute: what remains",
           "One publisher stays, one viewer plays the view and one the publisher's own stream. Samples are taken "
           f"between minutes, when all guests have left; a guest stays "
        f"for {STAY_S:.0f} s and sends VP8 that no decoder takes.", table(rows))  # fmt: skip


if __name__ == "__main__":
    main()
