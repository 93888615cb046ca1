"""Starting and stopping a real ``palaver serve`` for tests, and speaking its management API."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from playwright.async_api import Page

from palaver.client.signing import Signer

ROOT = Path(__file__).parent.parent
COMMAND = ROOT / ".venv/bin/palaver"


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, where its data is, and the sample service's credentials."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    service: str
    key: str

    def rest(self, method: str, path: str, body: Any = None, *, timeout_s: float = 10) -> httpx2.Response:
        """One signed request as the sample service."""
        headers = Signer(self.service, self.key).headers()
        return httpx2.request(method, self.url + path, json=body, headers=headers, timeout=timeout_s)

    def log(self) -> str:
        """Everything the server printed so far."""
        return (self.data_dir.parent / "server.log").read_text()

    def metric(self, name: str) -> float:
        """One number of /metrics."""
        for line in httpx2.get(self.url + "/metrics", timeout=10).text.splitlines():
            if line.startswith(f"palaver_{name} "):
                return float(line.split()[-1])
        raise KeyError(name)

    def room(self, name: str, **options: Any) -> str:
        """Create a room; its id."""
        answer = self.rest("POST", "/v1/rooms", {"name": name, "options": options})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["_id"])

    def token(self, room: str, user: str, role: str = "presenter", *, reusable: bool = False) -> str:
        body = {"user": user, "role": role} | ({"reusable": True} if reusable else {})
        answer = self.rest("POST", f"/v1/rooms/{room}/tokens", body)
        assert answer.status_code == 200, answer.text
        return answer.text


async def until(page: Page, expression: str, arg: Any = None, timeout_s: float = 10) -> None:
    """Wait until a JavaScript function, which may be async, returns something true in the page.

    Playwright's own wait_for_function takes the promise of an async function for its result.
    """
    deadline = time.monotonic() + timeout_s
    while not await page.evaluate(expression, arg):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {expression}"
        await page.wait_for_timeout(50)


def _first_ephemeral_port() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


_untried = iter(random.sample(range(20_000, max(_first_ephemeral_port(), 21_000) - 10, 10), k=1000))


def free_port(run: int = 1) -> int:
    """A port that is free now for UDP and TCP, with the ``run - 1`` next to it, and never given twice.

    The kernel does not give it to anybody who connects: else a client that tries to reach a server which is
    away might get the server's port, and even talk to itself.
    """
    for port in _untried:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for offset in range(run):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    one = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    one.bind(("127.0.0.1", port + offset))
            return port
    raise AssertionError("no port is left")


def left_by(server: Server) -> list[int]:
    """Processes of a server that had a session of its own, its children included, whoever they run as by now."""
    left = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):  # it has just ended
            continue
        if int(session) == server.process.pid and state != "Z":
            left.append(int(entry.name))
    return left


@contextlib.contextmanager
def start_server(
    directory: Path,
    *arguments: str,
    scheme: str = "http",
    port: int | None = None,
    killed: bool = False,
    host: str = "127.0.0.1",
    within: Sequence[str] = (),
    command: Path = COMMAND,
) -> Iterator[Server]:
    """``palaver serve`` on free ports; stopped (and required to stop cleanly) at the end, or ``killed``.

    One that is ``killed`` has a session of its own, by which whatever it leaves behind is found: see ``left_by``.
    ``within``: what its command line begins with, such as that which enters a network namespace.
    ``command``: of another installation than the checkout's.
    """
    port, media = port or free_port(), free_port(run=8)
    data_dir = directory / "data"
    log = (directory / "server.log").open("ab")
    process = subprocess.Popen(
        [
            *within, str(command), "serve", "--host", host, "--port", str(port), "--media-port", str(media),
            "--data-dir", str(data_dir), *arguments,
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=killed,
    )  # fmt: skip
    url = f"{scheme}://{host}:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(url + "/readyz", timeout=2, verify=False).status_code == 200:
                    break
            assert process.poll() is None, (directory / "server.log").read_text()
            assert time.monotonic() < deadline, "the server did not become ready in 60 s"
        keys = json.loads(
            subprocess.run(
                [str(command), "keys", "--json", "--data-dir", str(data_dir)],
                check=True,
                capture_output=True,
                timeout=30,
            ).stdout
        )
        yield Server(url, data_dir, process, keys["sample"]["id"], keys["sample"]["key"])
    finally:
        process.kill() if killed else process.terminate()
        try:
            code = process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            log.close()
    assert killed or code == 0, (
        f"the server ended with {code}:\n{(directory / 'server.log').read_text()[-3000:]}"
    )
