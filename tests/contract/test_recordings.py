"""Recordings on the real engine: a whole client, the packet core, a child process, a file."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
import pytest

from palaver.media.endpoints import EndpointKind
from palaver.media.pipelines import process
from palaver.recording import record as recording
from palaver.recording.control import DISK_FULL
from palaver.recording.formats import Container
from palaver.recording.record import record
from palaver.recording.storage import Storage
from palaver.room.endpoints import FileSink
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    ForgetSinkOrigin,
    OpenSink,
    SetSinkActive,
    SetSinkOrigin,
    SinkLost,
)
from palaver.room.values import (
    KINDS,
    AudioFormat,
    Format,
    Kind,
    StreamId,
    SubscribedTrack,
    Subscription,
    SubscriptionId,
    VideoFormat,
)
from tests.contract.engines import OPUS, ROOM, VP8, Bench, until, working
from tests.recording.media import decode, probe

pytestmark = pytest.mark.net

R, S = SubscriptionId("r"), StreamId("s")
AAC, H264 = AudioFormat("aac", 48_000, 2), VideoFormat("h264")


@dataclass
class Notes:
    """A journal."""

    files: list[str] = field(default_factory=list)
    seconds: float = 0.0
    marks: list[str] = field(default_factory=list)
    complete: int = 0
    problems: list[str] = field(default_factory=list)
    over: bool = False

    def began(
        self,
        recording: str,
        room: str,
        file: str,
        container: Container,
        codecs: tuple[str | None, str | None],
    ) -> None:
        assert (recording, room) == ("r", "room")
        self.files.append(file)
        self.seconds = 0.0

    def grew(self, recording: str, size: int, seconds: float) -> None:
        assert size > 0
        self.seconds = seconds

    def marked(self, recording: str, what: Literal["paused", "resumed"], seconds: float) -> None:
        self.marks.append(what)

    def finished(self, recording: str, size: int, seconds: float) -> None:
        self.seconds = seconds
        self.complete += 1

    def closed(self, recording: str) -> None:
        self.over = True

    def failed(self, recording: str, reason: str) -> None:
        self.problems.append(reason)


@dataclass
class Studio:
    """An engine with a client that publishes sound and picture."""

    bench: Bench
    notes: Notes
    directory: Path

    async def record(
        self, container: str, audio: Format | None = OPUS, video: Format | None = VP8, name: str = "talk"
    ) -> None:
        """Record the client's stream; forms of its own are recorded as they come."""
        wanted: list[tuple[Kind, Format | None, Format]] = [("audio", audio, OPUS), ("video", video, VP8)]
        tracks = tuple(
            SubscribedTrack(kind, S, format=own, formats=(form,), transcoded=form != own)
            for kind, form, own in wanted
            if form is not None
        )
        action = OpenSink(Subscription(R, None, None, tracks), FileSink(name, container))
        await self.bench.engine.perform(ROOM, action)
        await self.bench.heard("SinkReady", "r")

    async def until_s(self, seconds: float) -> None:
        """Wait until the part has so much in it."""
        await self.until(lambda: self.notes.seconds >= seconds)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(40):
            await until(condition)

    async def stop(self) -> None:
        complete = self.notes.complete
        await self.bench.engine.perform(ROOM, CloseSink(R))
        await self.until(lambda: self.notes.complete > complete)

    def file(self, part: int = -1) -> Path:
        return self.directory / self.notes.files[part]


@asynccontextmanager
async def opened(directory: Path, grace_s: float = 60.0) -> AsyncIterator[Studio]:
    notes = Notes()
    kinds: dict[type, EndpointKind] = {FileSink: record(Storage(directory), notes, grace_s=grace_s)}
    async with working("local", kinds=kinds) as bench:
        await bench.published()
        yield Studio(bench, notes, directory)


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with opened(tmp_path) as studio:
        yield studio


def recorder() -> psutil.Process:
    """The child that writes: the fork server's only one."""
    (fork_server,) = [
        child
        for child in psutil.Process().children()
        if any("forkserver" in word for word in child.cmdline())
    ]
    return next(
        child
        for child in fork_server.children()
        if any(file.path.endswith(".mkv") for file in child.open_files())
    )


async def test_a_stream_is_recorded_as_it_comes(studio: Studio) -> None:
    await studio.record("auto")
    await studio.until_s(2)
    await studio.stop()
    assert studio.notes.files == ["talk.mkv"]
    probed = probe(studio.file())
    assert probed.codecs == {"audio": "opus", "video": "vp8"}
    assert probed.duration_s == pytest.approx(studio.notes.seconds, abs=0.2)
    decode(studio.file())


async def test_a_stream_is_encoded_where_another_form_is_wanted(studio: Studio) -> None:
    await studio.record("mp4", AAC, H264)
    await studio.until_s(2)
    await studio.stop()
    assert studio.notes.files == ["talk.mp4"]
    assert probe(studio.file()).codecs == {"audio": "aac", "video": "h264"}
    decode(studio.file())


async def test_a_killed_recorder_goes_on_in_another_part(studio: Studio) -> None:
    await studio.record("mkv")
    await studio.until_s(2)
    recorder().kill()
    await studio.until(lambda: len(studio.notes.files) == 2)
    await studio.until_s(1)
    await studio.stop()
    assert studio.notes.files == ["talk.mkv", "talk.part2.mkv"]
    for part in (0, 1):
        decode(studio.file(part))
    assert probe(studio.file(0)).stamps["video"][-1] > 1


async def test_a_hung_recorder_is_killed_and_goes_on_in_another_part(studio: Studio) -> None:
    await studio.record("mkv")
    await studio.until_s(1)
    os.kill(recorder().pid, signal.SIGSTOP)
    await studio.until(lambda: len(studio.notes.files) == 2)
    await studio.until_s(1)
    await studio.stop()


async def test_a_pause_is_one_file(studio: Studio) -> None:
    await studio.record("mkv")
    await studio.until_s(1)
    for kind in KINDS:
        await studio.bench.engine.perform(ROOM, SetSinkActive(R, kind, False))
    await studio.until(lambda: studio.notes.marks == ["paused"])
    for kind in KINDS:
        await studio.bench.engine.perform(ROOM, SetSinkActive(R, kind, True))
    await studio.until(lambda: studio.notes.marks == ["paused", "resumed"])
    await studio.until_s(studio.notes.seconds + 1)
    await studio.stop()
    assert studio.notes.files == ["talk.mkv"]
    decode(studio.file())


async def test_a_source_that_leaves_is_waited_for(studio: Studio) -> None:
    await studio.record("mkv")
    await studio.until_s(1)
    for kind in KINDS:
        await studio.bench.engine.perform(ROOM, ForgetSinkOrigin(R, kind))
    await studio.bench.engine.perform(ROOM, CloseSource(S))
    await studio.until_s(studio.notes.seconds + 2)
    await studio.bench.published("ben", "t")
    forms: dict[Kind, Format] = {"audio": OPUS, "video": VP8}
    for kind, form in forms.items():
        track = SubscribedTrack(kind, StreamId("t"), format=form, formats=(form,))
        await studio.bench.engine.perform(ROOM, SetSinkOrigin(R, track))
    await studio.until_s(studio.notes.seconds + 2)
    await studio.stop()
    assert studio.notes.files == ["talk.mkv"]
    decode(studio.file())


async def test_without_any_source_it_ends_after_a_while(tmp_path: Path) -> None:
    async with opened(tmp_path, grace_s=0.1) as studio:
        await studio.record("mkv")
        await studio.until_s(1)
        for kind in KINDS:
            await studio.bench.engine.perform(ROOM, ForgetSinkOrigin(R, kind))
        assert await studio.bench.heard("SinkLost", "r") == SinkLost(R, "Source stream loss")
        await studio.until(lambda: studio.notes.complete)
        decode(studio.file())


async def test_nothing_begins_where_too_little_space_is_left(tmp_path: Path) -> None:
    notes = Notes()
    kinds: dict[type, EndpointKind] = {FileSink: record(Storage(tmp_path, floor_bytes=1 << 62), notes)}
    async with working("local", kinds=kinds) as bench:
        await bench.published()
        track = SubscribedTrack("audio", S, format=OPUS, formats=(OPUS,))
        await bench.engine.perform(
            ROOM, OpenSink(Subscription(R, None, None, (track,)), FileSink("a", "mkv"))
        )
        assert await bench.heard("SinkLost", "r") == SinkLost(R, DISK_FULL)
    assert os.listdir(tmp_path) == []


async def test_what_a_container_does_not_hold_is_lost_with_the_reason(studio: Studio) -> None:
    tracks = (SubscribedTrack("audio", S, format=OPUS, formats=(OPUS,)),)
    await studio.bench.engine.perform(
        ROOM, OpenSink(Subscription(R, None, None, tracks), FileSink("a", "mp4"))
    )
    assert await studio.bench.heard("SinkLost", "r") == SinkLost(R, "mp4 holds aac only, not opus")


def test_a_recorder_gets_the_time_to_complete_its_file() -> None:
    assert recording.RECORDER.finish_s >= process.SILENT_S
