"""Whatever strangers and careless services send: an answer that is none of ours to be ashamed of, and no growth.

Some hundred cases run with the tests, always the same; FUZZ_CASES and FUZZ_SEED ask for more and for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import websockets

from palaver.api.rest.openapi import describe
from palaver.api.rest.table import OPERATIONS
from tests.api.portal.house import House as PortalHouse
from tests.api.portal.house import client, house, login, sdp
from tests.compat.rest_house import ANNA, SUPER, House, live, make_house
from tests.hostile.mutations import NASTY, changed, written

CASES = int(os.environ.get("FUZZ_CASES", "800"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
NOT_THERE_YET = 1201
GROWTH = 96 << 20
"""Bytes that a run may add to this process: caches and arenas fill up, whatever the number of cases."""

pytestmark = [pytest.mark.timeout(0 if CASES > 10_000 else 120), pytest.mark.filterwarnings("default")]


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def examples() -> list[tuple[str, str, Any]]:
    """Method, path and body of an example of every operation."""
    found = []
    for path, methods in describe(OPERATIONS)["paths"].items():
        for method, described in methods.items():
            if described["operationId"].startswith("follow_"):  # whose answers have no end
                continue
            content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
            found.append((method.upper(), path, content.get("example", {})))
    return found


def filled(path: str, ids: dict[str, str], dice: random.Random) -> str:
    """The path with its parameters: real ones mostly."""
    for name in ("room", "stream", "participant", "service", "user", "recording", "streaming_out", "sipcall"):
        odd = dice.choice(("x", "0" * 24, "%00", "a" * 2000, "..", "%ff", "é"))
        path = path.replace(f"{{{name}}}", ids.get(name, "x") if dice.randrange(8) else odd)
    query = dice.choice(
        ("", "", "?page=1&per_page=2", "?page=-1", "?per_page=" + "9" * 50, "?page=%00&x[]=1")
    )
    return path.replace("{", "").replace("}", "") + query


async def test_no_body_makes_the_management_api_fail() -> None:
    dice, known = random.Random(SEED), examples()
    async with make_house() as here:
        room = await here.room("fuzzed")
        host = await here.open(room, "ann")
        live(host, "stream", "ann")
        ids = {"room": room, "stream": "stream", "participant": "ann", "service": SUPER.id, "user": "ann"}
        began = 0
        for case in range(CASES):
            method, path, example = dice.choice(known)
            if method == "DELETE" and dice.randrange(20):
                continue
            body = written(changed(example, dice) if dice.randrange(10) else example, dice)
            who = SUPER if path.startswith("/services") else ANNA
            answer = await here.client.request(
                method,
                filled(path, ids, dice),
                content=body,
                headers={"authorization": here.signature(who), "content-type": "application/json"},
            )
            assert answer.status_code < 500 or answer.json()["error"]["code"] == NOT_THERE_YET, (
                method,
                path,
                body[:2000],
                answer.text,
            )
            if case % 200 == 0:
                await tidy(here, ids, room)
            if not began and case >= min(CASES // 2, 2000):
                began = resident()
        assert resident() - began < GROWTH


async def tidy(here: House, ids: dict[str, str], room: str) -> None:
    """Remove what was made; make the room again if it was removed."""
    for other in (await here.ok("GET", "/v1/rooms?per_page=1000"))[:1000]:
        if other["_id"] != room:
            await here.call("DELETE", f"/v1/rooms/{other['_id']}")
    if (await here.call("GET", f"/v1/rooms/{ids['room']}")).status_code != 200:
        ids["room"] = await here.room("fuzzed")
        live(await here.open(ids["room"], "ann"), "stream", "ann")


EARLY = ("max_early_sessions_per_source", "max_early_sessions")
AUDIO = {"type": "audio", "mid": "0"}
CANDIDATE = {"candidate": "a=candidate:1 1 udp 1 ::1 9 typ host"}
REQUESTS: tuple[tuple[str, Any], ...] = (
    ("login", login("token")),
    ("relogin", "e30="),
    ("publish", {"media": {"tracks": [{**AUDIO, "source": "mic"}]}, "transport": {"type": "webrtc"}}),
    ("subscribe", {"media": {"tracks": [{**AUDIO, "from": "x"}]}, "transport": {"type": "webrtc"}}),
    ("soac", {"id": "x", "signaling": {"type": "offer", "sdp": sdp({"0": ("audio", "sendonly")})}}),
    ("soac", {"id": "x", "signaling": {"type": "candidate", "candidate": CANDIDATE}}),
    ("text", {"to": "all", "message": "hello"}),
    ("stream-control", {"id": "x", "operation": "mix", "data": "common"}),
    ("subscription-control", {"id": "x", "operation": "update", "data": {"video": {"parameters": {}}}}),
    ("unpublish", {"id": "x"}),
    ("unsubscribe", {"id": "x"}),
    ("refreshReconnectionTicket", None),
    ("logout", None),
)
PIECES = (
    *("", "0", "1", "2", "3", "40", "41", "42", "43", "44", "45", "5", "6", "b", "2probe", "3probe", "\x1e"),
    *("[", "]", "{}", '"', "40/x,", "451-", "99999999999999999999", "\0", "\ud7ff", "é"),
)


def frame(dice: random.Random) -> str | bytes:
    """A frame that is a request, nearly one, or noise."""
    if dice.randrange(10) == 0:
        return dice.randbytes(dice.randrange(60))
    if dice.randrange(4) == 0:
        return "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 12)))
    name, data = dice.choice(REQUESTS)
    if dice.randrange(8) == 0:
        name = str(dice.choice(NASTY))
    arguments = [name, changed(data, dice)] if dice.randrange(10) else [name]
    number = dice.choice(("", "1", "7", "0", "99999999999", "-1"))
    return "42" + number + written(arguments, dice).decode("utf-8", "replace")


async def works(here: PortalHouse) -> None:
    async with client(here) as other:
        await other.login(await here.token("Other"))
        await other.ok("text", {"to": "all", "message": "fine"})


async def test_no_frame_makes_the_portal_fail(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    limits: dict[str, Any] = dict.fromkeys((*EARLY, "requests_per_s", "request_burst"), 10**6)
    async with house(tmp_path, **limits) as here:
        url = here.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
        done, began = 0, 0
        while done < CASES:
            with contextlib.suppress(websockets.ConnectionClosed, TimeoutError):
                async with (
                    asyncio.timeout(30),
                    websockets.connect(url, compression=None, close_timeout=1) as socket,
                ):
                    await socket.recv()
                    if dice.randrange(5):
                        await socket.send("40")
                        await socket.recv()
                        if dice.randrange(2):
                            await socket.send("421" + json.dumps(["login", login(await here.token("Fuzz"))]))
                            await socket.recv()
                    for _ in range(dice.randrange(1, 60)):
                        done += 1
                        await socket.send(frame(dice))
            if not began and done >= min(CASES // 2, 2000):
                began = resident()
        assert here.portal.stats()["portal_requests_failed"] == 0
        await works(here)
        assert resident() - began < GROWTH


async def test_no_poll_makes_the_portal_fail(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    limits: dict[str, Any] = dict.fromkeys(EARLY, 10**6)
    async with house(tmp_path, **limits) as here, httpx.AsyncClient(base_url=here.url, timeout=30) as http:
        done, began = 0, 0
        while done < CASES // 4:
            opened = await http.get("/socket.io/?EIO=4&transport=polling")
            sid = json.loads(opened.text[1:])["sid"]
            for _ in range(dice.randrange(1, 20)):
                done += 1
                frames = [frame(dice) for _ in range(dice.randrange(1, 5))]
                body = b"\x1e".join(
                    f if isinstance(f, bytes) else f.encode("utf-8", "replace") for f in frames
                )
                query = {"EIO": "4", "transport": "polling", "sid": sid}
                if not dice.randrange(6):
                    query[dice.choice(("EIO", "transport", "sid", "j", "t"))] = str(
                        dice.choice(("", "x", "-1", "9" * 40, "é"))
                    )
                answer = await http.post("/socket.io/", params=query, content=body)
                assert answer.status_code < 500, (query, body[:500], answer.text)
            await http.post(
                "/socket.io/", params={"EIO": "4", "transport": "polling", "sid": sid}, content="1"
            )
            if not began and done >= min(CASES // 8, 1000):
                began = resident()
        assert here.portal.stats()["portal_requests_failed"] == 0
        await works(here)
        assert resident() - began < GROWTH
