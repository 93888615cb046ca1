"""The recorder's process: commands and frames in, one file out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.media.timeline import SECOND_NS
from palaver.muxing.muxer import Unreadable, VideoForm
from palaver.muxing.tracks import FIRST_AUDIO, FileClock, PictureTrack, SoundTrack
from palaver.recording.container import PartFile, Writer
from palaver.recording.control import DISK_FULL, Finished, Marked, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.media.pipelines.frames import Message
    from palaver.recording.control import Record

LATENCY_NS: Final = 400_000_000
"""What has not come so long after its time will not come: silence or black takes its place."""
START_WAIT_NS: Final = 3 * SECOND_NS
"""So long the beginning waits for a first picture or sound."""
_HELD: Final = 100
"""Frames of sound that may wait for the first picture: two seconds."""
_SYNC_S: Final = 1.0
_PROGRESS_NS: Final = SECOND_NS


class Recorder:
    """One file from its opening to its end. Called by one thread; times are nanoseconds of CLOCK_MONOTONIC."""

    def __init__(
        self,
        wanted: Record,
        now_ns: int,
        *,
        ask: Callable[[int], None],
        report: Callable[[Progress | Marked | Finished], None],
    ) -> None:
        """``ask`` a tap for a key frame. Raises OSError if the file cannot be made."""
        self._wanted, self._ask, self._report = wanted, ask, report
        self._path = Path(wanted.path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = PartFile(self._path)
        self._opened_ns = now_ns
        self._clock = FileClock()
        self._writer: Writer | None = None
        self._sound = SoundTrack(wanted.audio) if wanted.audio else None
        size = (wanted.width, wanted.height)
        self._picture = PictureTrack(wanted.video, size, self._ask_picture) if wanted.video else None
        self._sound_tap: int | None = None
        self._picture_tap: int | None = None
        self._held: list[tuple[int, Message]] = []
        self._told_ns = now_ns
        self.finished = False

    # ── commands ────────────────────────────────────────────────────────────────────────────────────

    def add_audio(self, track: int, codec: str) -> None:
        """Sound comes from this tap from now on. Raises UnknownCodec, ValueError."""
        if self._sound is not None:
            self._sound.bind(codec)
            self._sound_tap = track

    def add_video(self, track: int, codec: str) -> None:
        """Pictures come from this tap from now on. Raises ValueError."""
        if self._picture is None:
            return
        if codec != self._picture.codec:
            raise ValueError(f"{codec} is not {self._picture.codec}")
        self._picture_tap = track
        self._picture.renew()
        self._picture.set_active(True)

    def remove(self, track: int) -> None:
        """Nothing comes from this tap any more: silence and black follow until there is another."""
        self.end_track(track)
        if track == self._picture_tap:
            self._picture_tap = None
        elif track == self._sound_tap:
            self._sound_tap = None

    def end_track(self, track: int) -> None:
        """What comes next from this tap does not continue what came."""
        if self._picture is not None and track == self._picture_tap:
            self._picture.renew()
        elif self._sound is not None and track == self._sound_tap:
            self._sound.renew()

    def set_active(self, track: int, active: bool) -> None:
        """A tap is muted, or not any more. Sound that does not come is silence anyway."""
        if self._picture is not None and track == self._picture_tap:
            self._picture.set_active(active)

    def pause(self, now_ns: int) -> None:
        """Leave out what comes from now on."""
        if self._clock.paused_at_ns is None:
            self._clock.pause(now_ns)
            self._mark("paused")

    def resume(self, now_ns: int) -> None:
        """Go on where the pause began."""
        if self._clock.paused_at_ns is not None:
            self._clock.resume(now_ns)
            if self._picture is not None:
                self._picture.starve(now_ns)
            self._mark("resumed")

    # ── media ───────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: Message, now_ns: int) -> None:
        """A frame of a tap. Raises OSError if it cannot be written."""
        if self.finished:
            return
        if message.codec >= FIRST_AUDIO:
            if self._sound is not None and message.track == self._sound_tap:
                self._take_sound(self._sound, message)
        elif self._picture is not None and message.track == self._picture_tap:
            self._take_picture(self._picture, message, now_ns)

    def _take_sound(self, track: SoundTrack, message: Message) -> None:
        at_ns = track.place(message)
        if self._writer is None:
            if self._picture is not None:
                self._held = [*self._held[1 - _HELD :], (at_ns, message)]
                return
            self._begin(at_ns, None)
        assert self._writer is not None
        if (file_ns := self._clock.of(at_ns)) is not None:
            track.write(message, file_ns, self._writer)

    def _take_picture(self, track: PictureTrack, message: Message, now_ns: int) -> None:
        at_ns = track.place(message, now_ns)
        if at_ns is None:
            return
        if message.key_frame:
            try:
                form = VideoForm(track.codec, message.payload)
            except Unreadable:
                track.starve(now_ns)
                return
            track.resized(form.width, form.height)
            if self._writer is None:
                self._begin(at_ns, form)
        if self._writer is not None and (file_ns := self._clock.of(at_ns)) is not None:
            track.write(message, file_ns, now_ns, self._writer)

    def _begin(self, at_ns: int, form: VideoForm | None) -> None:
        self._writer = Writer(self._file, self._wanted.container, self._wanted.audio, form)
        self._clock.begin_ns = at_ns
        self._mark("started")
        held, self._held = self._held, []
        for held_ns, message in held:
            if self._sound is not None and (file_ns := self._clock.of(held_ns)) is not None:
                self._sound.write(message, file_ns, self._writer)

    def tick(self, now_ns: int) -> None:
        """Time has passed: go on without what does not come. Raises OSError."""
        if self.finished:
            return
        if self._writer is None:
            if now_ns - self._opened_ns < START_WAIT_NS or self._clock.paused_at_ns is not None:
                return
            form = VideoForm(self._picture.codec, self._picture.slate()) if self._picture else None
            self._begin(now_ns - LATENCY_NS, form)
        assert self._writer is not None
        file_ns = self._clock.of(now_ns - LATENCY_NS)
        if file_ns is not None:
            if self._picture is not None:
                self._picture.darken(file_ns, now_ns, self._writer)
            if self._sound is not None:
                self._sound.silence_until(file_ns, self._writer)
        if now_ns - self._told_ns >= _PROGRESS_NS:
            self._told_ns = now_ns
            self._report(Progress(bytes=self._writer.size, seconds=self.seconds))
            if self._free_bytes() < self._wanted.floor_bytes:
                self.finish(DISK_FULL)

    @property
    def seconds(self) -> float:
        """How long the file is so far."""
        return self._writer.end_us / 1e6 if self._writer is not None else 0.0

    def sync(self) -> None:
        """Let what was written survive a loss of power; for another thread."""
        with contextlib.suppress(
            OSError, ValueError
        ):  # closed meanwhile; what fails here, fails in writing too
            self._file.sync()

    def finish(self, reason: str = "") -> None:
        """Complete the file. Raises OSError if that cannot be."""
        if self.finished:
            return
        self.finished = True
        if self._writer is not None:
            self._writer.close()
        else:
            self._file.close()
            self._path.unlink(missing_ok=True)  # nothing was recorded: no file that is said to be fine
        self._report(Finished(bytes=self._file.size, seconds=self.seconds, reason=reason))

    def _free_bytes(self) -> int:
        found = os.statvfs(self._path.parent)
        return found.f_bavail * found.f_frsize

    def _ask_picture(self) -> None:
        if self._picture_tap is not None:
            self._ask(self._picture_tap)

    def _mark(self, what: str) -> None:
        self._report(Marked(what=what, seconds=self.seconds))  # type: ignore[arg-type]  # one of the three
