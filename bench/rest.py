"""What a management request costs, beside an Express 5 program with the same routes over better-sqlite3, in one run.

Both servers are one process, on loopback, loaded by `wrk` with requests that are all signed afresh (a signature is
accepted once by both). CPU per request is user and system time of the server divided by the requests it answered.

    .venv/bin/python bench/rest.py            # needs wrk (Debian) and node; installs the peer under bench/peers
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from bench.common import ROOT, cpu_seconds, report, rss_mb, table
from palaver.client.signing import Signer
from tests.servers import free_port, start_server

if TYPE_CHECKING:
    from collections.abc import Iterator

PEER = ROOT / "bench" / "peers" / "express"
WRK = """
local headers, at = {}, 0
for line in io.lines(os.getenv("SIGNED")) do headers[#headers + 1] = line end
local method, path, body = os.getenv("METHOD"), os.getenv("TARGET"), os.getenv("BODY")
if body == "" then body = nil end
request = function()
  at = at + 1
  if at > #headers then return "GET /exhausted HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" end
  return wrk.format(method, path, {["Authorization"] = headers[at], ["Content-Type"] = "application/json"}, body)
end
done = function(summary, latency)
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.errors.status, latency:percentile(95)))
end
"""


@contextlib.contextmanager
def palaver(directory: Path) -> Iterator[tuple[str, int, str, str]]:
    with start_server(directory) as server:
        yield server.url, server.process.pid, server.service, server.key


@contextlib.contextmanager
def express(directory: Path) -> Iterator[tuple[str, int, str, str]]:
    if not (PEER / "node_modules").exists():
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=PEER,
            check=True,
            capture_output=True,
        )
    port, service, key = free_port(), "5f0000000000000000000001", "secret-of-the-bench"
    node = shutil.which("node") or "node"
    process = subprocess.Popen(
        [node, str(PEER / "server.js"), str(port), str(directory / "peer.db"), service, key],
        stdout=subprocess.PIPE,
        env=os.environ | {"NODE_ENV": "production"},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield f"http://127.0.0.1:{port}", process.pid, service, key
    finally:
        process.kill()
        process.wait()


def load(
    url: str, pid: int, service: str, key: str, method: str, path: str, body: str, seconds: int
) -> tuple[float, float, float]:
    """(µs of CPU per request, requests per second, p95 in ms) of one burst of load."""
    count = {"GET": 12000, "POST": 9000}[method] * seconds
    with (
        tempfile.NamedTemporaryFile("w", suffix=".txt") as signed,
        tempfile.NamedTemporaryFile("w", suffix=".lua") as lua,
    ):
        signer = Signer(service, key)
        signed.write("\n".join(signer.headers()["authorization"] for _ in range(count)))
        signed.flush()
        lua.write(WRK)
        lua.flush()
        env = os.environ | {"SIGNED": signed.name, "METHOD": method, "TARGET": path, "BODY": body}
        before = cpu_seconds(pid)
        done = subprocess.run(
            ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", lua.name, url],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )
        used = cpu_seconds(pid) - before
    found = re.search(r"RESULT (\d+) (\d+) (\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    requests, refused, p95_us = (int(x) for x in found.groups())
    assert refused == 0, f"{refused} of {requests} requests were refused: sign more, or look at the server"
    return used / requests * 1e6, requests / seconds, p95_us / 1000


def fill(url: str, service: str, key: str, rooms: int) -> str:
    """Make rooms; the id of one."""
    made = ""
    with httpx2.Client(base_url=url) as client:
        for number in range(rooms):
            answer = client.post(
                "/v1/rooms", json={"name": f"room {number}"}, headers=Signer(service, key).headers()
            )
            answer.raise_for_status()
            made = answer.json()["_id"]
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    figures: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        servers = {
            "palaver": stack.enter_context(palaver(Path(name))),
            "express": stack.enter_context(express(Path(name))),
        }
        rooms = {peer: fill(url, service, key, 100) for peer, (url, _, service, key) in servers.items()}
        time.sleep(1)
        for _ in range(args.rounds):  # in turn, so that a change of the machine's speed meets both
            for what in ("GET one", "GET 100", "POST"):
                for peer, (url, pid, service, key) in servers.items():
                    method = what.split()[0]
                    path = {
                        "GET one": f"/v1/rooms/{rooms[peer]}",
                        "GET 100": "/v1/rooms?per_page=100&page=1",
                    }.get(what, "/v1/rooms")
                    body = (
                        json.dumps({"name": "made", "options": {"participantLimit": 5}})
                        if method == "POST"
                        else ""
                    )
                    result = load(url, pid, service, key, method, path, body, args.seconds)
                    figures.setdefault((what, peer), []).append(result)
        memory = {peer: rss_mb(pid) for peer, (_, pid, _, _) in servers.items()}
    rows = [
        [
            "request",
            "Palaver µs CPU",
            "Express µs CPU",
            "ratio of medians",
            "ratios of rounds",
            "req/s P · E",
            "p95 ms P · E",
            "asked for",
        ]
    ]
    for what, limit in (("GET one", 0.5), ("POST", 0.5), ("GET 100", 0.9)):
        ours, theirs = figures[what, "palaver"], figures[what, "express"]
        mine, other = (statistics.median(f[0] for f in side) for side in (ours, theirs))
        rounds = ", ".join(f"{a[0] / b[0]:.2f}" for a, b in zip(ours, theirs, strict=True))
        speeds = " · ".join(f"{statistics.median(f[1] for f in side):.0f}" for side in (ours, theirs))
        waits = " · ".join(f"{statistics.median(f[2] for f in side):.1f}" for side in (ours, theirs))
        rows.append(
            [
                what,
                f"{mine:.0f}",
                f"{other:.0f}",
                f"**{mine / other:.2f}**",
                rounds,
                speeds,
                waits,
                f"≤ {limit}",
            ]
        )
    report(
        "rest",
        "CPU per management request, Palaver beside Express 5 + better-sqlite3",
        __doc__.split("\n\n")[1].replace("\n", " "),
        table(rows),
        f"Resident memory after the load: Palaver {memory['palaver']:.0f} MB, Express {memory['express']:.0f} MB.",
    )


if __name__ == "__main__":
    main()
