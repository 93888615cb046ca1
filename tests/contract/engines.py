"""An engine at work for one test, with all it reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from palaver.media.encoders import USUAL_FORMS, FormLimits
from palaver.media.endpoints import EndpointKind
from palaver.media.fake import FakeEngine
from palaver.media.local import LocalEngine
from palaver.media.ports import Engine
from palaver.mixing.mixes import Mixes
from palaver.room.endpoints import PublishedTrack, WebRtcSink, WebRtcSource
from palaver.room.messages import OpenSink, OpenSource, Report
from palaver.room.values import (
    ANY_LAYER,
    AudioFormat,
    LayerPreference,
    ParticipantId,
    RoomId,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    TransportId,
    VideoFormat,
)
from tests.contract.guests import Caller, Guest, Writer

ROOM = RoomId("room")
OPUS = AudioFormat("opus", 48000, 2)
VP8 = VideoFormat("vp8")
DEADLINE_S = 30


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what no event tells."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # gauges and counters tell nobody that they changed
            await asyncio.sleep(0.01)


def counter(bench: Bench, name: str) -> float:
    """A figure of the engine's."""
    return bench.engine.stats()[name]


class Bench:
    """An engine, its reports so far, and guests to talk to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.reports: list[Report] = []
        self.over = asyncio.Event()
        self.stop: Callable[[], object] = self.over.set
        """Stops the engine as its owner would."""
        self._guests: list[Caller] = []
        self._more = asyncio.Event()

    async def listen(self) -> None:
        """Collect reports until the engine stops."""
        async for _, report in self.engine.reports():
            self.reports.append(report)
            self._more.set()
        self.over.set()

    def guest(self, owner: str, transport: str | None = None, room: RoomId = ROOM) -> Guest:
        """A client whose transport is called after its owner unless said."""
        at = (room, ParticipantId(owner), TransportId(transport or owner))
        if isinstance(self.engine, FakeEngine):
            return Writer(self.engine, *at)
        self._guests.append(Caller(self.engine, *at))
        return self._guests[-1]

    async def open_source(
        self,
        stream: str,
        owner: str,
        *,
        audio: str | None = None,
        video: str | None = None,
        transport: str | None = None,
        formats: tuple[VideoFormat, ...] = (VP8,),
        room: RoomId = ROOM,
    ) -> None:
        """Expect a publication on the sections of these mids."""
        tracks = []
        if audio is not None:
            tracks.append(PublishedTrack("audio", audio, "mic"))
        if video is not None:
            tracks.append(PublishedTrack("video", video, "camera"))
        source = WebRtcSource(TransportId(transport or owner), tuple(tracks))
        action = OpenSource(StreamId(stream), ParticipantId(owner), source, (OPUS,), formats)
        await self.engine.perform(room, action)

    async def open_sink(
        self,
        name: str,
        owner: str,
        stream: str,
        mid: str,
        *,
        audio: str | None = None,
        format: VideoFormat = VP8,  # noqa: A002  # the glossary's word
        active: bool = True,
        layer: LayerPreference = ANY_LAYER,
        transcoded: bool = False,
    ) -> None:
        """Send the picture of ``stream`` on section ``mid``, and its sound on section ``audio``."""
        tracks = [
            SubscribedTrack(
                "video",
                StreamId(stream),
                mid=mid,
                format=format,
                active=active,
                layer=layer,
                formats=(format,),
                transcoded=transcoded,
            )
        ]
        if audio is not None:
            tracks.append(SubscribedTrack("audio", StreamId(stream), mid=audio, format=OPUS, active=active))
        transport = TransportId(owner)
        subscription = Subscription(SubscriptionId(name), ParticipantId(owner), transport, tuple(tracks))
        await self.engine.perform(ROOM, OpenSink(subscription, WebRtcSink(transport)))

    async def published(self, owner: str = "ann", stream: str = "s") -> Guest:
        """A guest whose publication with sound and picture is ready."""
        guest = self.guest(owner)
        audio, video = guest.add("audio", "sendonly"), guest.add("video", "sendonly")
        await self.open_source(stream, owner, audio=audio, video=video)
        await guest.negotiate()
        await self.heard("SourceReady", stream)
        return guest

    async def heard(self, kind: str, subject: str, deadline_s: float = DEADLINE_S) -> Report:
        """Wait for the report of this class about this stream, subscription or transport."""

        def found() -> list[Report]:
            return [r for r in self.reports if type(r).__name__ == kind and subject in _subjects(r)]

        async with asyncio.timeout(deadline_s):
            while not found():
                self._more.clear()
                await self._more.wait()
        return found()[0]

    def story(self) -> list[tuple[str, str]]:
        """What was reported about sessions and transports, in order, as (class, subject)."""
        kinds = [r for r in self.reports if type(r).__name__ not in ("ResolutionSeen", "LayerSeen")]
        return [(type(r).__name__, _subjects(r)[0]) for r in kinds]

    def held(self) -> int:
        """Everything the engine remembers of rooms, transports and sessions."""
        kept = {k: v for k, v in vars(self.engine).items() if k not in ("performed", "_reports")}
        return sum(len(v) for v in kept.values() if hasattr(v, "__len__") and not isinstance(v, str | tuple))

    async def release(self) -> None:
        """Let the guests go."""
        for guest in self._guests:
            await guest.vanish()


def _subjects(report: Report) -> list[str]:
    return [getattr(report, n) for n in ("stream", "subscription", "transport") if hasattr(report, n)]


@asynccontextmanager
async def working(
    kind: str,
    *,
    connect_timeout_s: float = 30.0,
    public_addresses: tuple[str, ...] = (),
    kinds: Mapping[type, EndpointKind] | None = None,
    forms: FormLimits = USUAL_FORMS,
) -> AsyncIterator[Bench]:
    """The engine called "fake" or "local", with everything it needs."""
    local = partial(
        LocalEngine,
        ["127.0.0.1"],
        0,
        2,
        encoders=Mixes,
        kinds=kinds,
        forms=forms,
        connect_timeout_s=connect_timeout_s,
        public_addresses=public_addresses,
    )
    engine = FakeEngine(kinds) if kind == "fake" else local()
    bench = Bench(engine)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.listen())
        if isinstance(engine, FakeEngine):
            bench.stop = engine.stop
        else:
            bench.stop = tasks.create_task(engine.run()).cancel
        try:
            yield bench
        finally:
            await bench.release()
            bench.stop()
