"""Servers that forward, as the load generator meets them: how a publisher and a subscriber connect to each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx2

from bench.generator import Generator
from tests.servers import Server, free_port, start_server

PARALLEL = 8
JANUS_LIBRARIES = Path("/usr/lib/x86_64-linux-gnu/janus")


@dataclass(frozen=True)
class Habits:
    """How clients behave: whether they send NACK and transport-wide feedback, and lose one in so many packets; what
    publishers send.
    """

    feedback: bool = False
    lose_every: int = 0
    video_bps: int | None = None  # the generator's 1.5 Mbit/s


class Forwarder(Protocol):
    """A running server."""

    pid: int
    address: str  # where clients reach it best

    async def publish(self, load: Generator, stream: int, habits: Habits) -> int:
        """Connect a publisher; its number in the generator."""

    async def subscribe(self, load: Generator, stream: int, habits: Habits) -> int:
        """Connect a subscriber; its number in the generator."""


def own_address() -> str:
    """This machine's address; what is sent to it does not leave the machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


async def each(work: list[Any]) -> list[Any]:
    """The results of coroutines, a few at once."""
    gate = asyncio.Semaphore(PARALLEL)

    async def one(item: Any) -> Any:
        async with gate:
            return await item

    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(one(item)) for item in work]
    return [task.result() for task in started]


# ── Palaver, by WHIP and WHEP ─────────────────────────────────────────────────────────────────────────


@dataclass
class Palaver:
    """One room; each stream has its name."""

    pid: int
    server: Server
    room: str
    http: httpx2.AsyncClient
    address: str = "127.0.0.1"
    sessions: dict[int, str] = field(default_factory=dict)
    ended: int = 0

    async def publish(self, load: Generator, stream: int, habits: Habits) -> int:
        offered = await load.request(
            "publish", stream=stream, feedback=habits.feedback, video_bps=habits.video_bps
        )
        return await self._connect(load, offered, f"/whip/{self.room}/s{stream}")

    async def subscribe(self, load: Generator, stream: int, habits: Habits) -> int:
        offered = await load.request(
            "subscribe", stream=stream, feedback=habits.feedback, lose_every=habits.lose_every
        )
        return await self._connect(load, offered, f"/whep/{self.room}/s{stream}")

    async def _connect(self, load: Generator, offered: dict[str, Any], path: str) -> int:
        peer = int(offered["id"])
        answer = await self.http.post(
            self.server.url + path, content=offered["sdp"], headers={"Content-Type": "application/sdp"}
        )
        assert answer.status_code == 201, (path, answer.status_code, answer.text)
        self.sessions[peer] = str(answer.headers["Location"])
        await load.request("connect", peer=peer, answer=answer.text)
        return peer

    async def leave(self, load: Generator, peer: int) -> None:
        """End a session, as its client would; one that the server has ended already is counted."""
        answer = await self.http.delete(httpx2.URL(self.server.url).join(self.sessions.pop(peer)))
        assert answer.status_code in (200, 204, 404), (answer.status_code, answer.text)
        self.ended += answer.status_code == 404
        await load.request("leave", peer=peer)


@contextlib.asynccontextmanager
async def palaver(*arguments: str) -> AsyncIterator[Palaver]:
    """A fresh server with one room."""
    with tempfile.TemporaryDirectory() as name, start_server(Path(name), *arguments) as server:
        room = server.room("forwarding")
        made = server.rest(
            "POST",
            f"/v1/rooms/{room}/tokens",
            {"user": "load", "role": "presenter", "reusable": True, "ttlSeconds": 86400},
        )
        assert made.status_code == 200, made.text
        headers = {"Authorization": f"Bearer {made.text}"}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            yield Palaver(server.process.pid, server, room, http)


# ── Janus, by its HTTP API ────────────────────────────────────────────────────────────────────────────


class Janus:
    """Debian's Janus with its video room: one room per stream, one handle per peer."""

    def __init__(self, pid: int, url: str, http: httpx2.AsyncClient) -> None:
        self.pid = pid
        self.address = own_address()  # it gathers no candidates on 127.0.0.1
        self._url, self._session = url, url
        self._http = http
        self._names = itertools.count()
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._feeds: dict[int, int] = {}

    async def _post(self, path: str, **body: Any) -> dict[str, Any]:
        body.setdefault("transaction", f"t{next(self._names)}")
        answer = dict((await self._http.post(path, json=body)).json())
        assert answer["janus"] != "error", answer
        return answer

    async def open(self) -> None:
        created = await self._post(self._url, janus="create")
        self._session = f"{self._url}/{created['data']['id']}"

    async def poll(self) -> None:
        """Fetch events; what was asked for is handed to whoever waits."""
        while True:
            answer = await self._http.get(self._session, params={"maxev": 10}, timeout=60)
            for event in answer.json():
                waiting = self._waiting.get(event.get("transaction", ""))
                if waiting is not None and not waiting.done():
                    waiting.set_result(event)

    async def _attach(self) -> str:
        attached = await self._post(self._session, janus="attach", plugin="janus.plugin.videoroom")
        return f"{self._session}/{attached['data']['id']}"

    async def _ask(self, handle: str, body: dict[str, Any], jsep: dict[str, str] | None = None) -> Any:
        """A request that an event answers."""
        name = f"t{next(self._names)}"
        future = self._waiting[name] = asyncio.get_running_loop().create_future()
        more = {"jsep": jsep} if jsep else {}
        await self._post(handle, janus="message", transaction=name, body=body, **more)
        async with asyncio.timeout(30):
            event = await future
        del self._waiting[name]
        assert "error" not in event["plugindata"]["data"], event
        return event

    async def publish(self, load: Generator, stream: int, habits: Habits) -> int:
        handle, room = await self._attach(), 1000 + stream
        create = {
            "request": "create", "room": room, "publishers": 2, "bitrate": 10_000_000, "fir_freq": 0,
            "videocodec": "vp8", "audiocodec": "opus",
        }  # fmt: skip
        made = await self._post(handle, janus="message", body=create)
        assert "error" not in made["plugindata"]["data"], made
        joined = await self._ask(handle, {"request": "join", "ptype": "publisher", "room": room})
        offered = await load.request(
            "publish", stream=stream, feedback=habits.feedback, video_bps=habits.video_bps
        )
        configured = await self._ask(
            handle,
            {"request": "configure", "audio": True, "video": True},
            {"type": "offer", "sdp": offered["sdp"]},
        )
        self._feeds[stream] = joined["plugindata"]["data"]["id"]
        await load.request("connect", peer=offered["id"], answer=configured["jsep"]["sdp"])
        return int(offered["id"])

    async def subscribe(self, load: Generator, stream: int, habits: Habits) -> int:
        handle = await self._attach()
        streams = [{"feed": self._feeds[stream]}]
        joined = await self._ask(
            handle, {"request": "join", "ptype": "subscriber", "room": 1000 + stream, "streams": streams}
        )
        answered = await load.request(
            "subscribe",
            stream=stream,
            feedback=habits.feedback,
            lose_every=habits.lose_every,
            offer=joined["jsep"]["sdp"],
        )
        await self._ask(handle, {"request": "start"}, {"type": "answer", "sdp": answered["sdp"]})
        await load.request("connect", peer=answered["id"])
        return int(answered["id"])


def _janus_folder(folder: Path, port: int, loops: int) -> None:
    """Configuration for one plugin and one transport; media on loopback."""
    for kind, library in (("plugins", "libjanus_videoroom.so"), ("transports", "libjanus_http.so")):
        (folder / kind).mkdir()
        (folder / kind / library).symlink_to(JANUS_LIBRARIES / kind / library)
    (folder / "janus.jcfg").write_text(
        f'general: {{ configs_folder = "{folder}" plugins_folder = "{folder}/plugins"'
        f' transports_folder = "{folder}/transports" debug_level = 2 event_loops = {loops} }}\n'
        f'nat: {{ ice_enforce_list = "{own_address()}" }}\nmedia: {{ }}\n'
    )
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")
    (folder / "janus.transport.http.jcfg").write_text(
        f'general: {{ http = true port = {port} ip = "127.0.0.1" https = false }}\nadmin: {{ admin_http = false }}\n'
    )


@contextlib.asynccontextmanager
async def janus(loops: int = 2) -> AsyncIterator[Janus]:
    """A fresh Janus with so many event loops."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _janus_folder(folder, port, loops)
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                "janus", "-C", str(folder / "janus.jcfg"), "-F", name, "-o", stdout=log, stderr=log
            )
        limits = httpx2.Limits(max_connections=64)
        url = f"http://127.0.0.1:{port}/janus"
        try:
            async with httpx2.AsyncClient(timeout=30, limits=limits) as http:
                async with asyncio.timeout(10):
                    while True:
                        with contextlib.suppress(httpx2.TransportError):
                            await http.get(url + "/info")
                            break
                        assert process.returncode is None, (folder / "log").read_text()
                        await asyncio.sleep(0.05)
                made = Janus(process.pid, url, http)
                await made.open()
                async with asyncio.TaskGroup() as tasks:
                    polling = tasks.create_task(made.poll())
                    yield made
                    polling.cancel()
        finally:
            process.kill() if process.returncode is None else None
            await process.wait()
