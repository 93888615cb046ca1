"""A recording as its node sees it: a sink whose pipeline writes files, one after the other if it has to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from palaver.media.endpoints import EndpointKind, EndpointLost
from palaver.media.pipelines.confinement import Confinement
from palaver.media.pipelines.control import AddInput, Failed, PipelineKind, RemoveInput
from palaver.media.pipelines.supervisor import PipelineSupervisor
from palaver.recording.control import DISK_FULL, REPORTS, Finished, Marked, Pause, Progress, Record, Resume
from palaver.recording.formats import CONTAINERS, Container, refusal, suitable
from palaver.recording.storage import OutsideError, part_name
from palaver.room.endpoints import FileSink
from palaver.room.messages import ForgetSinkOrigin, OpenSink, SetSinkActive, SetSinkOrigin
from palaver.room.reasons import SOURCE_LOSS
from palaver.room.values import KINDS, AudioFormat, Kind, SubscribedTrack

if TYPE_CHECKING:
    from pathlib import Path

    from msgspec import Struct

    from palaver.media.endpoints import RoomMedia, Tap
    from palaver.recording.journal import Journal
    from palaver.recording.storage import Storage
    from palaver.room.messages import Action, OpenSource

RECORDER: Final = PipelineKind("palaver.recording.process:run", REPORTS, finish_s=5.0)
"""Each gets a folder that it may write in."""
GRACE_S: Final = 60.0
_FRUITLESS: Final = 3
"""Parts in a row of which nothing came, after which it is given up."""
_OPUS: Final = AudioFormat("opus", 48_000, 2)
_DECODED: Final = frozenset({"opus", "pcmu", "pcma", "g722"})


class RecordingSink:
    """Owns the parts of one recording while its sink lives; see Endpoint."""

    def __init__(
        self, action: OpenSink, media: RoomMedia, storage: Storage, journal: Journal, grace_s: float
    ) -> None:
        """Raises EndpointLost for a name that leads out of the storage."""
        assert isinstance(action.sink, FileSink)
        self._id, self._sink = str(action.subscription.id), action.sink
        self._media, self._storage, self._journal = media, storage, journal
        self._grace_s = grace_s
        self._tracks: dict[Kind, SubscribedTrack] = {
            track.kind: track for track in action.subscription.tracks
        }
        self._inactive = {track.kind for track in action.subscription.tracks if not track.active}
        self._inactive |= set(action.sink.inactive)
        self._gone: set[Kind] = set()
        self._taps: dict[Kind, tuple[int, Tap]] = {}
        self._codecs: dict[Kind, str] = {}
        self._container: Container | None = None
        self._part, self._number = 0, 0
        self._pipeline: int | None = None
        self._paused = self._inactive >= set(self._tracks)
        self._written = False
        self._fruitless = 0
        self._reason: str | None = None
        self._over = asyncio.Event()
        self._waiting: asyncio.TimerHandle | None = None
        self._folder = self._path(1)[1].parent
        recorder = replace(RECORDER, confinement=Confinement(writable=(str(self._folder),)))
        self._supervisor = PipelineSupervisor(
            media.pipelines, recorder, media.thread, self, media.log, wanted=True
        )

    # ── its life ────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """See Endpoint."""
        try:
            if await asyncio.to_thread(lambda: self._storage.free_bytes) < self._storage.floor_bytes:
                raise EndpointLost(DISK_FULL)
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
            async with asyncio.TaskGroup() as tasks:
                working = tasks.create_task(self._supervisor.run())
                await self._over.wait()
                working.cancel()
        except OSError as error:
            self._reason = f"{self._storage.directory}: {error.strerror or error}"
        finally:
            if self._waiting is not None:
                self._waiting.cancel()
            self._journal.closed(self._id)
        if self._reason is not None:
            raise EndpointLost(self._reason)

    def _lose(self, reason: str) -> None:
        """It cannot go on."""
        if not self._over.is_set():
            self._reason = reason
            self._journal.failed(self._id, reason)
            self._over.set()

    def _path(self, part: int) -> tuple[str, Path]:
        name = part_name(self._sink.path, part, self._container or "mkv")
        try:
            return name, self._storage.resolve(name)
        except OutsideError as error:
            raise EndpointLost(str(error)) from error

    # ── what is wanted ──────────────────────────────────────────────────────────────────────────────

    def change(self, action: Action) -> None:
        """See Endpoint."""
        match action:
            case SetSinkActive(kind=kind, active=active):
                (self._inactive.discard if active else self._inactive.add)(kind)
                self._draw(kind)
                self._tell_pause()
            case SetSinkOrigin(track=track):
                self._tracks[track.kind] = track
                self._gone.discard(track.kind)
                self._draw(track.kind, anew=True)
                self._watch_sources()
            case ForgetSinkOrigin(kind=kind):
                self._gone.add(kind)
                self._draw(kind)
                self._watch_sources()
            case _:
                pass

    def _watch_sources(self) -> None:
        """Without any source a recording waits a while, and then has ended."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._gone == set(self._tracks):
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(self._grace_s, self._lose, SOURCE_LOSS)

    def _tell_pause(self) -> None:
        """With all of its kinds inactive the whole recording is paused."""
        paused = self._inactive >= set(self._tracks)
        if paused != self._paused:
            self._paused = paused
            self._supervisor.say(Pause() if paused else Resume())

    def _draw(self, kind: Kind, *, anew: bool = False) -> None:
        """Take a track into the pipeline, or out of it, as is wanted now."""
        wanted = kind not in self._gone and kind not in self._inactive
        if kind in self._taps and (anew or not wanted):
            number, tap = self._taps.pop(kind)
            tap.close()
            self._supervisor.say(RemoveInput(track=number))
        if wanted and kind not in self._taps and self._pipeline is not None:
            self._tap(kind, self._pipeline)
            self._introduce(kind)

    def _tap(self, kind: Kind, pipeline: int) -> None:
        self._number += 1
        tap = self._media.tap(_drawn(self._tracks[kind]), pipeline, self._number)
        if tap is not None:
            self._taps[kind] = (self._number, tap)

    def _introduce(self, kind: Kind) -> None:
        if kind in self._taps:
            number, tap = self._taps[kind]
            self._supervisor.say(AddInput(track=number, kind=kind, codec=tap.format.codec))

    # ── its pipeline: see PipelineUser ──────────────────────────────────────────────────────────────

    def begun(self, pipeline: int) -> None:
        """A recorder takes commands: begin another part."""
        self._pipeline = pipeline
        for kind in self._tracks:
            if kind not in self._gone and kind not in self._inactive:
                self._tap(kind, pipeline)
        if not self._begin():
            return
        for kind in self._tracks:
            self._introduce(kind)
        if self._paused:
            self._supervisor.say(Pause())
        self._media.ready()

    def _begin(self) -> bool:
        """Begin a file; its codecs are those of the first, whatever is recorded later."""
        for kind, track in self._tracks.items():
            self._codecs.setdefault(kind, self._stored(kind, track))
        audio, video = (self._codecs.get(kind) for kind in KINDS)
        if self._container is None:
            asked = self._sink.container
            self._container = asked if asked in CONTAINERS else suitable(audio, video)
        if refused := refusal(self._container, audio, video):
            self._lose(refused[1])
            return False
        try:
            name, path = self._next_file()
        except EndpointLost as error:
            self._lose(str(error))
            return False
        self._written = False
        self._journal.began(self._id, self._media.room, name, self._container, (audio, video))
        picture = self._tracks.get("video")
        size = picture.parameters.resolution if picture and picture.parameters else None
        self._supervisor.say(
            Record(
                path=str(path),
                container=self._container,
                audio=audio,
                video=video,
                width=size.width if size else 0,
                height=size.height if size else 0,
                floor_bytes=self._storage.floor_bytes,
            )
        )
        return True

    def _next_file(self) -> tuple[str, Path]:
        """The first name that no part has: an earlier sink of this recording may have left some."""
        while True:
            self._part += 1
            name, path = self._path(self._part)
            if not path.exists():
                return name, path

    def _stored(self, kind: Kind, track: SubscribedTrack) -> str:
        if kind == "audio" and _wants_aac(track):
            return "aac"
        if kind in self._taps:
            return self._taps[kind][1].format.codec
        return track.formats[0].codec

    def heard(self, report: Struct) -> None:
        """The recorder said something."""
        match report:
            case Progress(bytes=size, seconds=seconds):
                self._written, self._fruitless = True, 0
                self._journal.grew(self._id, size, seconds)
            case Marked(what="paused" | "resumed" as what, seconds=seconds):
                self._journal.marked(self._id, what, seconds)
            case Finished(bytes=size, seconds=seconds, reason=reason):
                self._written = True
                self._journal.finished(self._id, size, seconds)
                if reason:
                    self._lose(reason)
            case Failed(track=None, reason=reason):
                self._fruitless += not self._written
                if self._fruitless >= _FRUITLESS:
                    self._lose(reason)
            case _:
                pass

    def over(self) -> None:
        """The recorder is gone, and its taps with it."""
        self._pipeline = None
        for _, tap in self._taps.values():
            tap.close()
        self._taps.clear()


def _wants_aac(track: SubscribedTrack) -> bool:
    return track.formats[0].codec == "aac"


def _drawn(track: SubscribedTrack) -> SubscribedTrack:
    """What the pipeline is given of ``track``: AAC is never on its way, it is encoded where it is written."""
    if track.kind != "audio" or not _wants_aac(track):
        return track
    if track.format is not None and track.format.codec in _DECODED:
        return replace(track, formats=(track.format,), transcoded=False)
    return replace(track, formats=(_OPUS,), transcoded=True)


def record(storage: Storage, journal: Journal, *, grace_s: float = GRACE_S) -> EndpointKind:
    """The kind of sink that records into ``storage`` and tells ``journal``.

    ``grace_s`` is how long it waits for a stream when all that it recorded have ended.
    """

    def open_sink(action: OpenSource | OpenSink, media: RoomMedia) -> RecordingSink:
        assert isinstance(action, OpenSink)
        return RecordingSink(action, media, storage, journal, grace_s)

    return EndpointKind(open_sink, preload=("palaver.recording.process",))
