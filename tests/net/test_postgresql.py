"""A whole server on PostgreSQL, and what happens when the database goes away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.postgres import Postgres
from tests.servers import Server, start_server
from tests.wire_client import WireClient


@pytest.fixture
def server(tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    postgres.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    monkeypatch.setenv("PALAVER_DATABASE_URL", postgres.url)
    with start_server(tmp_path) as running:
        yield running


def test_rooms_are_kept_in_postgresql(server: Server, postgres: Postgres) -> None:
    room = server.room("kept")
    assert not (server.data_dir / "palaver.db").exists()
    assert server.rest("GET", f"/v1/rooms/{room}").json()["name"] == "kept"
    postgres.execute(f"DO $$ BEGIN ASSERT (SELECT count(*) FROM rooms WHERE id = '{room}') = 1; END $$")


@pytest.mark.timeout(120)
async def test_calls_go_on_while_the_database_is_away(server: Server, postgres: Postgres) -> None:
    room = server.room("away")
    heard: list[str] = []
    ann, bob = WireClient(server.url, lambda _, event, data: heard.append(event)), WireClient(server.url)
    for client in (ann, bob):
        await client.open()
        await client.login(server.token(room, "somebody"))
    postgres.stop()
    try:
        answer = server.rest("POST", "/v1/rooms", {"name": "lost"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, 1401)
        ready = httpx2.get(server.url + "/readyz", timeout=10)
        assert (ready.status_code, list(ready.json()["failing"])) == (503, ["database"])
        assert httpx2.get(server.url + "/healthz").status_code == 200
        await bob.request("text", {"to": "all", "message": "still here"})
        assert heard[-1] == "text"
    finally:
        postgres.start()
    deadline = time.monotonic() + 20
    while server.rest("POST", "/v1/rooms", {"name": "back"}).status_code != 200:
        assert time.monotonic() < deadline, "the server did not find its database again"
    while (
        httpx2.get(server.url + "/readyz").status_code != 200
    ):  # a connection of before the stop may be tried first
        assert time.monotonic() < deadline, "the server is not ready again"
    for client in (ann, bob):
        await client.close()
