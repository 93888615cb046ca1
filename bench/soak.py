"""People come and go for a long time: does anything grow? Joins, publications, answers, leaves through the portal.

.venv/bin/python -m bench.soak --minutes 60
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from bench.common import report, table
from tests.net.test_a_thousand_guests import GAUGES, MEDIA, visits
from tests.servers import Server, start_server

SAMPLES = 12


def sample(server: Server, minute: float, guests: int) -> list[str]:
    names = ("process_open_fds", "process_threads", "process_tasks")
    values = [f"{server.metric(name):.0f}" for name in names]
    return [f"{minute:.1f}", str(guests), f"{server.metric('process_resident_bytes') / 1e6:.1f}", *values]


def settled(server: Server) -> bool:
    """Whether everything that the guests used is gone."""
    return not any(server.metric(name) for name in (*MEDIA, *GAUGES[3:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    rows = [["minute", "guests so far", "resident MB", "descriptors", "threads", "tasks"]]
    with tempfile.TemporaryDirectory() as name, start_server(Path(name)) as server:
        started, guests = time.monotonic(), 0
        for number in range(1, SAMPLES + 1):
            room = server.room(f"soak {number}")
            while time.monotonic() - started < number * args.minutes * 60 / SAMPLES:
                asyncio.run(visits(server, room, 50))
                guests += 50
            deadline = time.monotonic() + 45
            while not settled(server) and time.monotonic() < deadline:
                time.sleep(0.5)
            rows.append(sample(server, (time.monotonic() - started) / 60, guests))
            print(rows[-1], flush=True)
    report(
        "soak", "Guests come and go: what remains", __doc__.split("\n\n")[0].replace("\n", " "), table(rows)
    )


if __name__ == "__main__":
    main()
