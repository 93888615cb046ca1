"""The examples, run as their texts say."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.client.conftest import Join
from tests.servers import Server, free_port

pytestmark = pytest.mark.net
EXAMPLES = Path(__file__).parent.parent.parent / "examples"


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # what is awaited happens in the server
        await asyncio.sleep(0.02)


def test_rooms_makes_a_room_and_a_token(server: Server) -> None:
    command = [sys.executable, str(EXAMPLES / "rooms.py"), server.url, server.service, server.key]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    *rooms, token = done.stdout.splitlines()
    assert [line.split(" ", 1)[1] for line in rooms].count("standup") >= 1
    assert "tokenId" in json.loads(base64.b64decode(token))


async def test_watch_room_tells_who_comes_and_leaves(server: Server, joined: Join) -> None:
    room = server.room("watched")
    watcher = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLES / "watch_room.py", server.url, server.service, server.key, room,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert watcher.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await watcher.stdout.readline() == b"watching; here: nobody\n"
            await until(lambda: server.metric("events_followers") == 1)
            async with joined(room, "ann") as ann:
                assert await watcher.stdout.readline() == b"ann came\n"
                await ann.request("logout")
            assert await watcher.stdout.readline() == b"ann left\n"
            assert server.rest("DELETE", f"/v1/rooms/{room}").status_code == 200
            assert await watcher.stdout.readline() == b"the room is gone\n"
            assert await watcher.wait() == 0
    finally:
        if watcher.returncode is None:
            watcher.kill()
            await watcher.wait()


async def test_the_webhook_receiver_takes_what_is_signed(server: Server, joined: Join) -> None:
    port = free_port()
    hook = server.rest("POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{port}/palaver"}).json()
    room = server.room("hooked")
    taker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "webhook_receiver:app", "--port", str(port), "--log-level", "warning",
        cwd=EXAMPLES, env={**os.environ, "PALAVER_WEBHOOK_SECRET": hook["secret"]},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert taker.stdout is not None
    try:
        async with asyncio.timeout(40):
            async with joined(room, "ann") as ann:
                await ann.request("logout")
            seen = [(await taker.stdout.readline()).decode().split(" ", 2) for _ in range(3)]
        assert {where for _, where, _ in seen} == {room}
        wanted = ["room.started", "participant.joined", "participant.left"]
        assert [kind for kind, *_ in seen] == wanted
        assert "'user': 'ann'" in seen[1][2]
        forged = httpx2.post(f"http://127.0.0.1:{port}/palaver", json={"type": "x", "data": {}})
        assert forged.status_code == 401
        assert server.rest("POST", f"/v1/webhooks/{hook['id']}/test").status_code == 200
    finally:
        taker.kill()
        await taker.wait()
        server.rest("DELETE", f"/v1/webhooks/{hook['id']}")


ARGUMENTS = {"rooms.py": 2, "watch_room.py": 3, "echo_bot.py": 1, "recorder_bot.py": 2}
"""Of the programs among the examples, beside the server's address."""


def test_every_program_is_tried() -> None:
    programs = {file.name for file in EXAMPLES.glob("*.py") if "__main__" in file.read_text("utf-8")}
    assert programs == ARGUMENTS.keys()


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_an_example_says_what_went_wrong_and_how_it_is_used(name: str) -> None:
    used = subprocess.run([sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, timeout=30)
    assert used.returncode == 1
    assert f"python examples/{name}" in used.stderr
    arguments = [f"http://127.0.0.1:{free_port()}", *"abc"[: ARGUMENTS[name]]]
    failed = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True, timeout=30
    )
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"{name}: http://127.0.0.1")
    assert "Traceback" not in failed.stderr
