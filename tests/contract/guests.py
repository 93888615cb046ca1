"""Clients for the engines' contract: one that only writes offers, and a whole WebRTC client (aiortc)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack

from tests.offers import offer, with_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palaver.media.fake import FakeEngine
    from palaver.media.ports import Engine
    from palaver.room.values import ParticipantId, RoomId, TransportId


class Guest(Protocol):
    """A client with one connection. Sections are called "0", "1", … in the order of asking."""

    def add(self, kind: str, direction: str, layers: Sequence[str] = ()) -> str:
        """Ask for one more section, that of a publication with ``layers``; returns its mid."""
        ...

    async def negotiate(self) -> str:
        """Offer what was asked for and apply the answer, which is returned."""
        ...

    async def vanish(self) -> None:
        """End the connection from the client's side."""
        ...


class Writer:
    """Writes offers; its connection is the fake engine's."""

    def __init__(
        self, engine: FakeEngine, room: RoomId, owner: ParticipantId, transport: TransportId
    ) -> None:
        self._engine = engine
        self._at = (room, owner, transport)
        self._sections: list[tuple[str, str, str]] = []
        self._layers: dict[str, Sequence[str]] = {}

    def add(self, kind: str, direction: str, layers: Sequence[str] = ()) -> str:
        """See Guest."""
        self._sections.append((kind, mid := str(len(self._sections)), direction))
        self._layers[mid] = layers
        return mid

    async def negotiate(self) -> str:
        """See Guest."""
        return await self._engine.negotiate(*self._at, with_layers(offer(*self._sections), self._layers))

    async def vanish(self) -> None:
        """See Guest."""
        room, _, transport = self._at
        self._engine.lose(room, transport, "closed by peer")


class Caller:
    """A whole client, over loopback."""

    def __init__(self, engine: Engine, room: RoomId, owner: ParticipantId, transport: TransportId) -> None:
        self._engine = engine
        self._at = (room, owner, transport)
        self._sections = 0
        self.connection = RTCPeerConnection()
        self._layers: dict[str, Sequence[str]] = {}  # only said: aiortc sends one
        self._receivers: dict[str, RTCRtpReceiver] = {}

    def add(self, kind: str, direction: str, layers: Sequence[str] = ()) -> str:
        """See Guest."""
        track = AudioStreamTrack() if kind == "audio" else VideoStreamTrack()
        made = self.connection.addTransceiver(track if direction == "sendonly" else kind, direction)
        mid = str(self._sections)
        self._sections += 1
        self._layers[mid] = layers
        if direction == "recvonly":
            self._receivers[mid] = made.receiver
        return mid

    async def negotiate(self) -> str:
        """See Guest."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offered = with_layers(self.connection.localDescription.sdp, self._layers)
        answer = await self._engine.negotiate(*self._at, offered)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return answer

    def received(self, mid: str) -> MediaStreamTrack:
        """What arrives on a section; there is nothing before the answer."""
        return self._receivers[mid].track

    async def vanish(self) -> None:
        """See Guest."""
        settled = asyncio.Event()  # aiortc does not bear to be closed while it connects

        def look() -> None:
            if self.connection.connectionState != "connecting":
                settled.set()

        self.connection.on("connectionstatechange", look)
        look()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await settled.wait()
        await self.connection.close()
