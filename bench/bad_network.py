"""Two browsers over a bad network: how much stands still, how much sound is made up, how soon layers follow.

Chromium to Chromium by way of a server; one of the two is behind the tests' own relay (`tests/net/relay.py`), which
loses, delays, and narrows the path with a queue of 300 ms, both ways alike unless said otherwise. Frozen and concealed
are as Chromium counts them: its totalFreezesDuration, and its concealedSamples without the silent ones.

    .venv/bin/python -m bench.bad_network --seconds 30
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from bench.common import report, table
from tests.browser.call import LAYERED, SINGLE, Call, Span
from tests.browser.conftest import CHROMIUM, FLAGS, bare_pages
from tests.net.relay import Conditions, Relay, relay
from tests.servers import Server, start_server

WIDE, NARROW = Conditions(rate_bps=3_000_000), Conditions(rate_bps=300_000)
SETTLED_S = 5
LASTING_S = 20
HEAD = [
    "who is behind the relay", "the network", "frozen", "sound made up", "its video packets missed at first",
    "repaired", "frames/s",
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    relayed: str
    network: str
    conditions: Conditions


CASES = (
    Case("bob", "nothing lost", Conditions()),
    *(
        case
        for relayed in ("bob", "ann")
        for case in (
            Case(relayed, "5 % lost, 50 ms there and back", Conditions(loss=0.05, delay_s=0.025)),
            Case(relayed, "5 % lost, 50 ms each way", Conditions(loss=0.05, delay_s=0.05, jitter_s=0.01)),
            Case(relayed, "20 % lost, 50 ms there and back", Conditions(loss=0.2, delay_s=0.025)),
        )
    ),
)
WHO = {"bob": "who watches", "ann": "who sends"}


@contextlib.asynccontextmanager
async def call(
    server: Server, running: Relay, relayed: str, published: dict[str, Any]
) -> AsyncIterator[Call]:
    """A call in a browser of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(permissions=["camera", "microphone"], base_url=server.url)
        yield await Call.begin(server, await bare_pages(context), running, relayed, published)
        await browser.close()


async def lossy(server: Server, case: Case, seconds: float) -> list[str]:
    with relay() as running:
        async with call(server, running, case.relayed, SINGLE) as made:
            running.set(case.conditions, case.conditions)
            await made.plays(SETTLED_S)
            before = await made.inbound()
            await made.plays(seconds)
            span = Span.between(before, await made.inbound())
    video = span.video
    return [
        WHO[case.relayed],
        case.network,
        f"**{span.frozen:.1%}**",
        f"**{span.concealed:.1%}**",
        f"{max(video['packetsLost'], 0) / max(video['packetsReceived'], 1):.2%}",
        f"{video.get('retransmittedPacketsReceived', 0):.0f}",
        f"{video['framesDecoded'] / span.seconds:.1f}",
    ]


async def narrowed(server: Server, round_number: int) -> list[str]:
    """3 Mbit/s to 300 kbit/s and back: how soon the layer follows, and what became of the sound meanwhile."""
    with relay(round_number) as running:
        async with call(server, running, "bob", LAYERED) as made:
            running.set(WIDE, WIDE)
            await made.shows(1280, timeout_s=60)
            await made.plays(SETTLED_S)
            first = await made.inbound()
            await made.plays(LASTING_S)
            start = await made.inbound()
            running.set(WIDE, NARROW)
            down = await made.shows(320, timeout_s=60)
            await made.plays(SETTLED_S)
            middle = await made.inbound()
            await made.plays(LASTING_S)
            late = await made.inbound()
            running.set(WIDE, WIDE)
            up = await made.shows(1280, timeout_s=90)
            await made.plays(SETTLED_S)
            end = await made.inbound()
    spans = [Span.between(*pair) for pair in ((first, start), (start, middle), (middle, late), (late, end))]
    return [
        str(round_number),
        f"**{down:.1f}** s",
        f"**{up:.1f}** s",
        " · ".join(f"{span.concealed:.1%}" for span in spans),
        " · ".join(f"{span.frozen:.0%}" for span in spans),
        " · ".join(f"{span.video['framesDecoded'] / span.seconds:.0f}" for span in spans),
    ]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["loss", "rate"])
    args = parser.parse_args()
    losses = [HEAD]
    rates = [[
        "round", "down to 180p after", "back at 720p after", "sound made up: wide · down · narrow · up", "frozen",
        "frames/s",
    ]]  # fmt: skip
    with tempfile.TemporaryDirectory() as name, start_server(Path(name)) as server:
        if args.only != "rate":
            for case in CASES:
                losses.append(await lossy(server, case, args.seconds))
                print(losses[-1], flush=True)
        if args.only != "loss":
            for number in range(1, args.rounds + 1):
                rates.append(await narrowed(server, number))
                print(rates[-1], flush=True)
    report(
        "bad_network",
        "Two browsers over a bad network",
        __doc__.split("\n\n")[1].replace("\n", " "),
        "## Loss",
        "360p, 25 frames/s, 700 kbit/s; sound with redundancy (RFC 2198). Asked for: at 5 % frozen less than 3 %, at "
        "20 % less than 10 % of the sound made up, and less than 10 % of the time frozen for who watches.",
        table(losses),
        "## 3 Mbit/s to 300 kbit/s and back, towards who watches",
        "720p in three layers of 1500, 450 and 120 kbit/s. Asked for: down within 4 s, up within 10 s.",
        table(rates),
    )


if __name__ == "__main__":
    asyncio.run(main())
