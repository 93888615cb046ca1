"""A server that is killed at any moment: it starts again, and tickets are worth what was answered before.

``PALAVER_KILLS`` says how often; ``make soak`` does it a hundred times.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import WebSocketException

from tests.postgres import Postgres
from tests.servers import Server, free_port, left_by, start_server
from tests.wire_client import WireClient

KILLS = int(os.environ.get("PALAVER_KILLS", "1"))
NOTHING = {"audio": False, "video": False}


@dataclass
class Known:
    """What the server has answered about its participants, and what was asked without an answer."""

    tickets: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    muted: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something to know."""


async def begin(server: Server, room: str, known: Known) -> tuple[WireClient, str]:
    client = WireClient(server.url)
    await client.open()
    token = await asyncio.to_thread(server.token, room, "somebody")
    joined = await client.login(token)
    known.tickets[joined["id"]] = joined["reconnectionTicket"]
    if len(known.tickets) >= 3:
        known.busy.set()
    return client, joined["id"]


async def live(server: Server, room: str, known: Known, dice: random.Random) -> None:
    """One participant after another comes, and leaves, is removed, is silenced or stays; until the server dies."""
    while True:
        client, who = await begin(server, room, known)
        path = f"/v1/rooms/{room}/participants/{who}"
        known.unsure.add(who)
        match dice.choice(["leave", "remove", "silence", "stay"]):
            case "leave":
                await client.request("logout")
                known.gone.add(who)
            case "remove":
                answer = await asyncio.to_thread(server.rest, "DELETE", path)
                assert answer.status_code == 200, answer.text
                known.gone.add(who)
            case "silence":
                change = [{"op": "replace", "path": "/permission/publish", "value": NOTHING}]
                answer = await asyncio.to_thread(server.rest, "PATCH", path, change)
                assert answer.status_code == 200, answer.text
                known.muted.add(who)
        known.unsure.discard(who)


async def live_until_killed(server: Server, room: str, known: Known, dice: random.Random) -> None:
    async with asyncio.TaskGroup() as tasks:
        lives = [
            tasks.create_task(survive(server, room, known, random.Random(dice.random()))) for _ in range(3)
        ]
        async with asyncio.timeout(30):
            await known.busy.wait()
        await asyncio.sleep(dice.uniform(0, 1.5))
        os.kill(server.process.pid, signal.SIGKILL)
        await asyncio.to_thread(server.process.wait, 20)
        for one in lives:
            one.cancel()


async def survive(server: Server, room: str, known: Known, dice: random.Random) -> None:
    """Live until the server is gone, which is no error."""
    try:
        await live(server, room, known, dice)
    except (httpx2.TransportError, OSError, EOFError, WebSocketException):
        await asyncio.to_thread(server.process.wait, 20)


async def returns(server: Server, ticket: str) -> bool:
    client = WireClient(server.url)
    await client.open()
    try:
        await client.request("relogin", ticket)
    except RuntimeError as refusal:
        if "Client does NOT exist" not in str(refusal):
            raise
        return False
    finally:
        await client.close()
    return True


def permission(server: Server, room: str, who: str) -> Any:
    return server.rest("GET", f"/v1/rooms/{room}/participants/{who}").json()["permission"]["publish"]


async def check(server: Server, room: str, known: Known) -> None:
    for who, ticket in known.tickets.items():
        came = await returns(server, ticket)
        if who not in known.unsure:
            assert came is (who not in known.gone), (who, came)
        if came and who in known.muted:
            assert permission(server, room, who) == NOTHING


def begin_bars(server: Server, room: str) -> None:
    """A job that every start begins again, with a confined child process."""
    body = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}
    answer = server.rest("POST", f"/v1.1/rooms/{room}/streaming-ins", body)
    assert answer.status_code == 200, answer.text


async def children_run(server: Server) -> None:
    """Wait for the fork server, what tracks its resources, and a child: the check must see confined ones."""
    async with asyncio.timeout(30):
        while len(await asyncio.to_thread(left_by, server)) < 4:  # noqa: ASYNC110  # processes tell nobody
            await asyncio.sleep(0.2)


@pytest.mark.timeout(120 + 60 * KILLS)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_tickets_are_worth_what_was_answered_before_a_kill(
    tmp_path: Path, database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database == "postgresql":
        cluster: Postgres = request.getfixturevalue("postgres")
        cluster.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        monkeypatch.setenv("PALAVER_DATABASE_URL", cluster.url)
    settings = tmp_path / "palaver.toml"
    settings.write_text("[streaming]\nallow_test = true\n")
    dice, port, room = random.Random(KILLS), free_port(), ""
    for _ in range(KILLS):
        known = Known()
        with start_server(tmp_path, "--config", str(settings), port=port, killed=True) as server:
            if not room:
                room = server.room("busy")
                begin_bars(server, room)
            await children_run(server)
            await live_until_killed(server, room, known, dice)
        async with asyncio.timeout(20):
            while await asyncio.to_thread(left_by, server):  # noqa: ASYNC110  # they tell nobody
                await asyncio.sleep(0.2)
        with start_server(tmp_path, "--config", str(settings), port=port) as server:
            await check(server, room, known)
