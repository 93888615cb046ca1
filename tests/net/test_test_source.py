"""A whole server feeds a room from its test source: listed, mixed, muted, ended, and back after a crash."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server, start_server

pytestmark = pytest.mark.timeout(180)
BARS = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}


@pytest.fixture
def allowed(tmp_path: Path) -> tuple[str, str]:
    """The arguments of a server that allows it."""
    settings = tmp_path / "palaver.toml"
    settings.write_text("[streaming]\nallow_test = true\n")
    return "--config", str(settings)


def until(condition: Callable[[], Any], deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "nothing of it came in time"
        time.sleep(0.05)


def begin(server: Server, room: str) -> dict[str, Any]:
    answer = server.rest("POST", f"/v1.1/rooms/{room}/streaming-ins", BARS)
    assert answer.status_code == 200, answer.text
    stream: dict[str, Any] = answer.json()
    return stream


def streams(server: Server, room: str) -> list[str]:
    return [one["id"] for one in server.rest("GET", f"/v1.1/rooms/{room}/streams").json()]


def test_a_test_source_is_a_stream_like_any_other(tmp_path: Path, allowed: tuple[str, str]) -> None:
    with start_server(tmp_path, *allowed) as server:
        room = server.room("bars")
        stream = begin(server, room)
        assert stream["info"]["type"] == "streaming"
        path = f"/v1.1/rooms/{room}/streams/{stream['id']}"
        assert stream["id"] in streams(server, room)

        mix = [{"op": "add", "path": "/info/inViews", "value": "common"}]
        assert server.rest("PATCH", path, mix).json()["info"]["inViews"] == ["common"]
        mute = [{"op": "replace", "path": "/media/video/status", "value": "inactive"}]
        assert server.rest("PATCH", path, mute).status_code == 200
        media = server.rest("GET", path).json()["media"]
        status = {kind: media[kind]["status"] for kind in media}
        assert status == {"audio": "active", "video": "inactive"}

        assert server.rest("DELETE", f"/v1.1/rooms/{room}/streaming-ins/{stream['id']}").status_code == 200
        until(lambda: stream["id"] not in streams(server, room))
        until(lambda: server.metric("media_producers") == 0)


def test_a_test_source_is_refused_where_it_is_not_allowed(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        room = server.room("bars")
        answer = server.rest("POST", f"/v1.1/rooms/{room}/streaming-ins", BARS)
        assert 400 <= answer.status_code < 500
        assert "allow_test" in answer.text


def test_a_test_source_is_back_after_a_crash(tmp_path: Path, allowed: tuple[str, str]) -> None:
    with start_server(tmp_path, *allowed, killed=True) as server:
        room = server.room("bars")
        stream = begin(server, room)
        server.process.kill()
        server.process.wait()
    with start_server(tmp_path, *allowed) as server:
        until(lambda: stream["id"] in streams(server, room))
