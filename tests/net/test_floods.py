"""A flood at the media ports of a whole server, beside two people who talk and exchange messages."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack

from tests.servers import Server

PER_SECOND = 20_000
SECONDS = 5
AUDIO_PER_S = 50
MIB = 1 << 20

FLOOD = """
import os, socket, sys, time
port, per_second, seconds, ufrag = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
name = ufrag + b":peer"
name = b"\\0\\6" + len(name).to_bytes(2, "big") + name.ljust(-len(name) % 4 + len(name), b"\\0")
forged = name + b"\\0\\x08\\0\\x14" + b"Z" * 20
forged = b"\\0\\1" + len(forged).to_bytes(2, "big") + b"\\x21\\x12\\xa4\\x42" + b"t" * 12 + forged
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
noise = [os.urandom(20 + 7 * n) for n in range(150)]
sent, start = 0, time.monotonic()
while (elapsed := time.monotonic() - start) < seconds:
    while sent < per_second * elapsed:
        sockets[sent % 50].sendto(forged if ufrag else noise[sent % 150], ("127.0.0.1", port))
        sent += 1
    time.sleep(0.001)
print(sent)
"""


class Talk:
    """One who publishes and one who plays, over aiortc; each message of the first is sent back by the second."""

    def __init__(self) -> None:
        self.ann, self.bob = RTCPeerConnection(), RTCPeerConnection()
        self.ping, self.pong = (one.createDataChannel("echo") for one in (self.ann, self.bob))
        self.trips: list[float] = []
        self.ufrag = ""
        self.port = 0
        self._sink = MediaBlackhole()
        self.pong.on("message", lambda message: self.pong.send(message))
        self.ping.on("message", lambda message: self.trips.append(time.monotonic() - float(message)))

    async def begin(self, server: Server) -> None:
        """Connect both and wait until something is heard each way."""
        room = server.room("talk")
        self.ann.addTransceiver(AudioStreamTrack(), "sendonly")
        player = self.bob.addTransceiver("audio", "recvonly")
        await self._post(server, f"/whip/{room}/cam", self.ann, server.token(room, "ann"))
        answer = await self._post(server, f"/whep/{room}/cam", self.bob, server.token(room, "bob"))
        self.ufrag = answer.split("a=ice-ufrag:")[1].split()[0]
        self.port = int(answer.split("a=candidate:")[1].split()[5])
        self._sink.addTrack(player.receiver.track)
        await self._sink.start()
        async with asyncio.timeout(20):
            while not self.trips or not await self.heard():
                await self.exchange(0.1)

    async def _post(self, server: Server, path: str, one: RTCPeerConnection, token: str) -> str:
        await one.setLocalDescription(await one.createOffer())
        headers = {"content-type": "application/sdp", "authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=server.url, timeout=20) as http:
            answer = await http.post(path, content=one.localDescription.sdp, headers=headers)
        assert answer.status_code == 201, answer.text
        await one.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        return answer.text

    async def exchange(self, seconds: float) -> None:
        """Send thirty messages a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.ping.readyState == "open":
                self.ping.send(str(time.monotonic()))
            await asyncio.sleep(1 / 30)

    async def heard(self) -> int:
        """Audio packets that arrived."""
        report: dict[str, Any] = await self.bob.getReceivers()[0].getStats()
        return next((s.packetsReceived for s in report.values() if s.type == "inbound-rtp"), 0)

    async def end(self) -> None:
        await self._sink.stop()
        await self.ann.close()
        await self.bob.close()


@pytest_asyncio.fixture
async def talk(server: Server) -> AsyncIterator[Talk]:
    both = Talk()
    await both.begin(server)
    yield both
    await both.end()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("what", ["noise", "forged"])
async def test_a_call_goes_on_under_a_flood(server: Server, talk: Talk, what: str) -> None:
    counter = f"media_{'stun_forged' if what == 'forged' else 'packets_unknown'}_total"
    counted, memory = server.metric(counter), server.metric("process_resident_bytes")
    heard = await talk.heard()
    talk.trips.clear()
    arguments = [str(talk.port), str(PER_SECOND), str(SECONDS), talk.ufrag if what == "forged" else ""]
    started = time.monotonic()
    flood = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FLOOD, *arguments, stdout=asyncio.subprocess.PIPE
    )
    await talk.exchange(SECONDS)
    lasted = time.monotonic() - started
    heard = await talk.heard() - heard
    sent = int((await flood.communicate())[0])
    assert sent > PER_SECOND * SECONDS * 0.9, "the flood itself came to too little"
    assert heard > AUDIO_PER_S * lasted * 0.95, "audio was lost"
    assert len(talk.trips) > 30 * SECONDS * 0.9, "messages were lost"
    assert statistics.median(talk.trips) < 0.05, "messages took long"
    assert server.metric(counter) - counted > sent * 0.9, "not all of it was counted"
    assert server.metric("process_resident_bytes") - memory < 20 * MIB
