"""A full house for a long time, with people coming and going: does anything grow?

Ten publishers with ten subscribers each, by WHIP and WHEP from `rust/bench`; subscribers throw away one video packet
in 200 and ask for it again. All the while two subscribers a second leave and come back, and every twenty seconds a
publisher does, with its ten subscribers; next door guests join through the portal, publish, get an answer and leave,
ten at once.

    .venv/bin/python -m bench.soak --minutes 60
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, field

from bench.common import report, rss_mb, table
from bench.forwarders import Habits, Palaver, each, palaver
from bench.generator import Generator, generator
from tests.net.test_a_thousand_guests import GAUGES, MEDIA, visits
from tests.servers import Server

SAMPLES = 12
TURN_S = 0.5
PAUSE_S = 4
TURNS_PER_PUBLISHER = 40
WINDOW_S = 10
HEAD = [
    "minute", "came back", "ended by the server", "guests so far", "resident MB", "descriptors", "threads", "tasks",
    "transports", "µs CPU per packet", "out of order", "p95 ms",
]  # fmt: skip


@dataclass
class House:
    """Who is there; peers are the generator's numbers."""

    server: Palaver
    load: Generator
    streams: int
    audience: int
    habits: Habits
    publishers: list[int] = field(default_factory=list)
    subscribers: list[list[int]] = field(default_factory=list)
    came_back: int = 0
    guests: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def fill(self) -> None:
        self.publishers = await each(
            [self.server.publish(self.load, s, self.habits) for s in range(self.streams)]
        )
        self.subscribers = [await self._audience(stream) for stream in range(self.streams)]
        await self.load.request("receiving")

    async def _audience(self, stream: int) -> list[int]:
        return await each(
            [self.server.subscribe(self.load, stream, self.habits) for _ in range(self.audience)]
        )

    async def replace_subscriber(self, dice: random.Random) -> None:
        stream, seat = dice.randrange(self.streams), dice.randrange(self.audience)
        await self.server.leave(self.load, self.subscribers[stream][seat])
        self.subscribers[stream][seat] = await self.server.subscribe(self.load, stream, self.habits)
        self.came_back += 1

    async def replace_publisher(self, dice: random.Random) -> None:
        stream = dice.randrange(self.streams)
        await each([self.server.leave(self.load, peer) for peer in self.subscribers[stream]])
        await self.server.leave(self.load, self.publishers[stream])
        self.publishers[stream] = await self.server.publish(self.load, stream, self.habits)
        self.subscribers[stream] = await self._audience(stream)
        self.came_back += 1 + self.audience

    async def churn(self) -> None:
        """People leave and come back, until the house closes."""
        dice = random.Random(5)
        turn = 0
        while not await self._closes_within(TURN_S):
            turn += 1
            if turn % TURNS_PER_PUBLISHER:
                await self.replace_subscriber(dice)
            else:
                await self.replace_publisher(dice)

    async def next_door(self) -> None:
        """Guests of the portal, until the house closes."""
        room = self.server.server.room("next door")
        while not await self._closes_within(PAUSE_S):
            await visits(self.server.server, room, 10)
            self.guests += 10

    async def _closes_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)
        return self.closing.is_set()

    async def empty(self) -> None:
        await each([self.server.leave(self.load, peer) for audience in self.subscribers for peer in audience])
        await each([self.server.leave(self.load, peer) for peer in self.publishers])

    async def sample(self, minute: float) -> list[str]:
        """One row: what is there, and how the media fared for some seconds."""
        figures = await self.load.measure(WINDOW_S, self.server.pid)
        return [
            *(f"{minute:.1f}", str(self.came_back), str(self.server.ended), str(self.guests)),
            *gauges(self.server.server),
            f"{figures['server_us_per_packet']:.2f}",
            str(figures["reordered"]),
            f"{figures['latency_ms'][1]:.1f}",
        ]


def gauges(server: Server) -> list[str]:
    names = ("process_open_fds", "process_threads", "process_tasks", "media_transports")
    return [f"{rss_mb(server.process.pid):.1f}", *(f"{server.metric(name):.0f}" for name in names)]


def counted(server: Server) -> dict[str, float]:
    return {name: server.metric(name) for name in (*MEDIA, *GAUGES) if name != "rooms"}


def left(server: Server, before: dict[str, float]) -> list[str]:
    """What is there that was not before anybody came. Two of each may be those of whoever asks."""
    now = counted(server)
    return [
        f"{name}: {now[name]:.0f} instead of {was:.0f}" for name, was in before.items() if now[name] > was + 2
    ]


async def settle(server: Server, before: dict[str, float]) -> list[str]:
    """What is left when nothing is, or after two minutes."""
    for _ in range(240):
        if not left(server, before):
            break
        await asyncio.sleep(0.5)
    return left(server, before)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--subscribers", type=int, default=10)
    parser.add_argument("--kbps", type=int, default=1500, help="of each publisher's video")
    args = parser.parse_args()
    rows = [HEAD]
    async with palaver() as server, generator() as load:
        habits = Habits(feedback=True, lose_every=200, video_bps=args.kbps * 1000)
        house = House(server, load, args.streams, args.subscribers, habits)
        before = counted(server.server)
        rows.append(["before", "", "", "", *gauges(server.server), "", "", ""])
        await house.fill()
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.churn())
            tasks.create_task(house.next_door())
            for number in range(1, SAMPLES + 1):
                until = started + number * args.minutes * 60 / SAMPLES - WINDOW_S
                await asyncio.sleep(max(0.0, until - time.monotonic()))
                rows.append(await house.sample((time.monotonic() - started) / 60))
                print(rows[-1], flush=True)
            house.closing.set()
        await house.empty()
        remaining = await settle(server.server, before)
        empty = [
            "after all left",
            str(house.came_back),
            str(house.server.ended),
            str(house.guests),
            *gauges(server.server),
            "",
            "",
            "",
        ]
    rows.append(empty)
    text = (
        "What is counted is back where it was before anybody came."
        if not remaining
        else f"**Left behind: {', '.join(remaining)}.**"
    )
    report(
        "soak",
        "A full house, with people coming and going",
        __doc__.split("\n\n")[1].replace("\n", " "),
        table(rows),
        text,
    )


if __name__ == "__main__":
    asyncio.run(main())
