"""A whole server mixes: who publishes is seen and heard in the view by real peers."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from typing import cast

import av
import numpy as np
import psutil
import pytest
from aiortc import RTCRtpReceiver
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from palaver.mixing.sound import Samples
from tests.mixing.scenes import plain, shade, strength
from tests.net.test_whip import Peer, peer
from tests.servers import Server

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]
HERTZ = (400.0, 700.0, 1000.0)


class Shade(VideoStreamTrack):
    """Pictures of one shade."""

    def __init__(self, luma: int, width: int = 320, height: int = 240) -> None:
        super().__init__()
        self._picture = (luma, width, height)

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        frame = plain(*self._picture)
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """One tone, at a fifth of full scale."""

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self._hertz, self._position = hertz, itertools.count(0, 960)

    async def recv(self) -> av.AudioFrame:
        silent = await super().recv()  # at the pace of real time
        assert silent.pts is not None
        start = next(self._position)
        t = np.arange(start, start + 960) / 48_000
        samples = (0.2 * 32767 * np.sin(2 * np.pi * self._hertz * t)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        return frame


class Watching:
    """The last picture and the last half second of sound that a receiver got."""

    def __init__(self) -> None:
        self.picture: av.VideoFrame | None = None
        self.pictures = 0
        self._blocks: list[Samples] = []
        self._resampler = av.AudioResampler("flt", "stereo", 48_000)

    async def watch(self, receiver: RTCRtpReceiver) -> None:
        while True:
            self.picture = cast("av.VideoFrame", await receiver.track.recv())
            self.pictures += 1

    async def listen(self, receiver: RTCRtpReceiver) -> None:
        while True:
            frame = cast("av.AudioFrame", await receiver.track.recv())
            for part in self._resampler.resample(frame):
                self._blocks.append(np.float32(part.to_ndarray()).reshape(-1, 2))
            del self._blocks[:-25]

    def tones(self) -> list[float]:
        return strength(np.concatenate(self._blocks), HERTZ) if len(self._blocks) == 25 else []

    def shade(self, x: float, y: float) -> int:
        return shade(self.picture, x, y) if self.picture is not None else -1


async def until(condition: Callable[[], object], seen: Callable[[], object] = lambda: None) -> None:
    """Wait until ``condition`` holds; ``seen`` is told if it never does."""
    try:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # what is awaited happens in another process
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"still {seen()}") from None


def mix(server: Server, room: str, stream: str, view: str = "common") -> None:
    change = [{"op": "add", "path": "/info/inViews", "value": view}]
    answer = server.rest("PATCH", f"/v1.1/rooms/{room}/streams/{stream}", change)
    assert answer.status_code == 200, answer.text
    assert answer.json()["info"]["inViews"] == [view]


@asynccontextmanager
async def viewer(server: Server, room: str, tasks: asyncio.TaskGroup) -> AsyncIterator[Watching]:
    """Somebody who plays the room's view."""
    async with peer(server, f"/whep/{room}", "viewer") as player:
        video, audio = player.receive("video"), player.receive("audio")
        answer = await player.start()
        assert answer.status_code == 201, answer.text
        watching = Watching()
        running = [tasks.create_task(watching.watch(video)), tasks.create_task(watching.listen(audio))]
        try:
            yield watching
        finally:
            for one in running:
                one.cancel()


async def publish(
    stack: AsyncExitStack, server: Server, room: str, number: int, *, mixed: bool = True
) -> Peer:
    """Somebody with a shade and a tone of its own, in the view unless said."""
    one = await stack.enter_async_context(peer(server, f"/whip/{room}/s{number}", f"user{number}"))
    one.connection.addTrack(Tone(HERTZ[number]))
    one.connection.addTrack(Shade(60 + 60 * number))
    answer = await one.start()
    assert answer.status_code == 201, answer.text
    await one.state("connected")
    await until(
        lambda: f"s{number}" in [s["id"] for s in server.rest("GET", f"/v1/rooms/{room}/streams").json()]
    )
    if mixed:
        mix(server, room, f"s{number}")
    return one


async def test_everybody_in_the_view_is_seen_and_heard(server: Server) -> None:
    room = server.room("mixing")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        peers = [await publish(stack, server, room, number) for number in range(3)]
        view = await stack.enter_async_context(viewer(server, room, tasks))
        places = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]

        def seen() -> tuple[list[int], list[float]]:
            return [view.shade(*place) for place in places], view.tones()

        def right(shades: list[int], tones: list[bool]) -> bool:
            found, heard = seen()
            return (
                all(abs(one - other) <= 6 for one, other in zip(found, shades, strict=True))
                and bool(heard)
                and all((amplitude > 0.1) is there for amplitude, there in zip(heard, tones, strict=True))
            )

        await until(lambda: right([60, 120, 180, 16], [True, True, True]), seen)
        listed = server.rest("GET", f"/v1.1/rooms/{room}/streams").json()
        assert [p.get("stream") for p in listed[0]["info"]["layout"]] == ["s0", "s1", "s2", None]

        mute = [{"op": "replace", "path": "/media/audio/status", "value": "inactive"}]
        assert server.rest("PATCH", f"/v1.1/rooms/{room}/streams/s0", mute).status_code == 200
        swap = [{"op": "replace", "path": "/info/layout/0/stream", "value": "s2"}]
        assert server.rest("PATCH", f"/v1.1/rooms/{room}/streams/{room}-common", swap).status_code == 200
        await until(lambda: right([180, 120, 60, 16], [False, True, True]), seen)

        await peers[1].request("DELETE", peers[1].where)
        await until(lambda: right([180, 60, 16, 16], [False, False, True]), seen)


async def test_whoever_falls_silent_shows_a_name(server: Server) -> None:
    room = server.room("mixing")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        one = await publish(stack, server, room, 1)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        await until(lambda: abs(view.shade(0.5, 0.5) - 120) <= 6, lambda: view.shade(0.5, 0.5))
        await one.connection.getSenders()[0].transport.transport._connection.close()  # without a word
        await until(lambda: abs(view.shade(0.02, 0.5) - 34) <= 4, lambda: view.shade(0.02, 0.5))


async def test_a_killed_mixer_comes_back_and_forwarding_goes_on(server: Server) -> None:
    await until(lambda: server.metric("media_pipelines") == 0)  # those of other tests
    restarts = server.metric("media_pipeline_restarts_total")
    room = server.room("killed")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        await until(lambda: abs(view.shade(0.5, 0.5) - 120) <= 6)
        for child in psutil.Process(server.process.pid).children(recursive=True):
            if child.num_threads() > 3 and "forkserver" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)
        before = view.pictures
        await until(lambda: view.pictures > before + 60)
        assert abs(view.shade(0.5, 0.5) - 120) <= 6
        assert server.metric("media_pipeline_restarts_total") == restarts + 1


async def test_a_player_that_lacks_the_codec_gets_the_stream_in_its_own(server: Server) -> None:
    room = server.room("another codec")
    capabilities = RTCRtpReceiver.getCapabilities("video")
    assert capabilities is not None
    capable = [one for one in capabilities.codecs if one.name == "H264"]
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1, mixed=False)
        player = await stack.enter_async_context(peer(server, f"/whep/{room}/s1", "viewer"))
        section = player.connection.addTransceiver("video", "recvonly")
        section.setCodecPreferences(capable)
        answer = await player.start()
        assert "H264/90000" in answer.text
        assert "VP8/90000" not in answer.text
        watching = Watching()
        task = tasks.create_task(watching.watch(section.receiver))
        await until(lambda: abs(watching.shade(0.5, 0.5) - 120) <= 6)
        assert watching.picture is not None
        assert (watching.picture.width, watching.picture.height) == (320, 240)
        task.cancel()


async def test_nothing_runs_for_a_view_that_nobody_sees(server: Server) -> None:
    await until(lambda: server.metric("media_pipelines") == 0)
    room = server.room("unseen")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 0)
        assert server.metric("media_pipelines") == 0
        async with viewer(server, room, tasks) as view:
            await until(lambda: view.pictures > 10)
            assert server.metric("media_pipelines") == 1
        await until(lambda: server.metric("media_pipelines") == 0)
