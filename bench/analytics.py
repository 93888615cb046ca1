"""What an analysis costs, and how soon its events arrive: a whole server and its test source.

The source is 640x360 VP8 at 30 frames/s. CPU is user and system time of the analyser's process: receiving, decoding
every frame, scaling and the handler. The delay is from the capture of a picture to the event's arrival by server-sent
events.

.venv/bin/python -m bench.analytics
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import httpx2
import psutil

from bench.common import report, table
from palaver.client.signing import Signer
from tests.servers import Server, start_server

ASKED = {"motion": "≤ 3.5 % at 15/s", "faces": "≤ 4 % at 5/s", "loudness": "nothing"}
PARAMETERS = {"motion": {"threshold": 0.0005, "every_s": 0}}


def begin(server: Server, room: str, algorithm: str, source: str) -> str:
    media = {"video": {"from": source}, "audio": {"from": source}}
    body = {"algorithm": algorithm, "media": media, "parameters": PARAMETERS.get(algorithm, {})}
    answer = server.rest("POST", f"/v1/rooms/{room}/analytics", body, timeout_s=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def analysers(server: Server) -> list[psutil.Process]:
    """The youngest children of the fork server: those that began last."""
    everyone = psutil.Process(server.process.pid).children(recursive=True)
    return sorted(everyone, key=lambda one: one.create_time())


def measured(server: Server, room: str, source: str, algorithm: str, seconds: float) -> list[str]:
    analysis = begin(server, room, algorithm, source)
    process = analysers(server)[-1]
    time.sleep(2)  # the start is not measured
    before, handled = process.cpu_times(), server.metric("analytics_analyses_handled")
    begun = time.monotonic()
    delays = followed(server, room, analysis, seconds)
    took = time.monotonic() - begun
    after, memory = process.cpu_times(), process.memory_info().rss / 1e6
    rate = (server.metric("analytics_analyses_handled") - handled) / took
    share = (after.user + after.system - before.user - before.system) / took
    server.rest("DELETE", f"/v1/rooms/{room}/analytics/{analysis}")
    delay = f"{statistics.median(delays):.0f} ms" if delays else "no events"
    longest = f"{max(delays):.0f} ms" if delays else "none"
    return [
        algorithm,
        f"{rate:.1f}",
        f"**{share:.1%}**",
        ASKED[algorithm],
        f"{memory:.0f} MB",
        delay,
        longest,
    ]


def followed(server: Server, room: str, analysis: str, seconds: float) -> list[float]:
    """The delays in milliseconds of the events that come within ``seconds``."""
    headers = {**Signer(server.service, server.key).headers(), "accept": "text/event-stream"}
    last = server.rest("GET", f"/v1/rooms/{room}/analytics/{analysis}").json()["events"]
    url = f"{server.url}/v1/rooms/{room}/analytics/{analysis}/events?after={last}"
    delays: list[float] = []
    end = time.monotonic() + seconds
    with httpx2.stream("GET", url, headers=headers, timeout=seconds) as answer:
        try:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    captured = json.loads(line.removeprefix("data: "))["time"]
                    delays.append(time.time() * 1000 - captured)
                if time.monotonic() >= end:
                    break
        except httpx2.TimeoutException:
            pass
    return delays


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    asked = parser.parse_args()
    rows = [
        ["algorithm", "frames a second", "CPU of a core", "asked for", "resident", "event after", "longest"]
    ]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "palaver.toml"
        settings.write_text("[streaming]\nallow_test = true\n")
        Path(folder).chmod(0o755)
        with start_server(Path(folder), "--config", str(settings)) as server:
            room = server.room("bench")
            bars = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}
            answer = server.rest("POST", f"/v1/rooms/{room}/streaming-ins", bars, timeout_s=60)
            source = str(answer.json()["id"])
            for algorithm in ASKED:
                rows.append(measured(server, room, source, algorithm, asked.seconds))
    report(
        "analytics",
        "What an analysis costs",
        (__doc__ or "").split("\n\n.venv")[0].partition("\n\n")[2].replace("\n", " "),
        f"The machine's load average was {load:.1f} at the start: others used it, "
        "and with more than its cores, times are longer than they are alone.",
        table(rows),
    )


if __name__ == "__main__":
    main()
