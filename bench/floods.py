"""Floods at the media ports of a whole server, beside two people who talk and exchange messages.

20,000 datagrams a second for as long as asked: random ones, and STUN checks for the user of one of the two with a
forged signature. Sender, server and both people (aiortc) share this machine. That half-open DTLS and a subscriber that
never reads harm nobody is shown by tests of the packet core.

    .venv/bin/python -m bench.floods
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.common import cpu_seconds, report, table
from tests.net.test_floods import FLOOD, PER_SECOND, Talk
from tests.servers import Server, start_server

WHAT = {"": "nothing", "noise": "random datagrams", "forged": "STUN with a forged signature"}
HEAD = [
    "the flood", "datagrams/s", "counted", "audio packets/s heard", "message there and back: median · 95 % · worst",
    "CPU of the server", "memory grew by",
]  # fmt: skip


async def flooded(server: Server, talk: Talk, what: str, seconds: float) -> list[str]:
    counter = f"media_{'stun_forged' if what == 'forged' else 'packets_unknown'}_total"
    counted, memory = server.metric(counter), server.metric("process_resident_bytes")
    cpu, heard, started = cpu_seconds(server.process.pid), await talk.heard(), time.monotonic()
    talk.trips.clear()
    arguments = [
        str(talk.port),
        str(PER_SECOND if what else 0),
        str(seconds),
        talk.ufrag if what == "forged" else "",
    ]
    flood = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FLOOD, *arguments, stdout=asyncio.subprocess.PIPE
    )
    await talk.exchange(seconds)
    lasted = time.monotonic() - started
    heard = await talk.heard() - heard
    cpu = cpu_seconds(server.process.pid) - cpu
    sent = int((await flood.communicate())[0])
    grown = server.metric("process_resident_bytes") - memory
    trips = sorted(trip * 1000 for trip in talk.trips)
    late = trips[int(0.95 * len(trips))]
    return [
        WHAT[what],
        f"{sent / seconds:,.0f}",
        f"{(server.metric(counter) - counted) / sent:.1%}" if sent else "",
        f"**{heard / lasted:.1f}**",
        f"**{statistics.median(trips):.1f}** · {late:.1f} · {trips[-1]:.1f} ms",
        f"{cpu / lasted:.0%} of a core",
        f"{grown / 1e6:.1f} MB",
    ]


async def measure(server: Server, seconds: int) -> list[list[str]]:
    rows = [HEAD]
    talk = Talk()
    await talk.begin(server)
    for what in WHAT:
        rows.append(await flooded(server, talk, what, seconds))
        print(rows[-1], flush=True)
    await talk.end()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, start_server(Path(name)) as server:
        rows = asyncio.run(measure(server, args.seconds))
    report(
        "floods",
        "A call beside a flood",
        " ".join(__doc__.split("\n\n")[0:2]).replace("\n", " "),
        table(rows),
    )


if __name__ == "__main__":
    main()
