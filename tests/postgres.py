"""Debian's PostgreSQL, started for a test run: a cluster of its own in a folder of its own, on a free port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import free_port

USER = "postgres"


def binaries() -> Path | None:
    """Where the newest installed PostgreSQL keeps its programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parent.parent.name))
    return found[-1].parent if found else None


def _as_its_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if os.getuid() == 0 else []


class Postgres:
    """A cluster that can be stopped, started and frozen. ``url`` is as Palaver's configuration wants it."""

    def __init__(self, folder: Path, port: int) -> None:
        programs = binaries()
        assert programs is not None
        self._programs, self._folder, self._port = programs, folder, port
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql+asyncpg://{USER}@127.0.0.1:{port}/postgres"

    def create(self) -> None:
        """Make the cluster: no password on loopback, no syncing, since it lives as long as the tests."""
        command = [
            self._programs / "initdb",
            "-D",
            self._folder / "data",
            "-U",
            USER,
            "-A",
            "trust",
            "--no-sync",
        ]
        subprocess.run([*_as_its_user(), *map(str, command)], check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "60",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        program = [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-p", str(self._port)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*_as_its_user(), *program, *options], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start in 30 s"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, connections or not."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGQUIT)
            self._process.wait(15)
            self._process = None

    def execute(self, sql: str) -> None:
        """Run a statement by psql."""
        command = [self._programs / "psql", "-q", "-h", "127.0.0.1", "-p", self._port, "-U", USER, "-c", sql]
        subprocess.run([str(part) for part in command], check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A cluster for as long as the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="palaver-postgres-"))
    if os.getuid() == 0:
        owner = pwd.getpwnam(USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    cluster = Postgres(folder, free_port())
    try:
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
