"""The server's own sources and sinks on the real engine: media flows from and to them as from and to clients."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import psutil
import pytest

from palaver.media.endpoints import Endpoint, EndpointKind, RoomMedia
from palaver.media.pipelines.frames import Codec, FrameSocket, Message, Type
from palaver.mixing.canvas import planes
from palaver.room.endpoints import FileSink, TestSource
from palaver.room.messages import (
    Action,
    CloseSink,
    CloseSource,
    OpenSink,
    OpenSource,
    SetComposition,
    SetSinkOrigin,
    SetSourceActive,
    SourceReady,
    SourceResumed,
)
from palaver.room.values import (
    AudioFormat,
    Composition,
    Format,
    MixInput,
    Placement,
    Region,
    Resolution,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    Track,
    VideoFormat,
    VideoParameters,
    View,
)
from palaver.streaming import generate
from tests.contract.engines import OPUS, ROOM, VP8, Bench, counter, until, working
from tests.contract.guests import Caller

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]

S, VIEW = StreamId("bars"), StreamId("room-common")
H264 = VideoFormat("h264", "CB")
QUARTER = Resolution(320, 180)


@dataclass
class Listener:
    """A sink whose pipeline is the test itself: it keeps what its taps bring."""

    action: OpenSource | OpenSink
    media: RoomMedia
    frames: list[Message] = field(default_factory=list)
    formats: dict[str, Format] = field(default_factory=dict)
    silence: int = 0

    def __post_init__(self) -> None:
        ours, cores = socket.socketpair()
        self._frames = FrameSocket(ours)
        self._pipeline = self.media.pipelines.core.open_pipeline(self.media.thread, cores.detach())
        assert isinstance(self.action, OpenSink)
        self._tracks = self.action.subscription.tracks
        self._reader = threading.Thread(target=self._read, daemon=True)

    async def run(self) -> None:
        self._reader.start()
        try:
            self._tap(self._tracks)
            self.media.ready()
            await asyncio.Event().wait()
        finally:
            self.media.pipelines.core.close_pipeline(self._pipeline)
            await asyncio.to_thread(self._reader.join)
            self._frames.close()

    def _tap(self, tracks: tuple[SubscribedTrack, ...]) -> None:
        self._taps = []
        for track in tracks:
            number = 1 if track.kind == "video" else 2
            tap = self.media.tap(track, self._pipeline, number)
            assert tap is not None
            self._taps.append(tap)
            self.formats[track.kind] = tap.format

    def change(self, action: Action) -> None:
        assert isinstance(action, SetSinkOrigin)
        for tap in self._taps:
            tap.close()
        self.frames.clear()
        self._tap((action.track,))

    def _read(self) -> None:
        while messages := self._frames.receive():
            self.frames += [message for message in messages if message.type is Type.FRAME]

    def got(self, codec: Codec) -> list[Message]:
        return [message for message in list(self.frames) if message.codec == codec]


@dataclass
class House:
    bench: Bench
    listeners: list[Listener]

    async def bars(self, formats: tuple[VideoFormat, ...] = (VP8,)) -> SourceReady:
        await self.bench.engine.perform(ROOM, OpenSource(S, None, TestSource(), (OPUS,), formats))
        ready = await self.bench.heard("SourceReady", S, 30)
        assert isinstance(ready, SourceReady)
        return ready

    async def listen(self, *tracks: SubscribedTrack, name: str = "file") -> Listener:
        subscription = Subscription(SubscriptionId(name), None, None, tracks)
        await self.bench.engine.perform(ROOM, OpenSink(subscription, FileSink("a.mkv", "mkv")))
        await self.bench.heard("SinkReady", name)
        return self.listeners[-1]

    async def view(self) -> None:
        view = View("common", OPUS, VP8, VideoParameters(QUARTER, 15.0, None, 100))
        composition = Composition(view, (), (MixInput(S, None, "bars"),))
        await self.bench.engine.perform(ROOM, SetComposition(VIEW, composition))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    listeners: list[Listener] = []

    def listener(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        listeners.append(Listener(action, media))
        return listeners[-1]

    kinds = {TestSource: generate.KIND, FileSink: EndpointKind(listener)}
    async with working("local", kinds=kinds) as bench:
        yield House(bench, listeners)


def picture(**wishes: object) -> SubscribedTrack:
    track = SubscribedTrack("video", S, format=VP8, formats=(VP8,))
    return replace(track, **wishes)  # type: ignore[arg-type]  # fields of a track


async def test_a_test_source_says_what_it_makes(house: House) -> None:
    ready = await house.bars()
    parameters = VideoParameters(Resolution(640, 360), 30.0)
    assert ready.tracks == (Track("audio", OPUS), Track("video", VP8, parameters=parameters))
    await house.bench.engine.perform(ROOM, CloseSource(S))
    await until(lambda: counter(house.bench, "producers") == 0)
    await until(lambda: house.bench.held() == 0)


async def test_a_test_source_takes_the_format_that_the_room_takes(house: House) -> None:
    ready = await house.bars((H264,))
    assert ready.tracks[1].format == H264


async def test_a_client_sees_the_bars(house: House) -> None:
    await house.bars()
    guest = house.bench.guest("ben")
    assert isinstance(guest, Caller)
    await house.bench.open_sink("sub", "ben", S, guest.add("video", "recvonly"))
    await guest.negotiate()
    await house.bench.heard("SinkReady", "sub")
    track = guest.received("0")
    async with asyncio.timeout(30):
        while not _shows_bars(await track.recv()):
            pass


def _shows_bars(frame: object) -> bool:
    luma = planes(frame)[0]  # type: ignore[arg-type]  # pictures of PyAV
    shades = [int(luma[20, at]) for at in range(45, 640, 91)]
    return len(shades) == 7 and shades == sorted(shades, reverse=True) and shades[0] - shades[-1] > 100


async def test_a_sink_gets_a_stream_as_it_comes(house: House) -> None:
    await house.bars()
    listener = await house.listen(picture(), SubscribedTrack("audio", S, format=OPUS, formats=(OPUS,)))
    await until(lambda: listener.got(Codec.VP8) and listener.got(Codec.OPUS))
    assert listener.formats == {"video": VP8, "audio": OPUS}
    assert listener.got(Codec.VP8)[0].key_frame
    assert counter(house.bench, "pipelines") == 0, "nothing is transcoded"


async def test_a_sink_gets_a_stream_in_another_form_and_another_stream(house: House) -> None:
    await house.bars()
    wanted = picture(formats=(H264,), transcoded=True, parameters=VideoParameters(QUARTER))
    listener = await house.listen(wanted)
    await until(lambda: listener.got(Codec.H264))
    assert listener.formats == {"video": H264}
    await house.view()
    view = picture(stream=VIEW, transcoded=True)
    await house.bench.engine.perform(ROOM, SetSinkOrigin(SubscriptionId("file"), view))
    await until(lambda: listener.got(Codec.VP8))
    await house.bench.engine.perform(ROOM, CloseSink(SubscriptionId("file")))
    await house.bench.engine.close_room(ROOM)
    await until(lambda: house.bench.held() == 0)


async def test_a_sink_hears_a_view_that_the_source_is_in(house: House) -> None:
    await house.bars()
    await house.view()
    sound = SubscribedTrack("audio", VIEW, format=OPUS, formats=(OPUS,), transcoded=True)
    listener = await house.listen(sound)
    await until(lambda: len(listener.got(Codec.OPUS)) > 5)


async def test_a_view_that_no_mixer_can_be_told_of_ends_nothing_else(house: House) -> None:
    await house.bars()
    whole = Region("1", "0", "0", "1", "1")
    view = View("huge", OPUS, VP8, VideoParameters(QUARTER, 15.0, None, 100))
    huge = Composition(view, (Placement(whole, S),) * 30_000, (MixInput(S, None, "bars"),))
    await house.bench.engine.perform(ROOM, SetComposition(StreamId("room-huge"), huge))
    await house.listen(picture(stream=StreamId("room-huge"), transcoded=True))
    await until(lambda: counter(house.bench, "pipeline_restarts_total") >= 2)
    assert counter(house.bench, "tasks_failed_total") >= 2
    await house.view()
    other = await house.listen(picture(stream=VIEW, transcoded=True), name="other")
    await until(lambda: other.got(Codec.VP8))


async def test_a_sink_that_asks_for_what_nobody_encodes_is_lost(house: House) -> None:
    await house.bars()
    wanted = SubscribedTrack("audio", S, formats=(AudioFormat("speex"),), transcoded=True)
    subscription = Subscription(SubscriptionId("file"), None, None, (wanted,))
    await house.bench.engine.perform(ROOM, OpenSink(subscription, FileSink("a.mkv", "mkv")))
    await house.bench.heard("SinkLost", "file")


async def test_nothing_comes_of_a_muted_source(house: House) -> None:
    await house.bars()
    listener = await house.listen(picture())
    await until(lambda: listener.got(Codec.VP8))
    await house.bench.engine.perform(ROOM, SetSourceActive(S, "video", active=False))
    await until(lambda: _falls_silent(listener))
    await house.bench.engine.perform(ROOM, SetSourceActive(S, "video", active=True))
    await until(lambda: listener.got(Codec.VP8))


def _falls_silent(listener: Listener) -> bool:
    """Whether nothing has come since this was asked the last thirty times."""
    listener.silence = 0 if listener.frames else listener.silence + 1
    listener.frames.clear()
    return listener.silence > 30


async def test_a_source_whose_process_is_killed_comes_back(house: House) -> None:
    await house.bars()
    listener = await house.listen(picture())
    await until(lambda: listener.got(Codec.VP8))
    fork_servers = [
        child
        for child in psutil.Process().children()
        if any("forkserver" in word for word in child.cmdline())
    ]
    victims = [child for fork_server in fork_servers for child in fork_server.children()]
    assert victims
    for victim in victims:
        os.kill(victim.pid, signal.SIGKILL)
    await house.bench.heard("SourceInterrupted", S, 30)
    resumed = await house.bench.heard("SourceResumed", S, 30)
    assert isinstance(resumed, SourceResumed)
    listener.frames.clear()
    await until(lambda: listener.got(Codec.VP8))
