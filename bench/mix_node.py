"""What mixing costs the node itself, how soon a killed mixer is replaced, and what many small mixers take.

The node's own CPU is that of its process without its pipelines: nine publishers of 640x360 VP8 (500 kbit/s, 30
frames/s) and Opus, first with nobody who watches, then with one viewer of the view, then with two. A killed mixer is
timed from SIGKILL to the next picture that the viewer decodes. The small mixers each have two publishers of 160x90
and Opus, and a view of 320x180 at 5 frames/s; PSS is the proportional share, as pipelines share the pages of their
fork server.

.venv/bin/python -m bench.mix_node
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import time
from contextlib import AsyncExitStack

import numpy as np
import psutil

from bench.common import report, table
from bench.forwarders import Habits, Palaver, each, palaver
from bench.generator import Generator, generator
from palaver.media.pipelines.control import AddInput
from palaver.media.pipelines.frames import Codec
from palaver.media.pipelines.process import ForkServer
from palaver.mixing.control import MIXER, AddAudioOutput, Area, Compose, Tile
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.sound import BLOCK, AudioEncoder
from tests.mixing.scenes import output, plain, tone
from tests.mixing.stand_in import StandIn
from tests.net.test_mixing import Watching, publish, viewer
from tests.net.test_mixing_hostile import pipelines

PUBLISHERS = 9
VIEW = 1000


async def mix(server: Palaver, stream: str) -> None:
    change = [{"op": "add", "path": "/info/inViews", "value": "common"}]
    path = f"/v1.1/rooms/{server.room}/streams/{stream}"
    answer = await asyncio.to_thread(server.server.rest, "PATCH", path, change)
    assert answer.status_code == 200, answer.text


def encoded(server: Palaver) -> float:
    """Pictures that the mixer made so far."""
    with contextlib.suppress(KeyError):
        return server.server.metric("media_pipeline_frames_encoded")
    return 0


async def watch(server: Palaver, load: Generator) -> None:
    """A viewer of the view, by the generator."""
    offered = await load.request("subscribe", stream=0)
    await server._connect(load, offered, f"/whep/{server.room}")


async def own_cpu(pid: int, seconds: float) -> float:
    """The part of a core that a process uses, without its children."""
    process, begin = psutil.Process(pid), time.monotonic()
    before = sum(process.cpu_times()[:2])
    await asyncio.sleep(seconds)
    return float(sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begin)


async def moving(seconds: float, rounds: int) -> list[tuple[float, float, float, float]]:
    """The CPU of the node without and with a mix, and of the mixer with one consumer and with two."""
    found = []
    for _ in range(rounds):
        async with palaver() as server, generator() as load:
            await each(
                [server.publish(load, number, Habits(video_bps=500_000)) for number in range(PUBLISHERS)]
            )
            for number in range(PUBLISHERS):
                await mix(server, f"s{number}")
            await asyncio.sleep(2)
            without = await own_cpu(server.pid, seconds)
            await watch(server, load)
            async with asyncio.timeout(30):
                while await asyncio.to_thread(encoded, server) < 60:  # noqa: ASYNC110  # of another process
                    await asyncio.sleep(0.5)
            (mixer,) = pipelines(server.server)
            with_it, one = await asyncio.gather(own_cpu(server.pid, seconds), own_cpu(mixer.pid, seconds))
            await watch(server, load)
            await asyncio.sleep(2)
            found.append((without, with_it, one, await own_cpu(mixer.pid, seconds)))
    return found


async def beyond(view: Watching, pictures: int) -> None:
    """Wait until the viewer has seen more than so many."""
    async with asyncio.timeout(30):
        while view.pictures <= pictures:  # noqa: ASYNC110  # what is awaited happens in another process
            await asyncio.sleep(0.002)


async def recoveries(count: int) -> list[float]:
    """Seconds from a kill to the next picture."""
    found = []
    async with palaver() as node, asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, node.server, node.room, 1)
        view = await stack.enter_async_context(viewer(node.server, node.room, tasks))
        for _ in range(count):
            await beyond(view, view.pictures + 48)
            await asyncio.sleep(11)  # a mixer that ran for ten seconds is not held for one that fails at once
            (mixer,) = pipelines(node.server)
            mixer.kill()
            killed = time.monotonic()
            await asyncio.sleep(0.1)  # what was on its way when it died
            await beyond(view, view.pictures)
            found.append(time.monotonic() - killed)
    return found


def perform(nodes: list[StandIn], seconds: float) -> None:
    """Show and say the same to every mixer, in real time."""
    camera, microphone = VideoEncoder(output("vp8", 0, 160, 90)), AudioEncoder("opus", 1)
    pictures = []
    for shade in range(60, 120):
        camera.want_key_frame()  # so that it does not matter which one comes first
        pictures.append(camera.encode(plain(shade, 160, 90), shade * 3000)[0][0])
    speech = [
        payload for block in np.split(tone(300, 2.0), 100) for payload, _ in microphone.encode(block, 0)
    ]
    begin = time.monotonic()
    for number in range(int(seconds * 50)):
        time.sleep(max(0.0, begin + number * 0.02 - time.monotonic()))
        for node in nodes:
            for n in range(2):
                sound = speech[number % len(speech)]
                node.frames.send(10 + n, Codec.OPUS, number * BLOCK, 48_000, sound, level=20 + n)
                if number % 10 == 0:
                    picture = pictures[number // 10 % len(pictures)]
                    node.frames.send(n, Codec.VP8, number * 1800, CLOCK_RATE, picture)


async def many(count: int, seconds: float) -> list[str]:
    """Start so many mixers, let them work, and see what they take."""
    server, starts = ForkServer(["palaver.mixing.mixer", "palaver.mixing.transcoder"]), []
    halves = tuple(Tile(Area(n / 2, 0.0, 0.5, 1.0), n) for n in range(2))
    layout = Compose(width=320, height=180, framerate=5.0, background=(0, 0, 0), crop=False, tiles=halves)
    nodes: list[StandIn] = []
    async with asyncio.TaskGroup() as tasks:
        watching = []
        for _ in range(count):
            begin = time.monotonic()
            pipeline = await server.start(MIXER)
            starts.append(time.monotonic() - begin)
            watching.append(tasks.create_task(pipeline.run()))
            node = StandIn(pipeline)
            for n in range(2):
                pipeline.say(AddInput(kind="video", track=n, codec="vp8", name=f"Person {n}"))
                pipeline.say(AddInput(kind="audio", track=10 + n, codec="opus"))
            pipeline.say(layout)
            pipeline.say(output("vp8", VIEW, framerate=5.0))
            pipeline.say(
                AddAudioOutput(track=VIEW + 1, codec="opus", sample_rate=48_000, channels=2, without=())
            )
            nodes.append(node)
        pids = [node.pipeline.pid for node in nodes]
        before = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)
        begin, made = time.monotonic(), [node.counts.get(VIEW, 0) for node in nodes]
        await asyncio.to_thread(perform, nodes, seconds)
        used = sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids) - before
        took = time.monotonic() - begin
        rates = [(node.counts[VIEW] - former) / took for node, former in zip(nodes, made, strict=True)]
        pss = [psutil.Process(pid).memory_full_info().pss / 1e6 for pid in pids]
        rss = [psutil.Process(pid).memory_info().rss / 1e6 for pid in pids]
        assert all(node.counts.get(VIEW, 0) > 0 for node in nodes), "each made pictures"
        for task in watching:
            task.cancel()
    for node in nodes:
        await node.close()
    return [str(count), f"{starts[0]:.2f} s", f"{statistics.median(starts[1:]) * 1000:.0f} ms",
            f"{max(starts[1:]) * 1000:.0f} ms", f"{statistics.median(rss):.0f} MB", f"{statistics.median(pss):.1f} MB",
            f"{sum(pss):.0f} MB", f"{used / took:.2f} cores", f"{statistics.median(rates):.1f} of 5"]  # fmt: skip


async def measure(args: argparse.Namespace) -> list[list[list[str]]]:
    cost = [["node's CPU without the mix", "with it", "difference", "asked for", "mixer's CPU for one consumer",
             "for two of the same form", "ratio", "asked for"]]  # fmt: skip
    for without, with_it, one, two in await moving(args.seconds, args.rounds):
        cost.append([f"{without * 100:.1f} %", f"{with_it * 100:.1f} %", f"**{(with_it - without) * 100:.1f} %**",
                     "≤ 3 % of a core", f"{one * 100:.1f} %", f"{two * 100:.1f} %", f"**{two / one:.2f}**",
                     "≤ 1.02"])  # fmt: skip
    times = await recoveries(args.kills)
    back = [["kills", "median", "longest", "asked for"],
            [str(len(times)), f"{statistics.median(times) * 1000:.0f} ms", f"**{max(times) * 1000:.0f} ms**",
             "≤ 1 s"]]  # fmt: skip
    head = ["mixers", "first start, with the fork server", "start, median", "longest", "resident each", "PSS each",
            "PSS of all", "CPU of all", "pictures a second"]  # fmt: skip
    return [cost, back, [head, await many(args.mixers, args.seconds)]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--mixers", type=int, default=50)
    args = parser.parse_args()
    tables = asyncio.run(measure(args))
    about = "\n\n".join(__doc__.split("\n\n")[1:-1]).replace("\n", " ")
    report("mix_node", "What mixing costs a node", about, *(table(one) for one in tables))


if __name__ == "__main__":
    main()
