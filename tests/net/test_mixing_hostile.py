"""Mixers that are killed and stopped, publishers that send garbage: the rest of the room does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import psutil
import pytest
from aiortc import RTCRtpReceiver

from tests.net.cameras import Camera, any_codec, prefer
from tests.net.test_mixing import Watching, mix, publish, until, viewer
from tests.net.test_whip import Peer, peer
from tests.servers import Server

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]
__all__ = ["any_codec"]

CODECS = ("vp8", "vp9", "h264", "h265", "av1")
EVERY_CODEC = {
    "audio": [{"codec": "opus", "sampleRate": 48000, "channelNum": 2}],
    "video": [{"codec": codec} for codec in CODECS],
}
STILL = 6  # by how much a shade may be off after coding


class Pace:
    """How many pictures of a forwarded stream came."""

    def __init__(self) -> None:
        self.count = 0

    async def watch(self, receiver: RTCRtpReceiver) -> None:
        while True:
            await receiver.track.recv()
            self.count += 1


def pipelines(server: Server) -> list[psutil.Process]:
    """The processes that mix: they have threads, their fork server has none."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    return [one for one in children if "forkserver" in " ".join(one.cmdline()) and one.num_threads() > 3]


@asynccontextmanager
async def forwarded(server: Server, room: str, stream: str, tasks: asyncio.TaskGroup) -> AsyncIterator[Pace]:
    """Somebody who plays a stream as it is published."""
    async with peer(server, f"/whep/{room}/{stream}", "beside") as player:
        video = player.receive("video")
        assert (await player.start()).status_code == 201
        pace = Pace()
        task = tasks.create_task(pace.watch(video))
        await until(lambda: pace.count > 10)
        try:
            yield pace
        finally:
            task.cancel()


async def shoot(
    stack: AsyncExitStack, server: Server, room: str, name: str, camera: Camera, codec: str = "vp8"
) -> Peer:
    """Publish a camera, and mix it."""
    one = await stack.enter_async_context(peer(server, f"/whip/{room}/{name}", name))
    section = one.connection.addTransceiver(camera, "sendonly")
    prefer(section, codec)
    answer = await one.start()
    assert answer.status_code == 201, answer.text
    assert f"{codec.upper()}/90000" in answer.text
    await one.state("connected")
    await until(lambda: name in [s["id"] for s in server.rest("GET", f"/v1/rooms/{room}/streams").json()])
    mix(server, room, name)
    return one


def beyond(view: Watching, count: int) -> bool:
    return view.pictures > count


def damaged(server: Server) -> float:
    """Frames of inputs that could not be decoded; pipelines say it twice a second."""
    with contextlib.suppress(KeyError):
        return server.metric("media_pipeline_pictures_damaged")
    return 0


def near(view: Watching, x: float, y: float, luma: int) -> bool:
    return abs(view.shade(x, y) - luma) <= STILL


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_mixer_that_dies_or_hangs_is_replaced_and_forwarding_goes_on(
    server: Server, how: signal.Signals
) -> None:
    await until(lambda: server.metric("media_pipelines") == 0)  # those of other tests
    restarts = server.metric("media_pipeline_restarts_total")
    room = server.room(f"mixer {how.name}")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        pace = await stack.enter_async_context(forwarded(server, room, "s1", tasks))
        for _ in range(2):
            await until(lambda: near(view, 0.5, 0.5, 120))
            (mixer,) = pipelines(server)
            seen, beside = view.pictures, pace.count
            mixer.send_signal(how)
            await until(partial(beyond, view, seen + 40))
            assert pace.count > beside + 20
            assert mixer.pid not in [one.pid for one in pipelines(server)]
        await until(lambda: near(view, 0.5, 0.5, 120) and any(view.tones()))
        assert server.metric("media_pipeline_restarts_total") == restarts + 2
        assert server.metric("media_pipelines") == 1


async def test_the_death_of_the_fork_server_is_survived(server: Server) -> None:
    await until(lambda: server.metric("media_pipelines") == 0)
    room = server.room("no fork server")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        pace = await stack.enter_async_context(forwarded(server, room, "s1", tasks))
        await until(lambda: near(view, 0.5, 0.5, 120))
        (mixer,) = pipelines(server)
        parent = mixer.parent()
        assert parent is not None
        assert parent.pid != server.process.pid
        seen, beside = view.pictures, pace.count
        parent.kill()
        await until(lambda: not mixer.is_running())  # it dies with its fork server
        await until(lambda: view.pictures > seen + 40 and pace.count > beside + 20)
        await until(lambda: near(view, 0.5, 0.5, 120))


@pytest.mark.usefixtures("any_codec")
async def test_broken_frames_of_every_codec_cost_their_own_tile(server: Server) -> None:
    await until(lambda: server.metric("media_pipelines") == 0)
    restarts = server.metric("media_pipeline_restarts_total")
    room = server.room("broken frames", mediaIn=EVERY_CODEC)
    places = [(0.17, 0.17), (0.5, 0.17), (0.83, 0.17), (0.17, 0.5), (0.5, 0.5), (0.83, 0.5)]
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        cameras = [Camera(70 + 30 * number) for number in range(len(CODECS))]
        for codec, camera in zip(CODECS, cameras, strict=True):
            await shoot(stack, server, room, codec, camera, codec)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        shades = [120, *(camera.luma for camera in cameras)]

        def right() -> bool:
            return all(near(view, *place, luma) for place, luma in zip(places, shades, strict=True))

        await until(right, lambda: [view.shade(*place) for place in places])
        for camera in cameras:
            camera.broken = True
        await until(lambda: damaged(server) >= 60, lambda: damaged(server))
        # One that is sound is still seen and heard.
        await until(lambda: near(view, *places[0], 120) and any(view.tones()))
        for camera in cameras:
            camera.broken = False
        await until(right, lambda: [view.shade(*place) for place in places])
        assert server.metric("media_pipeline_restarts_total") == restarts


@pytest.mark.usefixtures("any_codec")
@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
async def test_an_input_that_changes_its_size_all_the_time(server: Server, codec: str) -> None:
    await until(lambda: server.metric("media_pipelines") == 0)
    restarts = server.metric("media_pipeline_restarts_total")
    room = server.room(f"sizes of {codec}")
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        camera = Camera(180)
        await shoot(stack, server, room, "changing", camera, codec)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        for size in [(320, 240), (64, 64), (96, 160), (640, 360), (2, 2), (322, 182)] * 2:
            camera.size, camera.luma = size, 100 if camera.luma == 180 else 180
            await until(partial(near, view, 0.75, 0.25, camera.luma), partial(view.shade, 0.75, 0.25))
            await until(lambda: near(view, 0.25, 0.25, 120), lambda: view.shade(0.25, 0.25))
        assert server.metric("media_pipeline_restarts_total") == restarts


@pytest.mark.usefixtures("any_codec")
async def test_those_who_join_and_leave_leave_nothing(server: Server) -> None:
    await until(lambda: server.metric("media_pipelines") == 0)
    names = ("media_producers", "media_consumers", "media_transports")
    restarts = server.metric("media_pipeline_restarts_total")
    room = server.room("coming and going", mediaIn=EVERY_CODEC)
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        await publish(stack, server, room, 1)
        view = await stack.enter_async_context(viewer(server, room, tasks))
        await until(lambda: near(view, 0.5, 0.5, 120))
        before = [server.metric(name) for name in names]
        for number in range(12):
            async with AsyncExitStack() as guests:
                codec = CODECS[number % len(CODECS)]
                guest = await shoot(guests, server, room, f"guest{number}", Camera(180), codec)
                await until(lambda: near(view, 0.75, 0.25, 180), lambda: view.shade(0.75, 0.25))
                await until(lambda: near(view, 0.25, 0.25, 120), lambda: view.shade(0.25, 0.25))
                await guest.request("DELETE", guest.where)
            await until(lambda: near(view, 0.5, 0.5, 120), lambda: view.shade(0.5, 0.5))
        await until(lambda: [server.metric(name) for name in names] == before)
        assert server.metric("media_pipelines") == 1
        assert server.metric("media_pipeline_restarts_total") == restarts
