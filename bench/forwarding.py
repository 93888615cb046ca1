"""What forwarding costs: Palaver beside Debian's Janus and beside the least that is possible, in one run.

Every publisher sends VP8 at 30 frames/s and 1.5 Mbit/s, six packets back to back per frame, and Opus at 50
packets/s: 230 packets/s. Its subscribers are one connection each. The load comes from `rust/bench`. CPU per packet is
user and system time of the server, children included, in the measured window, divided by the media packets that arrived
in it. The floor (`bench/floor`) is one thread that decrypts once, and encrypts and sends for each subscriber, and does
nothing else. All media is encrypted with the same cipher. Clients of the plain rows send a receiver report a second
and nothing else; those "with feedback" send transport-wide feedback every 50 ms and throw away one video packet in a
hundred to ask for it again. A machine is not equally fast all the time, so the floor is measured before and after every
run, and ratios are to the mean of those two. A room stays on one thread up to about 130 subscribers, so two threads
share the work in the last table only.

    .venv/bin/python -m bench.forwarding --seconds 5 --rounds 2
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import ROOT, report, rss_mb, table
from bench.forwarders import Forwarder, Habits, each, janus, palaver
from bench.generator import Generator, generator
from bench.profile import shares

SHAPES = ((1, 50), (1, 100), (10, 10))
SPREAD = (10, 20)  # enough for two threads
WARM_UP_S = 3
FLOOR_S = 2
BITS = 256  # of the key that the generator and both servers agree on

Figures = dict[str, Any]
Runs = dict[str, list[Figures]]


@dataclass(frozen=True)
class Contender:
    """One line of each table."""

    name: str
    start: Callable[[], AbstractAsyncContextManager[Forwarder]]
    habits: Habits


def threads(count: int) -> Callable[[], AbstractAsyncContextManager[Forwarder]]:
    def start() -> AbstractAsyncContextManager[Forwarder]:
        os.environ["PALAVER_MEDIA_THREADS"] = str(count)
        return palaver()

    return start


ONE, TWO, FEEDBACK, JANUS = "Palaver", "Palaver, two threads", "Palaver, with feedback", "Janus"
PLAIN = Habits()
BATCHED, SEGMENTED = "floor, sendmmsg", "floor, UDP_SEGMENT"
CONTENDERS = (
    Contender(ONE, threads(1), PLAIN),
    Contender(TWO, threads(2), PLAIN),
    Contender(FEEDBACK, threads(1), Habits(feedback=True, lose_every=100)),
    Contender(JANUS, janus, PLAIN),
)


async def connect(
    server: Forwarder, load: Generator, publishers: int, subscribers: int, habits: Habits
) -> float:
    """Connect everyone; MB of memory that each subscriber took."""
    await each([server.publish(load, stream, habits) for stream in range(publishers)])
    before = rss_mb(server.pid)
    streams = [stream for stream in range(publishers) for _ in range(subscribers)]
    await each([server.subscribe(load, stream, habits) for stream in streams])
    await load.request("receiving")
    await asyncio.sleep(WARM_UP_S)
    return (rss_mb(server.pid) - before) / len(streams)


async def measured(contender: Contender, publishers: int, subscribers: int, seconds: float) -> Figures:
    """One run against a fresh server."""
    async with contender.start() as server, generator(server.address) as load:
        memory = await connect(server, load, publishers, subscribers, contender.habits)
        figures = await load.measure(seconds, server.pid)
    return figures | {"rss_mb_per_subscriber": memory}


def floor(binary: Path, mode: str, publishers: int, subscribers: int) -> Figures:
    command = [str(binary), mode, str(BITS), str(publishers), str(subscribers), str(FLOOR_S)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    figures = dict(json.loads(done.stdout))
    return figures | {"server_us_per_packet": figures["us_per_packet"]}


def built_floor(directory: Path) -> Path:
    binary = directory / "floor"
    source = ROOT / "bench/floor/floor.c"
    subprocess.run(
        ["cc", "-O3", "-march=native", "-o", str(binary), str(source), "-lcrypto"], check=True, timeout=60
    )
    return binary


async def compare(
    binary: Path, shape: tuple[int, int], args: argparse.Namespace, contenders: tuple[Contender, ...]
) -> Runs:
    """All contenders in turn, as many rounds as asked for, each between two runs of the floor."""
    runs: Runs = defaultdict(list)
    runs[SEGMENTED].append(floor(binary, "segmented", *shape))
    for number in range(args.rounds):
        for contender in contenders:
            figures = await measured(contender, *shape, args.seconds)
            assert f"_{BITS}_" in figures["profile"], figures["profile"]
            runs[SEGMENTED].append(floor(binary, "segmented", *shape))
            least = statistics.mean(run["server_us_per_packet"] for run in runs[SEGMENTED][-2:])
            runs[contender.name].append(figures | {"floors": figures["server_us_per_packet"] / least})
            print(shape, number, json.dumps({"name": contender.name} | runs[contender.name][-1]), flush=True)
        runs[BATCHED].append(floor(binary, "batched", *shape))
    return runs


def median(runs: list[Figures], value: Callable[[Figures], float]) -> float:
    return statistics.median(value(figures) for figures in runs)


def cost(runs: list[Figures]) -> float:
    return median(runs, lambda figures: float(figures["server_us_per_packet"]))


def floors(runs: list[Figures]) -> float:
    """How many times the floor's cost, as it was just before and after."""
    return median(runs, lambda figures: float(figures["floors"]))


def shape_table(runs: Runs) -> str:
    rows = [[
        "", "µs CPU per packet: median (rounds)", "÷ floor", "÷ Janus", "lost", "out of order", "skipped numbers",
        "p50 · p95 · p99 ms", "MB per subscriber",
    ]]  # fmt: skip
    for name in (name for name in (SEGMENTED, BATCHED, ONE, TWO, FEEDBACK, JANUS) if name in runs):
        taken = runs[name]
        plain = name in (SEGMENTED, BATCHED)
        rounds = ", ".join(f"{figures['server_us_per_packet']:.2f}" for figures in taken)
        times = cost(taken) / cost(runs[SEGMENTED]) if plain else floors(taken)
        row = [
            name,
            f"**{cost(taken):.2f}** ({rounds})",
            f"{times:.2f}",
            f"{times / floors(runs[JANUS]):.2f}" if JANUS in runs else "",
        ]
        if plain:
            row += [str(sum(max(f["sent"] - f["arrived"], 0) for f in taken)), "", "", "", ""]
        else:
            latencies = [median(taken, lambda f, i=i: f["latency_ms"][i]) for i in range(3)]  # type: ignore[misc]
            row += [str(sum(f[key] for f in taken)) for key in ("lost", "reordered", "gaps")]
            row += [
                " · ".join(f"{ms:.1f}" for ms in latencies),
                f"{median(taken, lambda f: f['rss_mb_per_subscriber']):.2f}",
            ]
        rows.append(row)
    return table(rows)


def targets(all_runs: dict[tuple[int, int], Runs], spread: Runs) -> str:
    """What was asked for, and the worst of the shapes."""

    def worst(value: Callable[[Runs], float]) -> float:
        return max(value(runs) for runs in all_runs.values())

    def two(runs: Runs) -> float:
        return floors(runs[TWO]) / floors(runs[ONE])

    def flaws(runs: Runs) -> int:
        taken = (figures for name in (ONE, TWO) for figures in runs[name])
        return sum(figures[key] for figures in taken for key in ("lost", "reordered", "gaps"))

    def p95(runs: list[Figures]) -> float:
        return median(runs, lambda figures: figures["latency_ms"][1])

    checks = [
        ("Palaver ÷ floor with UDP_SEGMENT", worst(lambda r: floors(r[ONE])), 1.7),
        ("the same with feedback", worst(lambda r: floors(r[FEEDBACK])), 2.2),
        ("Palaver ÷ Janus", worst(lambda r: floors(r[ONE]) / floors(r[JANUS])), 0.4),
        ("p95 ÷ Janus's p95", worst(lambda r: p95(r[ONE]) / p95(r[JANUS])), 1.0),
        ("two threads ÷ one", worst(two), 1.15),
        ("the same where both have work", two(spread), 1.15),
        (
            "MB per subscriber",
            worst(
                lambda r: max(
                    median(r[n], lambda f: f["rss_mb_per_subscriber"]) for n in (ONE, TWO, FEEDBACK)
                )
            ),
            0.3,
        ),
        ("lost, out of order or skipped", max(worst(flaws), flaws(spread)), 0),
    ]
    rows = [["what, in the worst of the first three tables", "measured", "asked for", ""]]
    rows += [
        [name, f"**{found:.2f}**", f"≤ {limit}", "yes" if found <= limit else "no"]
        for name, found, limit in checks
    ]
    return table(rows)


def circumstances(all_runs: list[Runs]) -> str:
    """How far the load generator was from its limits."""
    runs = [f for shape in all_runs for c in CONTENDERS for f in shape.get(c.name, [])]
    return (
        f"Cipher: {runs[0]['profile']}. The generator used at most {max(f['client_cores'] for f in runs):.2f} of a "
        f"core; of all cores together at least {min(f['idle_cores'] for f in runs):.2f} idled."
    )


def profile_table(us_per_packet: float, found: list[tuple[str, float]]) -> str:
    if not found:
        return "perf is not to be had here."
    rows = [["", "share", "µs per packet"]]
    rows += [[name, f"{share:.0%}", f"{share * us_per_packet:.2f}"] for name, share in found]
    return table(rows)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    parts = [__doc__.split("\n\n")[1].replace("\n", " ")]
    all_runs = {}
    with tempfile.TemporaryDirectory() as name:
        binary = built_floor(Path(name))
        for shape in SHAPES:
            all_runs[shape] = await compare(binary, shape, args, CONTENDERS)
        spread = await compare(binary, SPREAD, args, CONTENDERS[:2])
    parts += ["## Asked for", targets(all_runs, spread), circumstances([*all_runs.values(), spread])]
    for (publishers, subscribers), runs in (*all_runs.items(), (SPREAD, spread)):
        parts += [f"## {publishers} published, {subscribers} subscribers each", shape_table(runs)]
    async with threads(1)() as server, generator(server.address) as load:
        await connect(server, load, 1, 100, PLAIN)
        figures, found = await asyncio.gather(
            load.measure(args.seconds, server.pid), shares(server.pid, args.seconds)
        )
    parts += [
        "## Where it goes, at 1 published, 100 subscribers",
        profile_table(float(figures["server_us_per_packet"]), found),
    ]
    report("forwarding", "Forwarding: CPU per packet, beside Janus and beside the floor", *parts)


if __name__ == "__main__":
    asyncio.run(main())
