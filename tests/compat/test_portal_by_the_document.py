"""A client of nothing but docs/protocol/portal.md: Socket.IO frames by hand, step by step."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from tests.api.portal.house import PATIENCE_S, House, house, login, sdp, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


class Wire:
    """One websocket, frame by frame; pings are answered unless ``mute``."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.mute = False
        self._requests = 0

    async def frame(self) -> str:
        """The next frame that is not a ping."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame = str(await self.socket.recv())
                if frame != "2":
                    return frame
                if not self.mute:
                    await self.socket.send("3")

    async def join_namespace(self) -> str:
        """Open the connection; the id of the socket."""
        opened = await self.frame()
        assert opened[0] == "0"
        assert set(json.loads(opened[1:])) >= {"sid", "upgrades", "pingInterval", "pingTimeout"}
        await self.socket.send("40")
        answer = await self.frame()
        assert answer.startswith("40")
        return str(json.loads(answer[2:])["sid"])

    async def ask(self, name: str, *data: Any) -> None:
        await self.socket.send(f"42{self._requests}{json.dumps([name, *data])}")
        self._requests += 1

    async def answered(self) -> list[Any]:
        """The acknowledgement of the latest request, which must be the next frame."""
        frame = await self.frame()
        prefix = f"43{self._requests - 1}"
        assert frame.startswith(prefix), frame
        return list(json.loads(frame[len(prefix) :]))

    async def request(self, name: str, *data: Any) -> list[Any]:
        await self.ask(name, *data)
        return await self.answered()

    async def told(self) -> list[Any]:
        """The notification that must be the next frame."""
        frame = await self.frame()
        assert frame.startswith("42["), frame
        return list(json.loads(frame[2:]))


async def connect(here: House) -> websockets.ClientConnection:
    url = here.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    return await websockets.connect(url, max_size=None, compression=None)


async def test_a_whole_call_frame_by_frame(here: House) -> None:
    async with await connect(here) as socket:
        wire = Wire(socket)
        sid = await wire.join_namespace()
        status, joined = await wire.request("login", login(await here.token("Ann")))
        assert (status, joined["id"]) == ("ok", sid)

        tracks = [
            {"type": "audio", "mid": "0", "source": "mic"},
            {"type": "video", "mid": "1", "source": "camera"},
        ]
        status, session = await wire.request(
            "publish", {"media": {"tracks": tracks}, "transport": {"type": "webrtc"}}
        )
        assert (status, session["id"]) == ("ok", session["transportId"])
        stream = transport = session["id"]

        offer = {"type": "offer", "sdp": sdp({"0": ("audio", "sendonly"), "1": ("video", "sendonly")})}
        assert await wire.request("soac", {"id": transport, "signaling": offer}) == ["ok"]
        event, answer = await wire.told()
        assert (event, answer["id"], answer["status"], answer["data"]["type"]) == (
            "progress", transport, "soac", "answer",
        )  # fmt: skip
        assert await wire.told() == ["progress", {"id": transport, "status": "ready"}]
        assert await wire.told() == ["progress", {"id": transport, "sessionId": stream, "status": "ready"}]
        event, added = await wire.told()
        assert (event, added["id"], added["status"]) == ("stream", stream, "add")
        assert [track["mid"] for track in added["data"]["media"]["tracks"]] == ["0", "1"]

        candidate = {
            "candidate": "a=candidate:1 1 udp 1 127.0.0.1 9 typ host",
            "sdpMid": "0",
            "sdpMLineIndex": 0,
        }
        signaling = {"type": "candidate", "candidate": candidate}
        assert await wire.request("soac", {"id": transport, "signaling": signaling}) == ["ok"]

        wanted = [{"type": "audio", "mid": "2", "from": stream}]
        request = {"media": {"tracks": wanted}, "transport": {"type": "webrtc", "id": transport}}
        status, subscription = await wire.request("subscribe", request)
        assert (status, subscription["transportId"]) == ("ok", transport)
        sections = {"0": ("audio", "sendonly"), "1": ("video", "sendonly"), "2": ("audio", "recvonly")}
        offer = {"type": "offer", "sdp": sdp(sections)}
        assert await wire.request("soac", {"id": transport, "signaling": offer}) == ["ok"]
        assert (await wire.told())[1]["status"] == "soac"
        ready = {"id": transport, "sessionId": subscription["id"], "status": "ready"}
        assert await wire.told() == ["progress", ready]

        mute = {"id": stream, "operation": "pause", "data": "av"}
        assert await wire.request("stream-control", mute) == ["ok", "ok"]
        for kind in ("audio", "video"):
            change = {"field": f"{kind}.status", "value": "inactive"}
            assert await wire.told() == ["stream", {"id": stream, "status": "update", "data": change}]

        assert await wire.request("unsubscribe", {"id": subscription["id"]}) == ["ok"]
        assert await wire.request("unpublish", {"id": stream}) == ["ok"]
        assert await wire.told() == ["stream", {"id": stream, "status": "remove"}]
        assert await wire.request("text", {"to": "all", "message": "bye"}) == ["ok"]
        assert await wire.told() == ["text", {"from": sid, "to": "all", "message": "bye"}]
        status, ticket = await wire.request("refreshReconnectionTicket")
        assert (status, isinstance(ticket, str)) == ("ok", True)
        assert await wire.request("logout") == ["ok"]


async def test_a_client_may_start_with_polling_and_upgrade(here: House) -> None:
    base = "/socket.io/?EIO=4&transport=polling"
    async with httpx.AsyncClient(base_url=here.url, timeout=PATIENCE_S) as http:
        opened = json.loads((await http.get(base)).text[1:])
        assert opened["upgrades"] == ["websocket"]
        url = f"{base}&sid={opened['sid']}"
        assert (await http.post(url, content="40")).status_code == 200
        assert (await http.get(url)).text.startswith("40")
        ws = here.url.replace("http", "ws") + f"/socket.io/?EIO=4&transport=websocket&sid={opened['sid']}"
        async with websockets.connect(ws, compression=None) as socket:
            await socket.send("2probe")
            assert await socket.recv() == "3probe"
            await socket.send("5")
            wire = Wire(socket)
            await wire.ask("login", login(await here.token()))
            frame = await wire.frame()
            while frame == "6":  # noop, for the poll that the upgrade ends
                frame = await wire.frame()
            assert json.loads(frame[3:])[0] == "ok"


async def test_a_dropped_client_hears_drop_then_a_disconnect(here: House) -> None:
    async with await connect(here) as socket:
        wire = Wire(socket)
        await wire.join_namespace()
        await wire.request("login", login(await here.token()))
        (host,) = here.rooms.running()
        host.close()
        assert await wire.frame() == '42["drop"]'
        assert await wire.frame() == "41"


async def test_a_refused_login_is_answered_before_the_disconnect(here: House) -> None:
    async with await connect(here) as socket:
        wire = Wire(socket)
        await wire.join_namespace()
        assert await wire.request("login", login("x")) == ["error", "Invalid token"]
        assert await wire.frame() == "41"


async def test_a_closing_server_closes_the_transport_only(here: House) -> None:
    async with await connect(here) as socket:
        wire = Wire(socket)
        await wire.join_namespace()
        await wire.request("login", login(await here.token()))
        await here.portal.close()
        assert await wire.frame() == "1"  # Engine.IO close: Socket.IO clients come back after it


async def test_what_was_sent_into_a_dead_connection_is_repeated(tmp_path: Path) -> None:
    async with (
        house(tmp_path, ping_interval_s=0.2, ping_timeout_s=0.2) as here,
        await connect(here) as socket,
        await connect(here) as other,
    ):
        wire, bob = Wire(socket), Wire(other)
        await wire.join_namespace()
        await bob.join_namespace()
        _, joined = await wire.request("login", login(await here.token()))
        await bob.request("login", login(await here.token("Bob")))
        wire.mute = True  # its radio is gone, and nobody knows
        await bob.request("text", {"to": "all", "message": "lost"})
        alive = asyncio.get_running_loop().create_task(bob.frame())
        try:
            await until(lambda: here.portal.stats()["portal_sessions_away"] == 1)
        finally:
            alive.cancel()
        async with await connect(here) as again:
            back = Wire(again)
            await back.join_namespace()
            assert (await back.request("relogin", joined["reconnectionTicket"]))[0] == "ok"
            heard = [(await back.told())[0] for _ in range(2)]
            assert heard == ["participant", "text"]


async def test_a_connection_that_breaks_is_repeated_and_one_that_is_closed_is_not(here: House) -> None:
    for breaks in (True, False):
        async with await connect(here) as socket:
            wire = Wire(socket)
            await wire.join_namespace()
            _, joined = await wire.request("login", login(await here.token()))
            await wire.request("text", {"to": "all", "message": "heard"})
            await wire.told()
            if breaks:
                socket.transport.abort()
        await until(lambda: here.portal.stats()["portal_sessions_away"] == 1)
        async with await connect(here) as again:
            back = Wire(again)
            await back.join_namespace()
            assert (await back.request("relogin", joined["reconnectionTicket"]))[0] == "ok"
            if breaks:
                assert (await back.told())[1]["message"] == "heard"
            await back.request("text", {"to": "all", "message": "next"})
            assert (await back.told())[1]["message"] == "next"
            await back.request("logout")


async def test_a_pong_ends_what_would_be_repeated(tmp_path: Path) -> None:
    async with house(tmp_path, ping_interval_s=0.1, ping_timeout_s=5) as here, await connect(here) as socket:
        wire = Wire(socket)
        await wire.join_namespace()
        _, joined = await wire.request("login", login(await here.token()))
        await wire.request("text", {"to": "all", "message": "arrived"})
        await wire.told()
        for _ in range(2):
            while await socket.recv() != "2":
                pass
            await socket.send("3")
        assert (await wire.request("refreshReconnectionTicket"))[0] == "ok"  # the pongs were read
        async with await connect(here) as again:
            back = Wire(again)
            await back.join_namespace()
            assert (await back.request("relogin", joined["reconnectionTicket"]))[0] == "ok"
            await back.request("text", {"to": "all", "message": "next"})
            assert (await back.told())[1]["message"] == "next"
