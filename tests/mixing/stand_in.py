"""A node's side of a real mixer process: what the packet core does to it, done by hand."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import av
import numpy as np

from palaver.media.pipelines.control import AddInput, PipelineKind
from palaver.media.pipelines.frames import HEADER, MANY, Codec, FrameSocket, Message, Type
from palaver.media.pipelines.process import ForkServer, Pipeline
from palaver.mixing.control import MIXER
from palaver.mixing.decoding import VideoDecoder
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.sound import BLOCK, AudioDecoder, AudioEncoder, Samples
from tests.mixing.scenes import output, plain, strength, tone

SERVER = ForkServer(["palaver.mixing.mixer", "palaver.mixing.transcoder"])


class StandIn:
    """Sends pictures and tones to a pipeline, and keeps what comes out."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.frames = FrameSocket(socket.socket(fileno=pipeline.take_frames()))
        self.reports: list[object] = []
        self.pictures: dict[int, av.VideoFrame] = {}
        self.counts: dict[int, int] = {}
        self.sizes: dict[int, int] = {}
        self.heard: dict[int, list[Samples]] = {}
        self.wanted: set[int] = set()
        self._decoders: dict[int, VideoDecoder | AudioDecoder] = {}
        self._encoders: dict[int, VideoEncoder | AudioEncoder] = {}
        self._sent: dict[int, int] = {}
        pipeline.on_report = self.reports.append
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def expect(self, track: int, codec: str) -> None:
        """Decode an output."""
        self._decoders[track] = (
            AudioDecoder(codec) if codec in ("opus", "pcmu", "pcma", "g722") else VideoDecoder(codec)
        )

    async def close(self) -> None:
        """After the pipeline's end, which ends the reading."""
        await asyncio.to_thread(self._reader.join)
        self.frames.close()

    def _read(self) -> None:
        while messages := self.frames.receive():
            for message in messages:
                if message.type is Type.KEY_FRAME_WANTED:
                    self.wanted.add(message.track)
                else:
                    self._take(message)

    def _take(self, message: Message) -> None:
        tracks, payload = [message.track], message.payload
        if message.track == MANY:
            (count,) = struct.unpack_from("<H", payload)
            tracks = list(struct.unpack_from(f"<{count}I", payload, 2))
            payload = payload[2 + 4 * count :]
        for track in tracks:
            self.counts[track] = self.counts.get(track, 0) + 1
            self.sizes[track] = self.sizes.get(track, 0) + len(payload)
            decoder = self._decoders.get(track)
            if isinstance(decoder, VideoDecoder):
                if (picture := decoder.decode(message)) is not None:
                    self.pictures[track] = picture
            elif decoder is not None and (samples := decoder.decode(payload)) is not None:
                self.heard.setdefault(track, []).append(samples)

    def add_camera(self, track: int, codec: str = "vp8", width: int = 160, height: int = 90) -> None:
        self.pipeline.say(AddInput(kind="video", track=track, codec=codec, name=f"Person {track}"))
        self._encoders[track] = VideoEncoder(output(codec, track, width, height))

    def add_microphone(self, track: int, codec: str = "opus") -> None:
        self.pipeline.say(AddInput(kind="audio", track=track, codec=codec))
        self._encoders[track] = AudioEncoder(codec, 1)

    def show(self, track: int, luma: int) -> None:
        """One picture of one shade."""
        encoder = self._encoders[track]
        assert isinstance(encoder, VideoEncoder)
        if track in self.wanted:
            self.wanted.discard(track)
            encoder.want_key_frame()
        number = self._sent[track] = self._sent.get(track, 0) + 1
        pts = number * CLOCK_RATE // 30
        for payload, key in encoder.encode(plain(luma, encoder.output.width, encoder.output.height), pts):
            self.frames.send(track, encoder.codec, pts, CLOCK_RATE, payload, key_frame=key)

    def end_track(self, track: int) -> None:
        """The core's word that the tap has ended."""
        self.frames._write(HEADER.pack(0, Type.END, 0, 0, 255, track, 0, 0, 0))

    def speak(self, track: int, hertz: float, level: int = 20) -> None:
        """20 ms of a tone."""
        encoder = self._encoders[track]
        assert isinstance(encoder, AudioEncoder)
        number = self._sent[track] = self._sent.get(track, -1) + 1
        block = tone(hertz, 1.0)[number % 50 * BLOCK :][:BLOCK]
        for payload, pts in encoder.encode(block, number * BLOCK):
            self.frames.send(track, encoder.codec, pts, encoder.clock_rate, payload, level=level)

    def garble(self, track: int, codec: Codec, payload: bytes, *, key: bool) -> None:
        self.frames.send(track, codec, 0, CLOCK_RATE, payload, key_frame=key)

    def tones(self, track: int, hertz: Iterable[float], seconds: float = 0.5) -> list[float]:
        """The strength of tones in the last that was heard."""
        blocks = self.heard.get(track, [])
        count = round(seconds * 50)
        if len(blocks) < count:
            return []
        return strength(np.concatenate(blocks[-count:]), hertz)


@asynccontextmanager
async def running(kind: PipelineKind = MIXER) -> AsyncIterator[StandIn]:
    """A pipeline that is watched until the end of the block."""
    pipeline = await SERVER.start(kind)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(pipeline.run())
        node = StandIn(pipeline)
        try:
            yield node
        finally:
            watching.cancel()
    await node.close()


async def until(
    condition: Callable[[], bool], each: Callable[[], None] = lambda: None, beat_s: float = 1 / 30
) -> None:
    """Do ``each`` at that beat until ``condition`` holds; a test's own time-out ends it if it never does."""
    loop = asyncio.get_running_loop()
    begin, number = loop.time(), 0
    while not condition():
        each()
        number += 1
        await asyncio.sleep(max(0.0, begin + number * beat_s - loop.time()))
