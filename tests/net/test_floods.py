"""A flood at the media ports of a whole server, beside two people who talk and exchange messages."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack

from tests.servers import Server

RATES = (20_000, 10_000, 5_000)
"""Datagrams per second. Where the machine has no time for the first, its socket loses what is the call's as well."""
SECONDS = 4
MIB = 1 << 20

FLOOD = """
import os, socket, sys, time
port, per_second, count, ufrag = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
name = ufrag + b":peer"
name = b"\\0\\6" + len(name).to_bytes(2, "big") + name.ljust(-len(name) % 4 + len(name), b"\\0")
forged = name + b"\\0\\x08\\0\\x14" + b"Z" * 20
forged = b"\\0\\1" + len(forged).to_bytes(2, "big") + b"\\x21\\x12\\xa4\\x42" + b"t" * 12 + forged
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
noise = [os.urandom(20 + 7 * n) for n in range(150)]
sent, start = 0, time.monotonic()
while sent < count:
    while sent < min(count, per_second * (time.monotonic() - start)):
        sockets[sent % 50].sendto(forged if ufrag else noise[sent % 150], ("127.0.0.1", port))
        sent += 1
    time.sleep(0.001)
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


@dataclass
class Measured:
    """How the call went for a while."""

    seconds: float
    audio: int
    trips: list[float]

    def complaints(self, calm: Measured) -> list[str]:
        """What went worse than in the ``calm`` before."""
        usual = {
            "audio was lost": self.audio / self.seconds < 0.9 * calm.audio / calm.seconds,
            "messages were lost": len(self.trips) / self.seconds < 0.9 * len(calm.trips) / calm.seconds,
            "messages took long": statistics.median(self.trips) > 0.05 + 3 * statistics.median(calm.trips),
        }
        return [words for words, wrong in usual.items() if wrong]


async def measured(talk: Talk, meanwhile: asyncio.Task[Any]) -> Measured:
    heard, began = await talk.heard(), time.monotonic()
    talk.trips.clear()
    while not meanwhile.done() or not talk.trips:
        await talk.exchange(0.1)
    return Measured(time.monotonic() - began, await talk.heard() - heard, list(talk.trips))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("what", ["noise", "forged"])
async def test_a_call_goes_on_under_a_flood(server: Server, talk: Talk, what: str) -> None:
    """One of three floods must pass unnoticed: what else the machine does disturbs a call as well."""
    counter = f"media_{'stun_forged' if what == 'forged' else 'packets_unknown'}_total"
    memory = server.metric("process_resident_bytes")
    for rate in RATES:
        calm = await measured(talk, asyncio.create_task(asyncio.sleep(2)))
        counted, given = server.metric(counter), (str(rate), str(rate * SECONDS))
        ufrag = talk.ufrag if what == "forged" else ""
        flood = await asyncio.create_subprocess_exec(
            sys.executable, "-c", FLOOD, str(talk.port), *given, ufrag
        )
        complaints = (await measured(talk, asyncio.create_task(flood.wait()))).complaints(calm)
        assert server.metric(counter) - counted > rate * SECONDS / 4, "it did not reach the server"
        if not complaints:
            break
    assert not complaints
    assert server.metric("process_resident_bytes") - memory < 20 * MIB
