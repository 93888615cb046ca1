"""A room with a source and sinks of the server on the real engine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from palaver.media.encoders import USUAL_FORMS, FormLimits
from palaver.media.endpoints import Endpoint, EndpointKind, RoomMedia
from palaver.media.pipelines.frames import Codec, FrameSocket, Message, Type
from palaver.room.endpoints import FileSink, PullSource, TestSource
from palaver.room.messages import (
    Action,
    OpenSink,
    OpenSource,
    SetComposition,
    SetSinkOrigin,
    SourceReady,
)
from palaver.room.values import (
    Composition,
    Format,
    MixInput,
    Resolution,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    VideoFormat,
    VideoParameters,
    View,
)
from palaver.streaming import generate
from palaver.streaming.pull import pull
from tests.contract.engines import OPUS, ROOM, VP8, Bench, working

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


@asynccontextmanager
async def open_house(forms: FormLimits = USUAL_FORMS) -> AsyncIterator[House]:
    """A house in which nothing is yet."""
    listeners: list[Listener] = []

    def listener(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        listeners.append(Listener(action, media))
        return listeners[-1]

    kinds = {
        TestSource: generate.KIND,
        PullSource: pull(allow_loopback=True, tls_verify=True, give_up_s=0),
        FileSink: EndpointKind(listener),
    }
    async with working("local", kinds=kinds, forms=forms) as bench:
        yield House(bench, listeners)


def picture(**wishes: object) -> SubscribedTrack:
    """The source's picture, as it comes unless something is wished for."""
    track = SubscribedTrack("video", S, format=VP8, formats=(VP8,))
    return replace(track, **wishes)  # type: ignore[arg-type]  # fields of a track
