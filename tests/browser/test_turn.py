"""People whose networks let nothing but a TURN server through meet all the same."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from playwright.async_api import Browser

from tests.browser.test_page import HOOK, sees_and_hears
from tests.processes import ended
from tests.servers import free_port, start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "between us and the TURN server"

RELAY_ONLY = """
const Real = RTCPeerConnection
window.RTCPeerConnection = class extends Real {
  constructor(configuration) { super({ ...configuration, iceTransportPolicy: 'relay' }) }
}
"""
PATHS = """async () => {
  const found = []
  for (const peer of connections) {
    const stats = await peer.getStats()
    for (const one of stats.values())
      if (one.type === 'candidate-pair' && one.nominated) found.push(stats.get(one.localCandidateId).candidateType)
  }
  return [...new Set(found)]
}"""


@contextlib.contextmanager
def coturn(directory: Path) -> Iterator[int]:
    """A TURN server on loopback; its port."""
    port = free_port()
    first = free_port(run=10)
    log = (directory / "coturn.log").open("wb")
    process = subprocess.Popen(
        [
            "turnserver", "-n", "--no-cli", "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=test",
            "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}",
            f"--min-port={first}", f"--max-port={first + 9}", "--allow-loopback-peers", "--no-tls", "--no-dtls",
            "--log-file=stdout", f"--pidfile={directory / 'coturn.pid'}",
            f"--userdb={directory / 'coturn.db'}",
        ],
        stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, (directory / "coturn.log").read_text()
            assert time.monotonic() < deadline, "coturn did not start in 20 s"
        yield port
    finally:
        ended(process)
        log.close()


async def test_two_people_meet_through_a_turn_server_alone(browser: Browser, tmp_path: Path) -> None:
    with coturn(tmp_path) as port:
        settings = tmp_path / "palaver.toml"
        settings.write_text(
            f'[ice]\nservers = ["turn:127.0.0.1:{port}?transport=udp"]\nturn_secret = "{SECRET}"\n'
        )
        with start_server(tmp_path, "--config", str(settings)) as server:
            context = await browser.new_context(permissions=["camera", "microphone"], base_url=server.url)
            pages = []
            for name in ("Ann", "Bob"):
                page = await context.new_page()
                await page.add_init_script(RELAY_ONLY)
                await page.add_init_script(HOOK)
                await page.goto("/?room=relayed")
                await page.get_by_test_id("lobby-name").fill(name)
                await page.get_by_test_id("lobby-join").click()
                pages.append(page)
            for page in pages:
                await sees_and_hears(page, 1, timeout_s=30)
                assert await page.evaluate(PATHS) == ["relay"]
            told = server.rest("GET", "/v1/ice-servers").json()
            await context.close()
    assert told[0]["urls"] == [f"turn:127.0.0.1:{port}?transport=udp"]
