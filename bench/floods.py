"""Floods at the media ports of a whole server, beside two people who talk and exchange messages.

20,000 datagrams a second for as long as asked: random ones, and STUN checks for the user of one of the two with a
forged signature. Sender, server and both people (aiortc) share this machine. That half-open DTLS and a subscriber that
never reads harm nobody is shown by tests of the packet core. Then attacks by HTTP from another address, beside the same
two people and a service that asks for its rooms twenty times a second; 1,000 signatures of a service are remembered, a
header may take two seconds.

    .venv/bin/python -m bench.floods
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from bench.attacks import KINDS
from bench.common import cpu_seconds, report, table
from palaver.client import Palaver
from palaver.client.signing import Signer
from tests.net.test_floods import FLOOD, RATES, Talk
from tests.servers import COMMAND, Server, start_server

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
    sent = int(RATES[0] * seconds) if what else 0
    ufrag = talk.ufrag if what == "forged" else ""
    flood = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FLOOD, str(talk.port), str(RATES[0]), str(sent), ufrag
    )
    await talk.exchange(seconds)
    await flood.wait()
    lasted = time.monotonic() - started
    heard = await talk.heard() - heard
    cpu = cpu_seconds(server.process.pid) - cpu
    grown = server.metric("process_resident_bytes") - memory
    trips = sorted(trip * 1000 for trip in talk.trips)
    late = trips[int(0.95 * len(trips))]
    return [
        WHAT[what],
        f"{sent / lasted:,.0f}",
        f"{(server.metric(counter) - counted) / sent:.1%}" if sent else "",
        f"**{heard / lasted:.1f}**",
        f"**{statistics.median(trips):.1f}** · {late:.1f} · {trips[-1]:.1f} ms",
        f"{cpu / lasted:.0%} of a core",
        f"{grown / 1e6:.1f} MB",
    ]


HTTP_HEAD = [
    "the attack", "tried", "counted", "audio packets/s heard", "message there and back: median · 95 % · worst",
    "answers to another service: good · median · worst", "memory grew by",
]  # fmt: skip


async def asked(server: Server, answers: list[tuple[int, float]]) -> None:
    """Ask for rooms as the sample service until cancelled."""
    signer = Signer(server.service, server.key)
    async with httpx2.AsyncClient(base_url=server.url, timeout=20) as http:
        while True:
            began = time.monotonic()
            answer = await http.get("/v1/rooms", headers=signer.headers())
            answers.append((answer.status_code, time.monotonic() - began))
            await asyncio.sleep(0.05)


async def attacked(server: Server, talk: Talk, kind: str, seconds: float, account: list[str]) -> list[str]:
    _, words, metric = KINDS[kind]
    counted, memory = server.metric(f"{metric}_total"), server.metric("process_resident_bytes")
    answers: list[tuple[int, float]] = []
    asking = asyncio.get_running_loop().create_task(asked(server, answers))
    heard, started = await talk.heard(), time.monotonic()
    talk.trips.clear()
    port = server.url.rsplit(":", 1)[1]
    attack = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.attacks", kind, port, str(seconds), *account),
        stdout=asyncio.subprocess.PIPE,
    )
    await talk.exchange(seconds)
    lasted = time.monotonic() - started
    heard = await talk.heard() - heard
    asking.cancel()
    tried = int((await attack.communicate())[0])
    trips = sorted(trip * 1000 for trip in talk.trips)
    late = trips[int(0.95 * len(trips))]
    times = sorted(taken * 1000 for _, taken in answers)
    good = sum(status == 200 for status, _ in answers)
    return [
        words,
        f"{tried:,}",
        f"{server.metric(f'{metric}_total') - counted:,.0f}",
        f"**{heard / lasted:.1f}**",
        f"**{statistics.median(trips):.1f}** · {late:.1f} · {trips[-1]:.1f} ms",
        f"{good} of {len(answers)} · **{statistics.median(times):.1f}** · {times[-1]:.1f} ms",
        f"{(server.metric('process_resident_bytes') - memory) / 1e6:.1f} MB",
    ]


def another_service(server: Server) -> list[str]:
    """Id and key of a service of its own."""
    shown = json.loads(
        subprocess.run(
            [str(COMMAND), "keys", "--json", "--data-dir", str(server.data_dir)],
            check=True, capture_output=True, timeout=30,
        ).stdout
    )["super"]  # fmt: skip
    with Palaver(server.url, shown["id"], shown["key"]) as api:
        return [api.services.create("busy", "busy's key").id, "busy's key"]


async def measure_http(server: Server, seconds: int) -> list[list[str]]:
    rows, talk, busy = [HTTP_HEAD], Talk(), another_service(server)
    await talk.begin(server)
    for kind in KINDS:
        rows.append(await attacked(server, talk, kind, seconds, busy if kind == "lock-out" else []))
        print(rows[-1], flush=True)
    await talk.end()
    return rows


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
    os.environ |= {"PALAVER_AUTH_REPLAY_CAPACITY": "1000", "PALAVER_HTTP_HEADER_TIMEOUT_S": "2"}
    with tempfile.TemporaryDirectory() as name, start_server(Path(name)) as server:
        rows = asyncio.run(measure(server, args.seconds))
        http_rows = asyncio.run(measure_http(server, args.seconds))
    report(
        "floods",
        "A call beside a flood",
        " ".join(__doc__.split("\n\n")[0:2]).replace("\n", " "),
        table(rows) + "\n\n" + table(http_rows),
    )


if __name__ == "__main__":
    main()
