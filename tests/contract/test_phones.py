"""Peers of plain RTP on the real engine: two phones in a view, each of which hears exactly the other."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
import pytest

from palaver.media.endpoints import Endpoint, EndpointKind, RoomMedia
from palaver.media.formats import Payload
from palaver.media.local import LocalEngine
from palaver.media.ports import EngineError
from palaver.media.rtp import RtpSection, RtpTransport
from palaver.room.endpoints import FileSink, PullSource
from palaver.room.messages import Action, OpenSink, OpenSource, SetComposition
from palaver.room.values import (
    AudioFormat,
    Composition,
    MixInput,
    ParticipantId,
    Resolution,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    VideoParameters,
    View,
)
from tests.contract.engines import OPUS, ROOM, VP8, Bench, until, working

pytestmark = [pytest.mark.net, pytest.mark.timeout(120)]

VIEW = StreamId("room-common")
FRAME = 160
RATE = 8000
PTS = {"pcmu": 0, "pcma": 8}


@dataclass
class Phone(asyncio.DatagramProtocol):
    """A bare peer: it sends a tone, and keeps what it gets. It listens to the transport as signalling does."""

    name: str
    tone_hz: int
    codec: str
    heard: list[bytes] = field(default_factory=list)
    latches: int = 0
    keys: str = ""
    transport: RtpTransport | None = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data[1] & 0x7F == PTS[self.codec]:
            self.heard.append(data[12:])

    def latched(self, address: str, port: int) -> None:
        self.latches += 1

    def digit(self, digit: str) -> None:
        self.keys += digit

    def silent(self, silent: bool) -> None:
        """Nobody waits for it."""

    def picture_wanted(self) -> None:
        """It has none."""

    def lost(self, reason: str) -> None:
        raise AssertionError(reason)

    async def call(self, engine: LocalEngine) -> None:
        """Agree on a codec, and talk until cancelled."""
        loop = asyncio.get_running_loop()
        endpoint, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.transport = engine.rtp.open(self)
        remote = endpoint.get_extra_info("sockname")
        payload = Payload(PTS[self.codec], self.codec, RATE, 1)
        self.transport.configure(RtpSection(payload, remote, events=((101, RATE),)))
        target = (self.transport.address, self.transport.port)
        encoder: Any = av.CodecContext.create({"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}[self.codec], "w")
        encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
        try:
            for number in range(1 << 15):
                times = np.arange(number * FRAME, (number + 1) * FRAME) / RATE
                samples = (8000 * np.sin(2 * math.pi * self.tone_hz * times)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="s16", layout="mono")
                frame.sample_rate = RATE
                frame.pts = None
                sound = b"".join(bytes(packet) for packet in encoder.encode(frame))
                header = struct.pack(">BBHII", 0x80, PTS[self.codec], number, number * FRAME, self.tone_hz)
                endpoint.sendto(header + sound, target)
                await asyncio.sleep(0.02)
        finally:
            endpoint.close()
            self.transport.close()

    def share(self, tone_hz: int) -> float:
        """How much of the last half second that it heard is this tone."""
        decoder: Any = av.CodecContext.create({"pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}[self.codec], "r")
        decoder.sample_rate, decoder.layout = RATE, "mono"
        sound = b"".join(self.heard[-25:])
        frames = decoder.decode(av.Packet(sound)) if len(sound) >= RATE // 2 else []
        if not frames:
            return 0.0
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(float)
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
        hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
        return float(spectrum[abs(hertz - tone_hz) < 30].sum() / (spectrum.sum() + 1e-9))


@dataclass
class Call:
    """A phone's stream, or what it is sent."""

    action: OpenSource | OpenSink
    media: RoomMedia
    phone: Phone

    async def run(self) -> None:
        assert self.phone.transport is not None
        if isinstance(self.action, OpenSource):
            self.media.ready((self.media.receive(self.phone.transport).described(),))
        else:
            (track,) = self.action.subscription.tracks
            assert self.media.send(track, self.phone.transport) is not None
            self.media.ready()
        await asyncio.Event().wait()

    def change(self, action: Action) -> None:
        """Nothing changes here."""


@asynccontextmanager
async def exchange(*phones: Phone) -> AsyncIterator[Bench]:
    """Phones that publish, each as its own participant, in a room with a view of them all."""
    by_name = {phone.name: phone for phone in phones}

    def open_call(action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        owner = action.owner if isinstance(action, OpenSource) else action.subscription.owner
        return Call(action, media, by_name[str(owner)])

    kinds = {PullSource: EndpointKind(open_call), FileSink: EndpointKind(open_call)}
    async with working("local", kinds=kinds) as bench:
        engine = bench.engine
        assert isinstance(engine, LocalEngine)
        calls = [asyncio.create_task(phone.call(engine)) for phone in phones]
        await until(lambda: all(phone.transport is not None for phone in phones))
        for phone in phones:
            forms = (AudioFormat(phone.codec),)
            source = OpenSource(StreamId(phone.name), ParticipantId(phone.name), PullSource(), forms, ())
            await engine.perform(ROOM, source)
            await bench.heard("SourceReady", phone.name)
        inputs = tuple(MixInput(StreamId(one.name), ParticipantId(one.name), one.name) for one in phones)
        view = View("common", OPUS, VP8, VideoParameters(Resolution(320, 180), 15.0, None, 100))
        await engine.perform(ROOM, SetComposition(VIEW, Composition(view, (), inputs)))
        try:
            yield bench
        finally:
            for call in calls:
                call.cancel()
                with suppress(asyncio.CancelledError):
                    await call
            await until(lambda: not len(engine.rtp))


async def test_phones_in_a_view_hear_each_other_and_not_themselves() -> None:
    ann, ben = Phone("ann", 440, "pcma"), Phone("ben", 1000, "pcmu")
    async with exchange(ann, ben) as bench:
        for phone in (ann, ben):
            track = SubscribedTrack("audio", VIEW, formats=(AudioFormat(phone.codec),))
            subscription = Subscription(
                SubscriptionId(f"to {phone.name}"), ParticipantId(phone.name), None, (track,)
            )
            await bench.engine.perform(ROOM, OpenSink(subscription, FileSink("a.mkv", "mkv")))
            await bench.heard("SinkReady", f"to {phone.name}")
        await until(lambda: ann.share(1000) > 0.9 and ben.share(440) > 0.9)
        assert ann.share(440) < 0.05
        assert ben.share(1000) < 0.05
        assert (ann.latches, ben.latches) == (1, 1)


async def test_a_phone_gets_what_another_sends_as_it_comes() -> None:
    ann, ben = Phone("ann", 440, "pcma"), Phone("ben", 1000, "pcma")
    async with exchange(ann, ben) as bench:
        track = SubscribedTrack("audio", StreamId("ann"), formats=(AudioFormat("pcma"),))
        subscription = Subscription(SubscriptionId("to ben"), ParticipantId("ben"), None, (track,))
        await bench.engine.perform(ROOM, OpenSink(subscription, FileSink("a.mkv", "mkv")))
        await until(lambda: ben.share(440) > 0.9)
        assert bench.engine.stats()["pipelines"] == 0


async def test_ports_come_from_the_range_and_run_out() -> None:
    ann = Phone("ann", 440, "pcma")
    async with working("local") as bench:
        assert isinstance(bench.engine, LocalEngine)
        ports = bench.engine.rtp
        first = ports.open(ann)
        assert first.port % 2 == 0
        with pytest.raises(ValueError, match="direction"):
            first.configure(RtpSection(Payload(8, "pcma", RATE, 1), ("127.0.0.1", 4000), "up"))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="address"):
            first.configure(RtpSection(Payload(8, "pcma", RATE, 1), ("phone.example", 4000)))
        with pytest.raises(ValueError, match="digits"):
            first.send_digits("1x")
        ports.narrow(first.port, first.port + 1)
        with pytest.raises(EngineError, match="no RTP port is free"):
            ports.open(ann)
        first.close()
        await until(lambda: _opens(ports.open, ann))


def _opens(open_port: Any, phone: Phone) -> bool:
    with suppress(EngineError):
        open_port(phone).close()
        return True
    return False
