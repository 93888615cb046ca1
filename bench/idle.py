"""What a node costs that nobody uses, and how soon it answers: memory with its children, CPU, time to the first answer.

.venv/bin/python -m bench.idle
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx2

from bench.common import cpu_seconds, report, rss_mb, table
from tests.servers import COMMAND, free_port


def start(directory: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """A server, its address, and the seconds from the command to the first answered request."""
    port = free_port()
    command = [str(COMMAND), "serve", "--port", str(port), "--media-port", "0", "--data-dir", str(directory)]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        assert process.poll() is None, "the server ended"
        time.sleep(0.002)
    httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=10).raise_for_status()
    return process, f"http://127.0.0.1:{port}", time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    first: list[float] = []
    later: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(args.starts):
            directory = Path(name) / str(number)
            for times in (first, later):  # an empty data directory, then one that was used
                process, _, took = start(directory)
                times.append(took)
                process.terminate()
                process.wait(10)
        process, _, _ = start(Path(name) / "0")
        time.sleep(2)
        memory, cpu = rss_mb(process.pid), cpu_seconds(process.pid)
        time.sleep(args.seconds)
        share = (cpu_seconds(process.pid) - cpu) / args.seconds * 100
        process.terminate()
        process.wait(10)
    rows = [
        ["what", "measured", "asked for"],
        ["resident memory, children included", f"**{memory:.0f} MB**", "≤ 90 MB"],
        ["CPU while idle", f"{share:.2f} % of a core", ""],
        *(
            [
                f"command to first answer, {what}: median · worst of {args.starts}",
                f"**{statistics.median(times):.2f}** · {max(times):.2f} s",
                "< 2 s",
            ]
            for what, times in (("first start", first), ("later start", later))
        ),
    ]
    report("idle", "A node that nobody uses", __doc__.split("\n\n")[0].replace("\n", " "), table(rows))


if __name__ == "__main__":
    main()
