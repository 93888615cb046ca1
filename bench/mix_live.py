"""What a mixer adds to the way of pictures and sound, and what its sound costs.

A mixer's process gets frames as the packet core would give them, in real time. Pictures: nine of 640x360, H264, 30
frames/s, into 1280x720 at 30; one of them carries its number as black and white blocks. Measured is the time from
writing its frame to the mixer's socket to reading, from the same socket, the first encoded picture that shows it; what
the core adds to both ends is the same as in forwarding. Sound: a click every half second, from writing its packet to
reading the first packet in which it is heard. The mixer's jitter buffer of 40 ms is part of it.

.venv/bin/python -m bench.mix_live
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
import numpy as np
import psutil

from bench.common import report, table
from bench.mix import BITRATE_KBPS, FRAMERATE, INPUTS, clip
from palaver.media.pipelines.control import AddInput
from palaver.media.pipelines.frames import Codec, Message
from palaver.media.pipelines.process import ForkServer
from palaver.mixing.canvas import planes
from palaver.mixing.control import MIXER, AddAudioOutput, AddVideoOutput, Area, Compose, Tile
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.listening import DELAY_S
from palaver.mixing.sound import BLOCK, AudioDecoder, AudioEncoder, Samples, silence
from tests.mixing.scenes import output, plain, tone
from tests.mixing.stand_in import StandIn

if TYPE_CHECKING:
    from palaver.media.pipelines.process import Pipeline

VIEW: Final = 1000
BITS: Final = 10
PARTICIPANTS: Final = 20
TALKING: Final = 3


class Reading(StandIn):
    """Also notes when each frame of an output came."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.came: list[tuple[float, Message]] = []
        super().__init__(pipeline)

    def _take(self, message: Message) -> None:
        self.came.append((time.monotonic(), message))
        super()._take(message)


def coded(number: int) -> av.VideoFrame:
    """A grey picture with ``number`` in a row of blocks."""
    picture = plain(120, 640, 360)
    luma = planes(picture)[0]
    for bit in range(BITS):
        luma[100:260, bit * 64 : bit * 64 + 64] = 235 if number >> bit & 1 else 16
    return picture


def read(picture: av.VideoFrame) -> int:
    """The number in the upper left ninth of a view."""
    luma = planes(picture)[0]
    y, width = picture.height // 6, picture.width / 3
    return sum((int(luma[y, int((bit + 0.5) * width / BITS)]) > 128) << bit for bit in range(BITS))


async def pictures(server: ForkServer, folder: Path, seconds: int) -> list[float]:
    """Milliseconds for each picture that was shown."""
    clips = [clip(folder, n, "h264", (640, 360), True, seconds) for n in range(1, INPUTS)]
    packets = [[bytes(p) for p in av.open(str(one)).demux(video=0) if p.size] for one in clips]
    encoder = VideoEncoder(output("h264", 0, 640, 360))
    codes = [encoder.encode(coded(number), number * 3000)[0] for number in range(seconds * FRAMERATE)]
    pipeline = await server.start(MIXER)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(pipeline.run())
        node = Reading(pipeline)
        for n in range(INPUTS):
            pipeline.say(AddInput(kind="video", track=n, codec="h264", name=f"Person {n}"))
        tiles = tuple(Tile(Area(n % 3 / 3, n // 3 / 3, 1 / 3, 1 / 3), n) for n in range(INPUTS))
        pipeline.say(Compose(width=1280, height=720, framerate=FRAMERATE, background=(0, 0, 0), crop=False,
                             tiles=tiles))  # fmt: skip
        pipeline.say(
            AddVideoOutput(track=VIEW, codec="h264", profile="CB", width=1280, height=720, framerate=FRAMERATE,
                           bitrate_kbps=BITRATE_KBPS, key_frame_interval_s=100.0)
        )  # fmt: skip
        sent = await asyncio.to_thread(film, node, codes, packets)
        watching.cancel()
    await node.close()
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    shown: dict[int, float] = {}
    for at, message in node.came:
        for picture in decoder.decode(av.Packet(message.payload)):
            shown.setdefault(read(picture), at)
    return [
        (at - sent[number]) * 1000 for number, at in shown.items() if number > FRAMERATE and number in sent
    ]


def film(node: StandIn, codes: list[tuple[bytes, bool]], packets: list[list[bytes]]) -> dict[int, float]:
    """Send everything in real time; when each number was."""
    begin, sent = time.monotonic(), {}
    for number, (payload, key) in enumerate(codes):
        for n in range(INPUTS):
            # Another rhythm than the view's, so that all phases between the two are tried.
            due = begin + number / FRAMERATE * 1.003 + n / INPUTS / FRAMERATE
            time.sleep(max(0.0, due - time.monotonic()))
            frame = payload if n == 0 else packets[n - 1][number]
            if n == 0:
                sent[number] = time.monotonic()
            node.frames.send(
                n, Codec.H264, number * 3000, CLOCK_RATE, frame, key_frame=key if n == 0 else number == 0
            )
    return sent


async def clicks(server: ForkServer, count: int) -> list[float]:
    """Milliseconds for each click."""
    pipeline = await server.start(MIXER)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(pipeline.run())
        node = Reading(pipeline)
        pipeline.say(AddInput(kind="audio", track=1, codec="opus"))
        pipeline.say(AddAudioOutput(track=VIEW, codec="opus", sample_rate=48_000, channels=1, without=()))
        sent = await asyncio.to_thread(click, node, count)
        watching.cancel()
    await node.close()
    decoder, heard, quiet = AudioDecoder("opus"), [], True
    for at, message in node.came:
        samples = decoder.decode(message.payload)
        loud = samples is not None and float(np.max(np.abs(samples), initial=0.0)) > 0.1
        if loud and quiet:
            heard.append(at)
        quiet = not loud
    assert len(heard) == len(sent), f"{len(heard)} of {len(sent)} clicks were heard"
    return [(b - a) * 1000 for a, b in zip(sent, heard, strict=True)]


def click(node: StandIn, count: int) -> list[float]:
    """Send silence with a short tone in every 25th packet."""
    encoder, begin, sent = AudioEncoder("opus", 1), time.monotonic(), []
    for number in range(25 * count + 10):
        time.sleep(max(0.0, begin + number * 0.0201 - time.monotonic()))
        loud = number % 25 == 10 and number < 25 * count
        block: Samples = tone(1000, 0.02, 0.5)[:BLOCK] if loud else silence()
        for payload, pts in encoder.encode(block, number * BLOCK):
            node.frames.send(1, Codec.OPUS, pts, 48_000, payload, level=10 if loud else 90)
        if loud:
            sent.append(time.monotonic())
    return sent


async def talk(server: ForkServer, seconds: int) -> tuple[float, float]:
    """Milliseconds of CPU per participant and second, and the mixer's memory in MB, for a conference."""
    pipeline = await server.start(MIXER)
    assert pipeline.pid is not None
    process = psutil.Process(pipeline.pid)
    encoder = AudioEncoder("opus", 1)
    speech = [payload for block in np.split(tone(300, 2.0), 100) for payload, _ in encoder.encode(block, 0)]
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(pipeline.run())
        node = StandIn(pipeline)
        for n in range(PARTICIPANTS):
            pipeline.say(AddInput(kind="audio", track=n, codec="opus"))
            pipeline.say(
                AddAudioOutput(track=VIEW + n, codec="opus", sample_rate=48_000, channels=1, without=(n,))
            )

        def chatter(blocks: int) -> None:
            begin = time.monotonic()
            for number in range(blocks):
                time.sleep(max(0.0, begin + number * 0.02 - time.monotonic()))
                for n in range(PARTICIPANTS):
                    level = 15 + n if n < TALKING else 80
                    payload = speech[number % len(speech)]
                    node.frames.send(n, Codec.OPUS, number * BLOCK, 48_000, payload, level=level)

        await asyncio.to_thread(chatter, 100)
        before = sum(process.cpu_times()[:2])
        await asyncio.to_thread(chatter, seconds * 50)
        used = sum(process.cpu_times()[:2]) - before
        memory = process.memory_info().rss / 1e6
        watching.cancel()
    await node.close()
    heard = min(node.counts.get(VIEW + n, 0) for n in range(PARTICIPANTS))
    assert heard > 0.9 * seconds * 50, f"{heard} packets"
    return used / seconds / PARTICIPANTS * 1000, memory


def row(name: str, values: list[float], target: str) -> list[str]:
    ranked = sorted(values)
    return [name, str(len(values)), f"{statistics.median(ranked):.0f} ms",
            f"**{ranked[int(len(ranked) * 0.95)]:.0f} ms**", f"{ranked[-1]:.0f} ms", target]  # fmt: skip


async def measure(folder: Path, seconds: int) -> tuple[list[list[str]], list[list[str]]]:
    server = ForkServer(["palaver.mixing.mixer"])
    ways = [["way", "tries", "median", "p95", "longest", "asked for"]]
    ways.append(row("picture, through the mix", await pictures(server, folder, seconds), "p95 ≤ 80 ms"))
    ways.append(
        row("sound, through the mix", await clicks(server, seconds * 2), f"≤ {DELAY_S * 1000 + 60:.0f} ms")
    )
    cost, memory = await talk(server, seconds)
    sound = [["participants", "talking", "CPU per participant and second", "asked for", "memory of the mixer"],
             [str(PARTICIPANTS), str(TALKING), f"**{cost:.1f} ms**", "≤ 8 ms", f"{memory:.0f} MB"]]  # fmt: skip
    return ways, sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ways, sound = asyncio.run(measure(Path(name), args.seconds))
    about = "\n\n".join(__doc__.split("\n\n")[1:-1]).replace("\n", " ")
    report("mix_live", "What a mix adds, and what its sound costs", about, table(ways), table(sound))


if __name__ == "__main__":
    main()
