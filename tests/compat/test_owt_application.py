"""An application of OWT, in Node, against a server with its default settings: room, token, join, media."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack

from tests.servers import Server, start_server

pytestmark = pytest.mark.net
PATIENCE_S = 30
SCRIPT = Path(__file__).parent / "owt_application.mjs"
NO_SIP = {"sipServer": "", "username": "", "password": ""}


class Application:
    """The Node program: what it is told, what it answers, and what its clients hear."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._heard: list[tuple[str, str, Any]] = []
        self._news = asyncio.Condition()

    async def read(self) -> None:
        """Take in what it prints, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "client" in said:
                async with self._news:
                    self._heard.append((said["client"], said["event"], said.get("data")))
                    self._news.notify_all()
            elif "error" in said:
                self._waiting.pop(said["id"]).set_exception(RuntimeError(said["error"]))
            else:
                self._waiting.pop(said["id"]).set_result(said["answer"])

    async def ask(self, what: str, *arguments: Any) -> Any:
        """The answer. Raises RuntimeError with the server's words."""
        assert self._process.stdin is not None
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, what: arguments}).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    async def heard(self, client: str, event: str, matches: Callable[[Any], bool]) -> Any:
        """What a client hears, now or later."""

        def found() -> list[Any]:
            return [d for c, e, d in self._heard if (c, e) == (client, event) and matches(d)]

        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: bool(found()))
            return found()[0]

    async def negotiate(self, client: str, transport: str, peer: RTCPeerConnection) -> None:
        """Offer and take the answer."""
        offer = {"type": "offer", "sdp": peer.localDescription.sdp}
        await self.ask("emit", client, "soac", {"id": transport, "signaling": offer})
        said = await self.heard(
            client, "progress", lambda d: d["id"] == transport and d.get("status") == "soac"
        )
        await peer.setRemoteDescription(RTCSessionDescription(said["data"]["sdp"], "answer"))


@contextlib.asynccontextmanager
async def application(server: Server) -> AsyncIterator[Application]:
    where = urlsplit(server.url)
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), str(where.hostname), str(where.port), server.service, server.key,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
    )  # fmt: skip
    app = Application(process)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(app.read())
        try:
            yield app
        finally:
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
                await reading


@contextlib.asynccontextmanager
async def peer() -> AsyncIterator[RTCPeerConnection]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield connection
    finally:
        await connection.close()


async def test_an_application_of_owt_makes_a_room_and_its_clients_talk(tmp_path: Path) -> None:
    with start_server(tmp_path) as server:
        async with application(server) as app, peer() as sending, peer() as receiving:
            room = await app.ask("rest", "POST", "/v1/rooms", {"name": "owt", "options": {"sip": NO_SIP}})
            path = f"/v1/rooms/{room['_id']}"
            listed = await app.ask("rest", "GET", "/v1/rooms/?page=1&per_page=100")
            assert [one["_id"] for one in listed] == [room["_id"]]
            assert (await app.ask("rest", "PUT", path, {"sip": NO_SIP}))["sip"] == NO_SIP
            preference = {"isp": "isp", "region": "region"}
            for user in ("ann", "ben"):
                wanted = {"preference": preference, "user": user, "role": "presenter"}
                token = await app.ask("rest", "POST", f"{path}/tokens/", wanted)
                assert (await app.ask("join", user, token))["user"] == user

            sending.addTrack(AudioStreamTrack())
            await sending.setLocalDescription(await sending.createOffer())
            (section,) = sending.getTransceivers()
            published = await app.ask(
                "emit", "ann", "publish",
                {
                    "media": {"tracks": [{"type": "audio", "mid": section.mid, "source": "mic"}]},
                    "attributes": None,
                    "transport": {"type": "webrtc"},
                },
            )  # fmt: skip
            await app.negotiate("ann", published["transportId"], sending)
            await app.heard("ben", "stream", lambda d: d["status"] == "add" and d["id"] == published["id"])

            arrived: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
            receiving.on("track", arrived.set_result)
            section = receiving.addTransceiver("audio", "recvonly")
            await receiving.setLocalDescription(await receiving.createOffer())
            track = {"type": "audio", "mid": section.mid, "from": published["id"]}
            subscribed = await app.ask(
                "emit", "ben", "subscribe", {"media": {"tracks": [track]}, "transport": {"type": "webrtc"}}
            )
            await app.negotiate("ben", subscribed["transportId"], receiving)
            async with asyncio.timeout(PATIENCE_S):
                frame = await (await arrived).recv()
            assert isinstance(frame, av.AudioFrame)
            assert frame.samples > 0

            present = await app.ask("rest", "GET", f"{path}/participants/")
            assert sorted(one["user"] for one in present) == ["ann", "ben"]
            assert await app.ask("rest", "DELETE", f"{path}/") == "Room deleted"
            await app.heard("ben", "drop", lambda _: True)
