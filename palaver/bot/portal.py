"""The conversation with the portal (docs/protocol/portal.md, dialect 1.2), and connections for media."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import socketio
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER_S: Final = 12.0
MEDIA_S: Final = 20.0
_AGENT: Final = {"sdk": {"version": "1.0", "type": "Python"}}
_NOTIFICATIONS: Final = ("participant", "text", "stream", "drop")
_KEPT: Final = 256


class BotError(Exception):
    """The room cannot be used, or no longer."""


class Refused(BotError):
    """The server refused a request; the text says why."""


class Portal:
    """One session. ``heard`` gets every notification but those about connections, which are awaited here."""

    def __init__(self, url: str, heard: Callable[[str, Any], None], lost: Callable[[str], None]) -> None:
        self._url, self._heard, self._lost = url, heard, lost
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._progress: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._news = asyncio.Event()
        self._over: str | None = None
        self._ice: list[RTCIceServer] = []
        self._client.on("progress", self._progressed)
        self._client.on("disconnect", self._disconnected)
        for name in _NOTIFICATIONS:
            self._client.on(name, lambda data=None, name=name: self._hear(name, data))

    async def enter(self, token: str) -> dict[str, Any]:
        """Connect and log in; the answer. Raises BotError."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._client.connect(self._url, transports=["websocket"])
        except (TimeoutError, socketio.exceptions.ConnectionError) as error:
            raise BotError(f"{self._url}: {str(error) or 'no answer'}") from error
        login = {"token": token, "userAgent": _AGENT, "protocol": "1.2"}
        try:
            answer: dict[str, Any] = await self.request("login", login)
        except BotError as refusal:
            self._over = str(refusal)  # there is nothing to say goodbye to
            raise
        self._ice = [
            RTCIceServer(one["urls"], one.get("username"), one.get("credential"))
            for one in answer.get("iceServers", ())
        ]
        return answer

    async def request(self, name: str, data: Any = None) -> Any:
        """The data of an answer "ok". Raises BotError; Refused for another answer."""
        if self._over is not None:
            raise BotError(self._over)
        try:
            answer = await self._client.call(name, data, timeout=ANSWER_S)
        except (socketio.exceptions.SocketIOError, TimeoutError) as error:
            raise BotError(f"{name}: no answer: {str(error) or type(error).__name__}") from error
        status, said = (*answer, None)[:2] if isinstance(answer, list | tuple) else (answer, None)
        if status != "ok":
            raise Refused(f"{name}: {said}")
        return said

    async def connect(
        self, kind: str, describe: Callable[[Any], list[dict[str, Any]]], prepare: Callable[[Any], None]
    ) -> Connection:
        """Begin a session ("publish" or "subscribe") on a connection of its own, and wait until media can flow.

        ``prepare`` adds the sections to the connection, ``describe`` names their tracks. Raises BotError.
        """
        peer = RTCPeerConnection(RTCConfiguration(iceServers=self._ice))
        prepare(peer)
        await peer.setLocalDescription(await peer.createOffer())
        request = {"media": {"tracks": describe(peer)}, "transport": {"type": "webrtc"}}
        try:
            made = await self.request(kind, request)
            offer = {"type": "offer", "sdp": peer.localDescription.sdp}
            await self.request("soac", {"id": made["transportId"], "signaling": offer})
            async with asyncio.timeout(MEDIA_S):
                said = await self._told(made, ("soac",))
                answer = RTCSessionDescription(said["data"]["sdp"], "answer")
                await peer.setRemoteDescription(answer)
                await self._told(made, ("ready",))
        except BaseException as error:
            await peer.close()
            if isinstance(error, TimeoutError):
                raise BotError(f"{kind}: no media within {MEDIA_S:g} s") from error
            raise
        return Connection(self, kind, str(made["id"]), peer)

    async def _told(self, made: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
        """The next progress of a session with one of these states. Raises BotError if it fails instead."""
        while True:
            for one in self._progress:
                about = one.get("sessionId", made["id"])
                if one["id"] != made["transportId"] or about != made["id"]:
                    continue
                if one["status"] == "error":
                    raise BotError(str(one.get("data")))
                if one["status"] in wanted and ("sessionId" in one or one["status"] != "ready"):
                    return one
            if self._over is not None:
                raise BotError(self._over)
            news = self._news
            await news.wait()

    def _progressed(self, data: dict[str, Any]) -> None:
        self._progress.append(data)
        self._wake()

    def _hear(self, name: str, data: Any) -> None:
        if name == "drop":
            self._end("the server removed this participant")
        else:
            self._heard(name, data)

    def _disconnected(self, *_: Any) -> None:
        self._end("the connection to the server is lost")

    def _end(self, reason: str) -> None:
        if self._over is None:
            self._over = reason
            self._lost(reason)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def leave(self) -> None:
        """Say goodbye; never raises BotError."""
        with suppress(BotError):
            await self.request("logout")
        self._over = self._over or "this participant has left"
        await self._client.disconnect()


class Connection:
    """A publication or subscription and its peer connection."""

    def __init__(self, portal: Portal, kind: str, session: str, peer: RTCPeerConnection) -> None:
        self._portal, self._kind, self.session, self.peer = portal, kind, session, peer

    async def close(self) -> None:
        """End it; never raises BotError."""
        with suppress(BotError):
            await self._portal.request(f"un{self._kind}", {"id": self.session})
        await self.peer.close()
