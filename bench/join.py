"""How soon two people on the page see and hear each other, how fluent the picture is, and how long publishing
and subscribing take.

Chromium with its fake camera (30 frames/s) and microphone, on this machine; both browsers share the server's cores.

    .venv/bin/python -m bench.join
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import BrowserContext, Page, async_playwright

from bench.common import report, table
from tests.browser.conftest import CHROMIUM, FLAGS, bare_pages
from tests.browser.test_page import HOOK, SEES_AND_HEARS, frames
from tests.servers import Server, start_server, until

OPENINGS = 10


@dataclass(frozen=True)
class FirstFrames:
    """Milliseconds until the first frame: where it opens a connection, on an open one, and without a pause between."""

    opening: list[float]
    alone: list[float]
    at_once: list[float]


async def lobby(context: BrowserContext, server: Server, room: str, user: str) -> Page:
    page = await context.new_page()
    await page.add_init_script(HOOK)
    await page.goto(f"{server.url}/?room={room}")
    await page.get_by_test_id("lobby-name").fill(user)
    return page


async def meeting(context: BrowserContext, server: Server, number: int) -> tuple[float, float, list[float]]:
    """(seconds until the newcomer sees and hears, until the other does, frames per second of both)."""
    ann = await lobby(context, server, f"room {number}", "Ann")
    await ann.get_by_test_id("lobby-join").click()
    await ann.get_by_test_id("leave").wait_for()
    bob = await lobby(context, server, f"room {number}", "Bob")
    await bob.wait_for_timeout(1000)  # the preview settles
    started = time.monotonic()
    await bob.get_by_test_id("lobby-join").click()

    async def sees(page: Page) -> float:
        await until(page, SEES_AND_HEARS, 1, 20)
        return time.monotonic() - started

    newcomer, other = await asyncio.gather(sees(bob), sees(ann))
    before = [sum(await frames(page)) for page in (ann, bob)]
    began = time.monotonic()
    await ann.wait_for_timeout(4000)
    after = [sum(await frames(page)) for page in (ann, bob)]
    rates = [(b - a) / (time.monotonic() - began) for a, b in zip(before, after, strict=True)]
    await ann.close()
    await bob.close()
    return newcomer, other, rates


async def publishing(page: Page, token: str) -> list[float]:
    """Milliseconds of each of twenty publications on one connection, by the client without an SDK."""
    times: list[float] = await page.evaluate(
        """async (token) => {
          const me = new BareClient(), times = []
          await me.join(token)
          const stream = await camera(160, 120)
          for (let i = 0; i < 20; i++) times.push((await me.publish(stream.clone())).took)
          return times
        }""",
        token,
    )
    return times


async def first_frames(ann: Page, bob: Page, server: Server) -> FirstFrames:
    """Milliseconds from subscribe to the first decoded frame; the first subscription of a connection opens it."""
    room = server.room("first frames")
    published = await ann.evaluate(
        """async (token) => {
          window.me = new BareClient()
          await me.join(token)
          return (await me.publish(await camera())).id
        }""",
        server.token(room, "ann"),
    )

    async def watch(count: int, pause_ms: int) -> list[float]:
        times: list[float] = await bob.evaluate(
            """async ([token, from, count, pause]) => {
              const me = new BareClient(), times = []
              await me.join(token)
              for (let i = 0; i < count; i++) {
                const decoded = new Promise((resolve) => {
                  const look = ({ track }) => {
                    const frames = new MediaStreamTrackProcessor({ track }).readable.getReader()
                    frames.read().then(() => resolve(performance.now()))
                  }
                  me.connection().addEventListener("track", look, { once: true })
                })
                const started = performance.now()
                const { id } = await me.subscribe(from, ["video"])
                times.push((await decoded) - started)
                await me.request("unsubscribe", { id })
                await new Promise((done) => setTimeout(done, pause))
              }
              me.pc.close()
              me.socket.close()
              return times
            }""",
            [server.token(room, "bob"), published, count, pause_ms],
        )
        return times

    opening = [(await watch(1, 500))[0] for _ in range(OPENINGS)]
    return FirstFrames(opening, (await watch(20, 700))[1:], (await watch(20, 0))[1:])


async def measure(server: Server, rounds: int) -> list[list[str]]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(permissions=["camera", "microphone"], base_url=server.url)
        meetings = [await meeting(context, server, number) for number in range(rounds)]
        page = await bare_pages(context)
        times = await publishing(await page(), server.token(server.room("twenty"), "ann"))
        first = await first_frames(await page(), await page(), server)
        await browser.close()
    newcomer, other = [m[0] for m in meetings], [m[1] for m in meetings]
    rates = [rate for m in meetings for rate in m[2]]
    return [
        ["what", "measured", "asked for"],
        [
            f"Join clicked → newcomer sees and hears the other: median · worst of {rounds}",
            f"**{statistics.median(newcomer):.2f}** · {max(newcomer):.2f} s",
            "≤ 2 s",
        ],
        [
            "Join clicked → the other sees and hears the newcomer",
            f"**{statistics.median(other):.2f}** · {max(other):.2f} s",
            "≤ 2 s",
        ],
        [
            "frames decoded per second: median · lowest",
            f"**{statistics.median(rates):.1f}** · {min(rates):.1f}",
            "≥ 20",
        ],
        [
            "publish() resolved, twenty on one connection: median · worst",
            f"**{statistics.median(times):.0f}** · {max(times):.0f} ms",
            "≤ 700 ms",
        ],
        *(
            [what, f"**{statistics.median(times):.0f}** · {max(times):.0f} ms", "≤ 300 ms"]
            for what, times in (
                (
                    f"subscribe → first frame decoded, opening the connection (ICE, DTLS), {OPENINGS} times: "
                    "median · worst",
                    first.opening,
                ),
                ("the same on an open connection, nineteen times", first.alone),
                (
                    "the same, one right after the other: a publisher makes a key frame every 300 ms at most",
                    first.at_once,
                ),
            )
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, start_server(Path(name)) as server:
        rows = asyncio.run(measure(server, args.rounds))
    words = " ".join(__doc__.split("\n\n")[0:2]).replace("\n", " ")
    report("join", "Two people meet on the page", words, table(rows))


if __name__ == "__main__":
    main()
