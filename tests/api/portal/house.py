"""A whole portal on loopback with a fake media plane, and clients of the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import socketio
import uvicorn

from palaver.api.auth.tokens import TokenDesk
from palaver.api.portal.server import Portal
from palaver.api.portal.settings import PortalSettings
from palaver.api.wire.rooms import config_of, new_room
from palaver.host import Rooms
from palaver.jobs.opening import RoomOpener
from palaver.media.fake import FakeEngine
from palaver.room.values import RoomId
from palaver.store import RoomDefinition, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

KEY = b"0123456789abcdef"
SERVICE = "a" * 24
PATIENCE_S = 10.0


@dataclass
class House:
    """Everything that a client can meet."""

    url: str
    portal: Portal
    rooms: Rooms
    engine: FakeEngine
    store: Store
    desk: TokenDesk
    definition: RoomDefinition

    async def token(self, user: str = "Ann", role: str = "presenter", **options: Any) -> str:
        return await self.desk.issue(
            self.definition, user, role, host=self.url.removeprefix("http://"), secure=False, **options
        )

    async def define(self, name: str, **options: Any) -> RoomDefinition:
        """One more room."""
        room = f"{len(name):02d}".ljust(24, "b")
        document = new_room({"name": name, "options": options})
        return await self.store.rooms.create(room, SERVICE, document, created_ms=0)

    @property
    def participants(self) -> set[str]:
        host = self.rooms.get(RoomId(self.definition.id))
        return set(host.room.participants) if host else set()


@dataclass
class Heard:
    """A notification and when it came, in monotonic seconds."""

    event: str
    data: Any
    at: float


@dataclass
class Client:
    """A client by python-socketio. ``heard`` is every notification in order."""

    sio: socketio.AsyncClient
    heard: list[Heard] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str | None = None

    async def request(self, name: str, *data: Any) -> tuple[Any, ...]:
        """The arguments of the acknowledgement."""
        answer: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
        await self.sio.emit(name, *data, callback=lambda *arguments: answer.set_result(arguments))
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    async def ok(self, name: str, *data: Any) -> Any:
        """The answer of a request that must succeed."""
        status, *answer = await self.request(name, *data)
        assert status == "ok", answer
        return answer[0] if answer else None

    async def login(self, token: str, *, sdk: str = "JavaScript", protocol: str = "1.2") -> Any:
        return await self.ok("login", login(token, sdk=sdk, protocol=protocol))

    async def hear(self, event: str, matches: Callable[[Any], bool] = lambda data: True) -> Heard:
        """The first notification that matches, now or later."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.news.clear()
                for heard in self.heard:
                    if heard.event == event and matches(heard.data):
                        return heard
                await self.news.wait()

    async def disconnected(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.ended is None:
                self.news.clear()
                await self.news.wait()

    async def publish(self, mid: str = "0", transport: str | None = None) -> Any:
        """Publish a microphone and negotiate; the answer to the request."""
        given = {"type": "webrtc"} | ({"id": transport} if transport else {})
        tracks = [{"type": "audio", "mid": mid, "source": "mic"}]
        answer = await self.ok("publish", {"media": {"tracks": tracks}, "transport": given})
        await self.offer(answer["transportId"], {mid: ("audio", "sendonly")})
        return answer

    async def subscribe(self, stream: str, mid: str = "0") -> Any:
        """Subscribe to the audio of a stream and negotiate; the answer to the request."""
        tracks = [{"type": "audio", "mid": mid, "from": stream}]
        answer = await self.ok("subscribe", {"media": {"tracks": tracks}, "transport": {"type": "webrtc"}})
        await self.offer(answer["transportId"], {mid: ("audio", "recvonly")})
        return answer

    async def offer(self, transport: str, sections: dict[str, tuple[str, str]]) -> None:
        await self.ok("soac", {"id": transport, "signaling": {"type": "offer", "sdp": sdp(sections)}})


def login(
    token: Any, *, sdk: str = "JavaScript", protocol: str = "1.2", version: str = "5.1"
) -> dict[str, Any]:
    """The data of a login."""
    return {"token": token, "userAgent": {"sdk": {"version": version, "type": sdk}}, "protocol": protocol}


def sdp(sections: dict[str, tuple[str, str]]) -> str:
    """An offer with the given kind and direction of each section, as browsers write it in outline."""
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines.append(f"a=group:BUNDLE {' '.join(sections)}")
    codecs = {"audio": "opus/48000/2", "video": "VP8/90000"}
    for mid, (kind, direction) in sections.items():
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=rtcp-mux", "a=ice-ufrag:abcd",
            "a=ice-pwd:abcdefghijklmnopqrstuvwx", f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
            "a=setup:actpass", f"a=mid:{mid}", f"a={direction}", f"a=rtpmap:111 {codecs[kind]}",
        ]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def settings(**changes: Any) -> PortalSettings:
    return PortalSettings(**({"ticket_key": KEY} | changes))


@contextlib.asynccontextmanager
async def house(directory: Path, room: dict[str, Any] | None = None, **changes: Any) -> AsyncIterator[House]:
    """A portal that serves one room, whose options are ``room``; ``changes`` are settings."""
    store = await Store.open(f"sqlite:///{directory}/palaver.db", master_key=b"m" * 32)
    engine = FakeEngine()
    rooms = Rooms(engine)
    desk = TokenDesk(store, KEY, time.time)
    portal = Portal(rooms, RoomOpener(store, rooms, config_of), desk, settings(**changes))
    definition = await store.rooms.get("c" * 24)
    if definition is None:
        await store.services.create(SERVICE, "tests", "key", created_ms=0)
        document = new_room({"name": "room", "options": room or {}})
        definition = await store.rooms.create("c" * 24, SERVICE, document, created_ms=0)
    # asyncio switches Nagle's algorithm off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(portal.asgi(_nothing), ws="websockets-sansio", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # pytest's stay
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(portal.run()), tasks.create_task(rooms.run())]
            serving = tasks.create_task(server.serve(sockets=[listener]))
            await until(lambda: server.started)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield House(url, portal, rooms, engine, store, desk, definition)
            await portal.close()
            server.should_exit = True
            await serving
            for task in running:
                task.cancel()
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def client(house: House, *transports: str) -> AsyncIterator[Client]:
    """A connected client that has not logged in."""
    sio = socketio.AsyncClient(reconnection=False)
    one = Client(sio)

    def hear(event: str, *data: Any) -> None:
        one.heard.append(Heard(event, data[0] if data else None, time.monotonic()))
        one.news.set()

    def end(reason: str) -> None:
        one.ended = reason
        one.news.set()

    sio.on("*", hear)
    sio.on("disconnect", end)
    await sio.connect(house.url, transports=list(transports) or ["websocket"])
    try:
        yield one
    finally:
        await sio.disconnect()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.002)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})
