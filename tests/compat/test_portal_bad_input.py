"""Strangers who do everything wrong: they get answers, the portal gets no traceback, others notice nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from palaver.api.portal.connection import MAX_UNREAD
from tests.api.portal.house import PATIENCE_S, Client, House, client, house, login, sdp, until
from tests.compat.test_portal_by_the_document import Wire, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one
        assert one.portal.stats()["portal_requests_failed"] == 0


async def works(here: House) -> None:
    """Somebody else can still join and talk."""
    async with client(here) as other:
        await other.login(await here.token("Other"))
        await other.ok("text", {"to": "all", "message": "fine"})
        await other.hear("text")


FRAMES: list[str | bytes] = [
    "",
    "9",
    "x",
    "4",
    "49",
    "42",
    "42{}",
    "42[]",
    "42[1]",
    '42["disconnect"]',
    '42["*"]',
    '42["connect",{}]',
    '42["login"',
    "42" + "[" * 100_000,
    "4" + "[" * 100_000,
    '451-["x",{"_placeholder":true,"num":0}]',
    "4599999999-[]",
    "40/other,",
    "44",
    '421["login",NaN]',
    b"\x00\x01",
    "b4AAE=",
    "2" * 10_000,
    "42" + "9" * 5000 + '["login"]',
    '42["\\ud800"]',
]


async def test_malformed_frames_harm_nobody(here: House, caplog: pytest.LogCaptureFixture) -> None:
    for frame in FRAMES:
        async with await connect(here) as socket:
            wire = Wire(socket)
            await wire.join_namespace()
            await wire.request("login", login(await here.token(), sdk="Other"))
            await socket.send(frame)
            await works(here)
    assert not [record for record in caplog.records if record.exc_info]


async def test_malformed_first_frames_harm_nobody(here: House, caplog: pytest.LogCaptureFixture) -> None:
    for frame in ("", "2", "x", "4", b"\x00"):
        async with await connect(here) as socket:
            await socket.send(frame)
            await works(here)
    assert not [record for record in caplog.records if record.exc_info]


async def test_too_large_a_frame_costs_only_its_sender(here: House) -> None:
    async with await connect(here) as socket:
        wire = Wire(socket)
        await wire.join_namespace()
        await socket.send("42" + json.dumps(["login", "x" * 3_000_000]))
        with pytest.raises(websockets.ConnectionClosed):
            await wire.frame()
        await works(here)


async def test_too_large_a_post_is_refused(here: House) -> None:
    async with httpx.AsyncClient(base_url=here.url, timeout=PATIENCE_S) as http:
        opened = json.loads((await http.get("/socket.io/?EIO=4&transport=polling")).text[1:])
        url = f"/socket.io/?EIO=4&transport=polling&sid={opened['sid']}"
        assert (await http.post(url, content="4" + "x" * 3_000_000)).status_code == 413
        assert (await http.post(url, content="\x1e".join(["40"] * 17))).status_code in (200, 400)
    await works(here)


REQUESTS = (
    "login", "relogin", "publish", "subscribe", "unpublish", "unsubscribe", "soac", "text", "stream-control",
    "subscription-control", "nonsense", "__class__",
)  # fmt: skip
WRONG: list[list[Any]] = [
    [], [None], [[]], [{}], ["x"], [0], [{"id": None}], [{"media": {"tracks": [{}]}}], [{}, {}, {}],
    [{"id": "x" * 100_000, "signaling": {"type": "offer", "sdp": ""}}],
]  # fmt: skip


async def test_every_wrong_request_is_answered_with_an_error(one: Client) -> None:
    for name in REQUESTS:
        for data in WRONG:
            status, text = await one.request(name, tuple(data))  # a tuple travels as several arguments
            assert status == "error", (name, data)
            assert isinstance(text, str)
            assert 0 < len(text) < 500, (name, data)


@pytest.fixture
async def one(here: House) -> AsyncIterator[Client]:
    async with client(here) as joined:
        await joined.login(await here.token())
        yield joined
        await joined.ok("text", {"to": "all", "message": "in service all the while"})


async def test_an_offer_with_thousands_of_sections_is_answered(here: House, one: Client) -> None:
    audio = {"media": {"tracks": [{"type": "audio", "mid": "0", "source": "mic"}]}}
    transport = (await one.ok("publish", audio))["transportId"]
    offer = sdp({str(mid): ("audio", "sendonly") for mid in range(3000)})
    status, *_ = await one.request("soac", {"id": transport, "signaling": {"type": "offer", "sdp": offer}})
    assert status in ("ok", "error")
    await works(here)


async def test_an_offer_beyond_the_limit_is_refused_with_the_limit(one: Client) -> None:
    audio = {"media": {"tracks": [{"type": "audio", "mid": "0", "source": "mic"}]}}
    transport = (await one.ok("publish", audio))["transportId"]
    signaling = {"type": "offer", "sdp": "v" * (1024 * 1024 + 1)}
    answer = await one.request("soac", {"id": transport, "signaling": signaling})
    assert answer == ("error", "The offer is larger than 1048576 bytes")


async def test_thousands_of_tracks_are_refused(one: Client) -> None:
    tracks = [{"type": "audio", "mid": str(mid), "source": "mic"} for mid in range(3000)]
    status, text = await one.request("publish", {"media": {"tracks": tracks}})
    assert (status, text) == ("error", "request.media.tracks Expected `array` of length <= 100")


async def test_a_flood_is_answered_with_refusals_and_then_cut(tmp_path: Path) -> None:
    async with house(tmp_path, request_burst=20, requests_per_s=0.001) as here, client(here) as flood:
        await flood.login(await here.token())
        answers = [await flood.request("refreshReconnectionTicket") for _ in range(25)]
        assert answers[0][0] == "ok"
        assert answers[-1] == ("error", "Too many requests")
        for _ in range(20):
            await flood.sio.emit("text")
        await flood.disconnected()
        await works(here)


async def test_a_client_that_fetches_nothing_loses_its_connection(tmp_path: Path) -> None:
    async with (
        house(tmp_path, request_burst=10_000, texts_per_s=10_000, max_waiting=5_000) as here,
        httpx.AsyncClient(base_url=here.url, timeout=PATIENCE_S) as http,
        client(here) as talker,
    ):
        opened = json.loads((await http.get("/socket.io/?EIO=4&transport=polling")).text[1:])
        url = f"/socket.io/?EIO=4&transport=polling&sid={opened['sid']}"
        await http.post(url, content="40")
        await http.get(url)
        await http.post(url, content=f"420{json.dumps(['login', login(await here.token())])}")
        assert "ok" in (await http.get(url)).text
        await talker.login(await here.token())
        for _ in range(MAX_UNREAD + 10):
            await talker.ok("text", {"to": "all", "message": "x"})
        await until(lambda: here.portal.stats()["portal_sessions_away"] == 1)
        await works(here)
