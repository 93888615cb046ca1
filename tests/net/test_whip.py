"""WHIP and WHEP with real peers: FFmpeg's muxer and aiortc publish, aiortc plays, pictures arrive."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx2
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from palaver.server.tls import self_signed
from tests.servers import Server

FRAMES = 10


class Peer:
    """A client of aiortc with one session; it closes its HTTP connection after each request, as encoders do."""

    def __init__(self, server: Server, path: str, ticket: str) -> None:
        self._url = server.url + path
        self._headers = {"authorization": f"Bearer {ticket}", "connection": "close"}
        # Without servers of its own choice, aiortc asks one on the Internet for its address.
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.where = ""

    def receive(self, kind: str) -> RTCRtpReceiver:
        """Ask for one kind; its track is there after the answer."""
        receiver: RTCRtpReceiver = self.connection.addTransceiver(kind, "recvonly").receiver
        return receiver

    async def request(self, method: str, url: str, **more: Any) -> httpx2.Response:
        async with httpx2.AsyncClient() as client:
            headers = self._headers | more.pop("headers", {})
            return await client.request(method, url, headers=headers, timeout=20, **more)

    async def start(self) -> httpx2.Response:
        """Offer what was added, and take the answer. aiortc reports by REMB alone on what the path can carry."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = self.connection.localDescription.sdp
        answer = await self.request(
            "POST", self._url, content=offer, headers={"content-type": "application/sdp"}
        )
        if answer.status_code == 201:
            self.where = str(httpx2.URL(self._url).join(answer.headers["location"]))
            await self.connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        return answer

    async def state(self, wanted: str) -> None:
        """Wait until the connection is in this state."""
        changed = asyncio.Event()
        self.connection.on("connectionstatechange", changed.set)
        async with asyncio.timeout(15):
            while self.connection.connectionState != wanted:
                changed.clear()
                await changed.wait()


@asynccontextmanager
async def peer(server: Server, path: str, user: str, ticket: str | None = None) -> AsyncIterator[Peer]:
    """A peer of its own, or with a token that somebody had before."""
    room = path.split("/")[2]
    made = Peer(server, path, ticket or server.token(room, user, reusable=True))
    try:
        yield made
    finally:
        await made.connection.close()


async def pictures(receiver: RTCRtpReceiver, count: int = FRAMES) -> set[tuple[int, int]]:
    """The sizes of the next pictures."""
    sizes = set()
    async with asyncio.timeout(20):
        for _ in range(count):
            frame = await receiver.track.recv()
            assert isinstance(frame, av.VideoFrame)
            sizes.add((frame.width, frame.height))
    return sizes


async def test_what_one_peer_publishes_another_plays(server: Server) -> None:
    room = server.room("aiortc")
    async with AsyncExitStack() as stack:
        ann = await stack.enter_async_context(peer(server, f"/whip/{room}/cam", "ann"))
        ann.connection.addTrack(AudioStreamTrack())
        ann.connection.addTrack(VideoStreamTrack())
        assert (await ann.start()).status_code == 201
        await ann.state("connected")
        ben = await stack.enter_async_context(peer(server, f"/whep/{room}/cam", "ben"))
        video, audio = ben.receive("video"), ben.receive("audio")
        assert (await ben.start()).status_code == 201
        assert await pictures(video) == {(640, 480)}
        async with asyncio.timeout(10):
            await audio.track.recv()
        listed = server.rest("GET", f"/v1/rooms/{room}/participants").json()
        assert [one["user"] for one in listed] == ["ann", "ben"]

        assert (await ann.request("DELETE", ann.where)).status_code == 200
        await ben.state("closed")  # the source is gone, and the server says so
        assert (await ben.request("DELETE", ben.where)).status_code == 404
        assert server.rest("GET", f"/v1/rooms/{room}/participants").json() == []


async def test_an_encoder_that_vanished_comes_back(server: Server) -> None:
    room = server.room("again")
    ticket = server.token(room, "ann", reusable=True)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            ann = await stack.enter_async_context(peer(server, f"/whip/{room}/cam", "ann", ticket))
            ann.connection.addTrack(VideoStreamTrack())
            assert (await ann.start()).status_code == 201
            await ann.state("connected")
        other = await stack.enter_async_context(peer(server, f"/whip/{room}/cam", "ben"))
        other.connection.addTrack(VideoStreamTrack())
        assert (await other.start()).status_code == 409
        assert len(server.rest("GET", f"/v1/rooms/{room}/participants").json()) == 1
        ben = await stack.enter_async_context(peer(server, f"/whep/{room}/cam", "ben", ticket))
        video = ben.receive("video")
        assert (await ben.start()).status_code == 201
        assert await pictures(video, 3) == {(640, 480)}


async def test_a_drop_ends_the_session(server: Server) -> None:
    room = server.room("drop")
    async with peer(server, f"/whip/{room}", "ann") as ann:
        ann.connection.addTrack(AudioStreamTrack())
        assert (await ann.start()).status_code == 201
        await ann.state("connected")
        (participant,) = server.rest("GET", f"/v1/rooms/{room}/participants").json()
        assert server.rest("DELETE", f"/v1/rooms/{room}/participants/{participant['id']}").status_code == 200
        await ann.state("closed")
        assert (await ann.request("DELETE", ann.where)).status_code == 404


def encode(
    server: Server, room: str, ticket: str, certificate: tuple[Path, Path], stop: threading.Event
) -> None:
    """Publish as FFmpeg's WHIP muxer does: H264 without B frames and Opus, in real time."""
    cert, key = (str(path) for path in certificate)
    options = {"authorization": ticket, "cert_file": cert, "key_file": key}
    with av.open(f"{server.url}/whip/{room}/cam", "w", format="whip", options=options) as output:
        video = output.add_stream(
            "libx264", rate=30, options={"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
        )
        video.width, video.height, video.pix_fmt, video.gop_size = 320, 240, "yuv420p", 15
        audio = output.add_stream("libopus", rate=48000, layout="stereo", bit_rate=64000)
        begin, samples = time.monotonic(), 0
        for number in itertools.count():
            picture = av.VideoFrame(320, 240, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            output.mux(video.encode(picture))
            while samples < number * 1600:
                sound = av.AudioFrame("s16", "stereo", 960)
                for plane in sound.planes:
                    plane.update(bytes(plane.buffer_size))
                sound.sample_rate, sound.pts, sound.time_base = 48000, samples, Fraction(1, 48000)
                samples += 960
                output.mux(audio.encode(sound))
            if stop.wait(max(0.0, begin + (number + 1) / 30 - time.monotonic())):
                return


async def test_ffmpeg_publishes_and_takes_its_leave(server: Server, certificate: tuple[Path, Path]) -> None:
    room = server.room("ffmpeg")
    ticket, stop = server.token(room, "ffmpeg", reusable=True), threading.Event()
    encoding = asyncio.create_task(asyncio.to_thread(encode, server, room, ticket, certificate, stop))
    try:
        async with peer(server, f"/whep/{room}/cam", "ben", ticket) as ben:
            video = ben.receive("video")
            while (answer := await ben.start()).status_code == 404:  # nothing plays yet
                assert not encoding.done(), encoding.result()
                await asyncio.sleep(0.05)
            assert answer.status_code == 201, answer.text
            assert await pictures(video) == {(320, 240)}
            (stream,) = (
                one
                for one in server.rest("GET", f"/v1/rooms/{room}/streams").json()
                if one["type"] == "forward"
            )
            assert stream["media"]["video"]["format"]["codec"] == "h264"
            stop.set()
            await encoding
            await ben.state("closed")
    finally:
        stop.set()
    assert server.rest("GET", f"/v1/rooms/{room}/participants").json() == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of the kind that WebRTC asks for (RFC 8827 §6.5); GnuTLS makes itself others."""
    made = self_signed(tmp_path_factory.mktemp("ffmpeg"), ["127.0.0.1"])
    return made.cert, made.key
