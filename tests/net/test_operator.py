"""What is for the operator: readiness that is tried, pages on their own port or closed, keys from files, logs."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.servers import COMMAND, Server, free_port, start_server

KEY = "5e" * 32
PATIENCE_S = 25


@pytest.fixture(scope="module")
def own_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, own_port: int) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("palaver")
    (directory / "key").write_text(KEY + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALAVER_OPERATOR_PORT", str(own_port))
        patch.setenv("PALAVER_OPERATOR_DOCS", "false")
        patch.setenv("PALAVER_SERVICE_SUPER_KEY_FILE", str(directory / "key"))
        with start_server(directory) as running:
            yield running


def test_the_operators_pages_are_on_their_own_port_or_closed(server: Server, own_port: int) -> None:
    for path in ("/metrics", "/docs", "/openapi.json"):
        assert httpx2.get(server.url + path).status_code == 404, path
    own = f"http://127.0.0.1:{own_port}"
    assert "palaver_http_connections" in httpx2.get(own + "/metrics").text
    assert httpx2.get(own + "/docs").status_code == 404
    assert httpx2.get(own + "/v1/rooms").status_code == 404
    assert httpx2.get(own + "/readyz").status_code == httpx2.get(server.url + "/readyz").status_code == 200


def test_a_key_comes_from_a_file(server: Server) -> None:
    shown = subprocess.run(
        [str(COMMAND), "keys", "--json", "--data-dir", str(server.data_dir)],
        check=True,
        capture_output=True,
        timeout=30,
    )
    assert json.loads(shown.stdout)["super"]["key"] == KEY


def test_all_files_are_ours_alone(server: Server) -> None:
    assert server.room("a write")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in server.data_dir.iterdir()}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


def test_it_is_not_ready_while_its_database_cannot_be_written(server: Server) -> None:
    def status() -> int:
        return httpx2.get(server.url + "/readyz", timeout=20).status_code

    other = sqlite3.connect(server.data_dir / "palaver.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        wait_for(lambda: status() == 503)
        failing = httpx2.get(server.url + "/readyz", timeout=20).json()["failing"]
        assert list(failing) == ["database"]
    finally:
        other.close()
    wait_for(lambda: status() == 200)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end


def test_tracebacks_are_whole_in_json() -> None:
    program = """
import logging
from palaver.server.observe import configure_logging
import structlog
configure_logging("info", "json")
for log in (logging.getLogger("a.library"), structlog.get_logger("palaver.us")):
    try:
        raise ExceptionGroup("several", [ValueError("the cause")])
    except ExceptionGroup:
        log.exception("it failed")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path.cwd(),
    )
    entries = [json.loads(line) for line in done.stderr.splitlines()]
    assert [entry["event"] for entry in entries] == ["it failed"] * 2
    for entry in entries:
        assert "Traceback" in entry["exception"]
        assert "ValueError: the cause" in entry["exception"]
