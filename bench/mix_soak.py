"""People join a mixed view and leave it, one each second, while somebody watches: does anything grow, does it stop?

.venv/bin/python -m bench.mix_soak --minutes 10
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time

import psutil

from bench.common import report, table
from bench.forwarders import Habits, Palaver, palaver
from bench.generator import Generator, generator
from bench.mix_node import mix, watch
from tests.net.test_mixing_hostile import pipelines
from tests.servers import Server

STAY_S = 3.0
GAUGES = ("media_producers", "media_consumers", "process_open_fds", "process_tasks",
          "media_pipeline_restarts_total")  # fmt: skip
HEAD = ["minute", "guests so far", "node MB", "mixer MB", "producers", "consumers", "descriptors", "tasks",
        "restarts", "view pictures/s"]  # fmt: skip


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


def encoded(server: Server) -> float:
    """Pictures of the view so far."""
    with contextlib.suppress(KeyError):
        return server.metric("media_pipeline_frames_encoded")
    return 0.0


async def sample(server: Server, minute: float, guests: int) -> list[str]:
    (mixer,) = await asyncio.to_thread(pipelines, server)
    before, began = await asyncio.to_thread(encoded, server), time.monotonic()
    await asyncio.sleep(3)
    rate = (await asyncio.to_thread(encoded, server) - before) / (time.monotonic() - began)
    values = [f"{await asyncio.to_thread(server.metric, name):.0f}" for name in GAUGES]
    node = psutil.Process(server.process.pid).memory_info().rss
    return [f"{minute:.1f}", str(guests), f"{node / 1e6:.1f}", f"{mixer.memory_info().rss / 1e6:.1f}", *values,
            f"{rate:.1f}"]  # fmt: skip


async def soak(minutes: float) -> list[list[str]]:
    rows, guests = [HEAD], 0
    async with palaver() as node, generator() as load:
        server = node.server
        await node.publish(load, 0, Habits(video_bps=500_000))
        await mix(node, "s0")
        await node.subscribe(load, 0, Habits())
        await watch(node, load)
        async with asyncio.timeout(30):
            while await asyncio.to_thread(encoded, server) < 60:  # noqa: ASYNC110  # of another process
                await asyncio.sleep(0.5)
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < minutes * 60:
            rows.append(await sample(server, passed / 60, guests))
            print(rows[-1], flush=True)
            minute = time.monotonic()
            async with asyncio.TaskGroup() as visits:
                for number in range(60):
                    await asyncio.sleep(max(0.0, minute + number * 0.9 - time.monotonic()))
                    guests += 1
                    visits.create_task(visit(node, load, 100 + guests))
            await asyncio.sleep(1)
        rows.append(await sample(server, (time.monotonic() - begin) / 60, guests))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    rows = asyncio.run(soak(args.minutes))
    report(
        "mix_soak",
        "Sixty join and leave a view each minute: what remains",
        "One publisher stays; one viewer plays the view and one the publisher's own stream. Samples are taken between "
        f"minutes, when all guests have left: each stays for {STAY_S:.0f} s. What is published is VP8 by its headers "
        "only: it goes all the way to the mixer's decoder, which turns it down.",
        table(rows),
    )


if __name__ == "__main__":
    main()
