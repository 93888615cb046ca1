"""A streaming-in on a whole server: played by a WebRTC peer, mixed, muted, ended, and back after a kill."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.net.test_whip import peer, pictures
from tests.servers import Server, start_server

pytestmark = pytest.mark.timeout(240)
BARS = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}
DEADLINE_S = 60.0


@pytest.fixture
def settings(tmp_path: Path) -> tuple[str, str]:
    """The arguments of a server that allows test sources."""
    file = tmp_path / "palaver.toml"
    file.write_text("[streaming]\nallow_test = true\n")
    return "--config", str(file)


async def played(server: Server, room: str, stream: str) -> None:
    """A peer sees pictures of it and hears it."""
    async with peer(server, f"/whep/{room}/{stream}", "ann") as ann:
        video, audio = ann.receive("video"), ann.receive("audio")
        answer = await ann.start()
        assert answer.status_code == 201, answer.text
        assert len(await pictures(video)) >= 1
        async with asyncio.timeout(20):
            await audio.track.recv()


async def running(server: Server, room: str) -> list[dict[str, Any]]:
    """The jobs of the room, once all of them run."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            jobs: list[dict[str, Any]] = server.rest("GET", f"/v1/rooms/{room}/jobs").json()
            if all(job["status"] == "running" for job in jobs):
                return jobs
            await asyncio.sleep(0.1)


def listed(server: Server, room: str) -> list[str]:
    """The streams of the room."""
    return [one["id"] for one in server.rest("GET", f"/v1.1/rooms/{room}/streams").json()]


def mixed_and_muted(server: Server, path: str) -> None:
    """It takes the changes that a client's stream takes."""
    mix = [{"op": "add", "path": "/info/inViews", "value": "common"}]
    assert server.rest("PATCH", path, mix).json()["info"]["inViews"] == ["common"]
    for status in ("inactive", "active"):
        mute = [{"op": "replace", "path": "/media/video/status", "value": status}]
        assert server.rest("PATCH", path, mute).status_code == 200
        media = server.rest("GET", path).json()["media"]
        assert {kind: media[kind]["status"] for kind in media} == {"audio": "active", "video": status}


async def test_a_streaming_in_is_played_also_after_a_kill(tmp_path: Path, settings: tuple[str, str]) -> None:
    with start_server(tmp_path, *settings, killed=True) as server:
        room = server.room("bars")
        answer = server.rest("POST", f"/v1.1/rooms/{room}/streaming-ins", BARS)
        assert answer.status_code == 200, answer.text
        stream = answer.json()
        assert (stream["info"]["owner"], stream["info"]["type"]) == ("admin", "streaming")
        assert stream["id"] in listed(server, room)
        mixed_and_muted(server, f"/v1.1/rooms/{room}/streams/{stream['id']}")
        await played(server, room, stream["id"])
    with start_server(tmp_path, *settings) as server:
        assert [job["id"] for job in await running(server, room)] == [stream["id"]]
        await played(server, room, stream["id"])
        assert server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{stream['id']}").status_code == 200
        assert server.rest("GET", f"/v1/rooms/{room}/jobs").json() == []
        assert stream["id"] not in listed(server, room)
        async with asyncio.timeout(DEADLINE_S):
            while server.metric("media_producers"):  # noqa: ASYNC110  # gauges tell nobody that they changed
                await asyncio.sleep(0.1)
