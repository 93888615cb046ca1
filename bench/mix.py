"""What a mix of nine costs beside ffmpeg doing the same: 640x360 at 30 frames/s each into 1280x720 at 30.

.venv/bin/python -m bench.mix
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import psutil

from bench.common import report, table
from palaver.media.pipelines.control import AddInput
from palaver.media.pipelines.frames import Codec, FrameSocket
from palaver.media.pipelines.process import ForkServer
from palaver.mixing.control import MIXER, AddVideoOutput, Area, Compose, Tile
from tests.mixing.stand_in import StandIn

INPUTS: Final = 9
FRAMERATE: Final = 30
BITRATE_KBPS: Final = 2000
INPUT_KBPS: Final = {360: 1700, 180: 200}
"""What Chromium sends: the most of a lone stream of 640x360, and of a simulcast layer of 320x180."""
NOISE: Final = 6
"""Of a camera's sensor, in steps of brightness."""
CODECS: Final = {"h264": Codec.H264, "vp8": Codec.VP8}
_X264: Final = ["libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline"]
_X264_RATE: Final = f"vbv-maxrate={BITRATE_KBPS}:vbv-bufsize={BITRATE_KBPS}:qpmin=20:scenecut=0"
_VPX: Final = ["libvpx", "-deadline", "realtime", "-lag-in-frames", "0",
               "-maxrate", f"{BITRATE_KBPS}k", "-bufsize", f"{BITRATE_KBPS}k"]  # fmt: skip
ENCODERS: Final = {
    "h264": [*_X264, "-x264-params", f"{_X264_RATE}:subme=1"],
    "vp8": [*_VPX, "-cpu-used", "-12"],
}
"""As the mixer encodes."""
USUAL_ENCODERS: Final = {
    "h264": [*_X264, "-x264-params", _X264_RATE],
    "vp8": [*_VPX, "-cpu-used", "8"],
}
"""With the effort that x264's preset and libvpx's automatic speed choose."""


@dataclass(frozen=True)
class Case:
    """What goes in, what comes out, and what is asked for, as a part of ffmpeg's CPU."""

    name: str
    codec: str
    size: tuple[int, int]
    moving: int
    target: float
    still_rate: int = FRAMERATE


CASES: Final = (
    Case("H264 in and out", "h264", (640, 360), INPUTS, 1.05),
    Case("VP8 in and out", "vp8", (640, 360), INPUTS, 1.15),
    Case("H264, the simulcast layer nearest to the region", "h264", (320, 180), INPUTS, 0.75),
    Case("H264, one of nine moving", "h264", (640, 360), 1, 0.45),
    Case("H264, one moving, eight still screens of 1 frame/s", "h264", (640, 360), 1, 0.45, still_rate=1),
)


def clip(
    folder: Path,
    number: int,
    codec: str,
    size: tuple[int, int],
    moving: bool,
    seconds: int,
    framerate: int = FRAMERATE,
) -> Path:
    """One input: detail that moves under a camera's noise, or a still of it."""
    ending = {"h264": "h264", "vp8": "ivf"}[codec]
    path = folder / f"{codec}-{size[1]}-{number}-{int(moving)}-{framerate}.{ending}"
    if path.exists():
        return path
    source = f"mandelbrot=size=640x360:rate={framerate}:start_scale={0.2 + number / 10},hue=h={number * 40}"
    source += f",noise=alls={NOISE}:allf=t,scale={size[0]}:{size[1]}"
    source += "" if moving else f",loop=loop=-1:size=1:start=0,setpts=N/{framerate}/TB"
    coder = {"h264": ["libx264", "-preset", "veryfast", "-profile:v", "baseline", "-bf", "0"],
             "vp8": ["libvpx", "-deadline", "realtime", "-cpu-used", "-8"]}[codec]  # fmt: skip
    rate = ["-b:v", f"{INPUT_KBPS[size[1]]}k", *([] if moving else ["-qmin", "30", "-qmax", "30"])]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-t", str(seconds), "-c:v", *coder,
         *rate, "-g", "3000", "-pix_fmt", "yuv420p", str(path)],
        check=True,
    )  # fmt: skip
    return path


def by_ffmpeg(clips: list[Path], encoder: list[str], seconds: int, *, live: bool = False) -> float:
    """CPU seconds of the ffmpeg command for the same mix, as fast as it can or ``live``."""
    scaled = "".join(f"[{n}:v]scale=426:240:flags=bilinear[v{n}];" for n in range(INPUTS))
    places = "|".join(f"{n % 3 * 426}_{n // 3 * 240}" for n in range(INPUTS))
    inputs = "".join(f"[v{n}]" for n in range(INPUTS))
    graph = f"{scaled}{inputs}xstack=inputs={INPUTS}:layout={places},pad=1280:720[out]"
    command = ["ffmpeg", "-v", "error", "-filter_complex_threads", "1"]
    for one in clips:
        command += [*(["-re"] if live else []), "-threads", "1", "-i", str(one)]
    command += ["-filter_complex", graph, "-map", "[out]", "-t", str(seconds), "-r", str(FRAMERATE),
                "-c:v", *encoder, "-b:v", f"{BITRATE_KBPS}k", "-g", "3000", "-bf", "0", "-threads", "1",
                "-f", "null", "-"]  # fmt: skip
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0, "ffmpeg failed"
    return float(used.ru_utime + used.ru_stime)


async def by_palaver(
    server: ForkServer, clips: list[Path], case: Case, seconds: int
) -> tuple[float, float, float]:
    """CPU seconds of the mixer's process for as many frames, its resident memory in MB, and frames encoded."""
    packets = [[bytes(p) for p in av.open(str(one)).demux(video=0) if p.size] for one in clips]
    pipeline = await server.start(MIXER)
    assert pipeline.pid is not None
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(pipeline.run())
        node = StandIn(pipeline)
        for n in range(INPUTS):
            pipeline.say(AddInput(kind="video", track=n, codec=case.codec, name=f"Person {n}"))
        tiles = tuple(Tile(Area(n % 3 / 3, n // 3 / 3, 1 / 3, 1 / 3), n) for n in range(INPUTS))
        pipeline.say(
            Compose(
                width=1280, height=720, framerate=FRAMERATE, background=(0, 0, 0), crop=False, tiles=tiles
            )
        )
        pipeline.say(
            AddVideoOutput(track=1000, codec=case.codec, profile="CB", width=1280, height=720,
                           framerate=FRAMERATE, bitrate_kbps=BITRATE_KBPS, key_frame_interval_s=100.0)
        )  # fmt: skip
        process = psutil.Process(pipeline.pid)
        used = await asyncio.to_thread(pace, node.frames, packets, CODECS[case.codec], process, seconds)
        memory = process.memory_info().rss / 1e6
        decoded = pipeline.counters["pictures_decoded"]
        expected = sum(map(len, packets)) * (seconds - 1) / seconds
        assert decoded > 0.9 * expected, f"{decoded} pictures decoded"
        watching.cancel()
    await node.close()
    return used, memory, float(node.counts.get(1000, 0))


def pace(
    frames: FrameSocket, packets: list[list[bytes]], codec: Codec, process: psutil.Process, seconds: int
) -> float:
    """Send every input's frames in real time, spread over the frame time as cameras are."""
    times = process.cpu_times()
    before = times.user + times.system
    begin = time.monotonic()
    for number in range(seconds * FRAMERATE):
        for n, one in enumerate(packets):
            due = begin + (number + n / INPUTS) / FRAMERATE
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
            every = max(round(seconds * FRAMERATE / len(one)), 1)
            if number % every == 0 and number // every < len(one):
                frames.send(n, codec, number * 3000, 90_000, one[number // every], key_frame=number == 0)
    times = process.cpu_times()
    return times.user + times.system - before


async def measure(folder: Path, seconds: int, rounds: int) -> list[list[str]]:
    server = ForkServer(["palaver.mixing.mixer"])
    rows = [["mix", "ffmpeg CPU s", "live", "usual effort", "Palaver CPU s", "÷ ffmpeg", "rounds", "asked for",
             "÷ live", "÷ usual effort", "memory"]]  # fmt: skip
    for case in CASES:
        reference = [clip(folder, n, case.codec, (640, 360), True, seconds) for n in range(INPUTS)]
        ours = [
            clip(folder, n, case.codec, case.size, n < case.moving, seconds,
                 FRAMERATE if n < case.moving else case.still_rate)
            for n in range(INPUTS)
        ]  # fmt: skip
        same, live, usual, mine, memory = [], [], [], [], 0.0
        for _ in range(rounds):
            same.append(by_ffmpeg(reference, ENCODERS[case.codec], seconds))
            live.append(by_ffmpeg(reference, ENCODERS[case.codec], seconds, live=True))
            usual.append(by_ffmpeg(reference, USUAL_ENCODERS[case.codec], seconds))
            used, memory, count = await by_palaver(server, ours, case, seconds)
            mine.append(used * seconds * FRAMERATE / max(count, 1))
        ratios = [b / a for a, b in zip(same, mine, strict=True)]
        rows.append(
            [
                case.name,
                *(f"{statistics.median(one):.2f}" for one in (same, live, usual, mine)),
                f"**{statistics.median(ratios):.2f}**",
                ", ".join(f"{ratio:.2f}" for ratio in ratios),
                f"≤ {case.target}",
                *(
                    f"{statistics.median(b / a for a, b in zip(one, mine, strict=True)):.2f}"
                    for one in (live, usual)
                ),
                f"{memory:.0f} MB",
            ]
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = asyncio.run(measure(Path(name), args.seconds, args.rounds))
    report(
        "mix",
        "A mix of nine beside ffmpeg",
        "CPU seconds for the same number of encoded pictures: the mixer's whole process, fed in real time, beside "
        "`ffmpeg` (Debian's) with scale, xstack and the same encoder settings, one thread each. ffmpeg runs as fast as "
        "it can; at the pace of the inputs (`-re`), as a mixer must; and as fast as it can with the usual effort of "
        "its encoders: x264's `veryfast` as it is (the mixer searches motion less finely, `subme=1`, at the same "
        "PSNR) and libvpx's automatic speed (`cpu-used 8`; the mixer's is fixed). Inputs are detail that moves under "
        f"a camera's noise, at {INPUT_KBPS[360]} kbit/s, {INPUT_KBPS[180]} where it is a simulcast layer.",
        table(rows),
    )


if __name__ == "__main__":
    main()
