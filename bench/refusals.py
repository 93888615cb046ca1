"""Does a refusal's time tell its cause? Signatures refused for each reason, in turn, and how long each answer took.

.venv/bin/python -m bench.refusals
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from bench.common import report, table
from palaver.client.operations import signature
from palaver.client.signing import Signer
from tests.servers import Server, start_server


def causes(server: Server, client: httpx2.Client) -> dict[str, Callable[[], str]]:
    """How to make an Authorization header that is refused, for each cause."""
    right, wrong = Signer(server.service, server.key), Signer(server.service, "wrong")
    unknown = Signer("5f0000000000000000000000", server.key)
    used = right.headers()["authorization"]
    client.get("/v1/rooms", headers={"authorization": used})

    def forged() -> str:
        header = right.headers()["authorization"]
        return header[:-4] + ("AAA=" if not header.endswith("AAA=") else "BBB=")

    return {
        "wrong key": lambda: wrong.headers()["authorization"],
        "unknown service": lambda: unknown.headers()["authorization"],
        "forged signature": forged,
        "stale": lambda: signature(server.service, server.key, 1_000_000, "n"),
        "replayed": lambda: used,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3000)
    args = parser.parse_args()
    times: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        start_server(Path(name)) as server,
        httpx2.Client(base_url=server.url) as client,
    ):
        makers = causes(server, client)
        for _ in range(args.rounds):
            for cause, make in makers.items():
                header = {"authorization": make()}
                started = time.perf_counter()
                assert client.get("/v1/rooms", headers=header).status_code == 401
                times.setdefault(cause, []).append(time.perf_counter() - started)
    rows = [["cause", "median µs", "quartiles µs", "median beside all"]]
    middle = statistics.median([t for all_ in times.values() for t in all_])
    for cause, taken in times.items():
        low, median, high = statistics.quantiles(taken, n=4)
        rows.append(
            [cause, f"{median * 1e6:.0f}", f"{low * 1e6:.0f} to {high * 1e6:.0f}", f"{median / middle:.3f}"]
        )
    report(
        "refusals",
        "The time of a refused signature, by cause",
        __doc__.split("\n\n")[0].replace("\n", " "),
        table(rows),
    )


if __name__ == "__main__":
    main()
