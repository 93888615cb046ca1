"""A streaming-in on a whole server: a WebRTC peer plays it, also after the server was killed and started again."""

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


async def test_a_streaming_in_is_played_also_after_a_kill(tmp_path: Path, settings: tuple[str, str]) -> None:
    with start_server(tmp_path, *settings, killed=True) as server:
        room = server.room("bars")
        answer = server.rest("POST", f"/v1.1/rooms/{room}/streaming-ins", BARS)
        assert answer.status_code == 200, answer.text
        stream = answer.json()
        assert (stream["info"]["owner"], stream["info"]["type"]) == ("admin", "streaming")
        await played(server, room, stream["id"])
    with start_server(tmp_path, *settings) as server:
        assert [job["id"] for job in await running(server, room)] == [stream["id"]]
        await played(server, room, stream["id"])
        assert server.rest("DELETE", f"/v1/rooms/{room}/streaming-ins/{stream['id']}").status_code == 200
        assert server.rest("GET", f"/v1/rooms/{room}/jobs").json() == []
        listed = server.rest("GET", f"/v1.1/rooms/{room}/streams").json()
        assert stream["id"] not in [one["id"] for one in listed]
