"""Sends what a room's streams bring to one place, in a process of its own, connecting again whenever it breaks off."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import av

from palaver.media.timeline import SECOND_NS
from palaver.muxing.muxer import Unreadable, VideoForm
from palaver.muxing.tracks import FIRST_AUDIO, FileClock, PictureTrack, SoundTrack
from palaver.streaming.causes import StreamUnavailable, cause_of
from palaver.streaming.control import Connected, Interrupted, Push, PushProgress
from palaver.streaming.opening import explained
from palaver.streaming.outlets import LiveOutlet, Outlet, SegmentOutlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.media.pipelines.frames import Message

    Report = Callable[[Connected | Interrupted | PushProgress], None]

LATENCY_NS: Final = 150_000_000
"""What has not come so long after its time will not come: silence or black takes its place."""
START_WAIT_NS: Final = 2 * SECOND_NS
FIRST_PAUSE_NS: Final = SECOND_NS
LONGEST_PAUSE_NS: Final = 2 * SECOND_NS
STEADY_NS: Final = 30 * SECOND_NS
_HELD: Final = 50
_PROGRESS_NS: Final = SECOND_NS


class Pusher:
    """One target. Called by one thread, which may block in the library: the process watches over it.

    Times are nanoseconds of CLOCK_MONOTONIC.
    """

    def __init__(
        self,
        push: Push,
        *,
        ask: Callable[[int], None],
        report: Report,
        resolve: Callable[[str], list[tuple[str, int]]],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """``ask`` a tap for a key frame."""
        self._push, self._ask, self._report, self._resolve, self._now = push, ask, report, resolve, clock
        self._sound = SoundTrack(push.audio) if push.audio else None
        size = (push.width, push.height)
        self._picture = PictureTrack(push.video, size, self._ask_picture) if push.video else None
        self._taps: dict[str, int | None] = {"audio": None, "video": None}
        self._sound_codec, self._silent = "", False
        self._clock = FileClock()
        self._outlet: Outlet | None = None
        self._held: list[tuple[int, Message]] = []
        self._tried_ns: int | None = None
        self._pause_ns = 0
        self._opened_ns = clock()
        self._told_ns = 0
        self._sent_ns = 0
        self.counters = {"connections": 0.0, "interruptions": 0.0}

    # ── commands ────────────────────────────────────────────────────────────────────────────────────

    def add_audio(self, track: int, codec: str) -> None:
        """Sound comes from this tap from now on. Raises UnknownCodec, ValueError."""
        if self._sound is not None:
            self._sound.bind(codec)
            self._taps["audio"], self._sound_codec, self._silent = track, codec, False

    def add_video(self, track: int, codec: str) -> None:
        """Pictures come from this tap from now on. Raises ValueError."""
        if self._picture is None:
            return
        if codec != self._picture.codec:
            raise ValueError(f"{codec} is not {self._picture.codec}")
        self._taps["video"] = track
        self._picture.renew()
        self._picture.set_active(True)

    def remove(self, track: int) -> None:
        """Nothing comes from this tap any more."""
        self.end_track(track)
        for kind, tap in self._taps.items():
            if tap == track:
                self._taps[kind] = None

    def end_track(self, track: int) -> None:
        """What comes next from this tap does not continue what came."""
        if self._picture is not None and track == self._taps["video"]:
            self._picture.renew()
        elif self._sound is not None and track == self._taps["audio"]:
            self._sound.renew()

    def set_active(self, track: int, active: bool) -> None:
        """A tap is muted, or not any more."""
        if self._picture is not None and track == self._taps["video"]:
            self._picture.set_active(active)
        elif track == self._taps["audio"]:
            self._silent = not active

    # ── media ───────────────────────────────────────────────────────────────────────────────────────

    def receive(self, message: Message) -> None:
        """A frame of a tap."""
        now_ns = self._now()
        if message.codec >= FIRST_AUDIO:
            if self._sound is not None and message.track == self._taps["audio"] and not self._silent:
                self._take_sound(self._sound, message, now_ns)
        elif self._picture is not None and message.track == self._taps["video"]:
            self._take_picture(self._picture, message, now_ns)

    def _take_sound(self, track: SoundTrack, message: Message, now_ns: int) -> None:
        at_ns = track.place(message)
        if self._outlet is None and self._picture is None:
            self._connect(at_ns, None, now_ns)
        if self._outlet is None:
            self._held = [*self._held[1 - _HELD :], (at_ns, message)]
            return
        self._write_sound(track, message, at_ns, now_ns)

    def _take_picture(self, track: PictureTrack, message: Message, now_ns: int) -> None:
        at_ns = track.place(message, now_ns)
        if at_ns is None:
            return
        if message.key_frame and (self._outlet is None):
            try:
                form = VideoForm(track.codec, message.payload)
            except Unreadable:
                track.starve(now_ns)
                return
            track.resized(form.width, form.height)
            self._connect(at_ns, form, now_ns)
        if self._outlet is None:
            track.starve(now_ns)
            return
        if (file_ns := self._clock.of(at_ns)) is not None:
            outlet = self._outlet
            self._guarded(lambda: track.write(message, file_ns, now_ns, outlet.muxer), now_ns)
            self._sent_ns = file_ns

    def _write_sound(self, track: SoundTrack, message: Message, at_ns: int, now_ns: int) -> None:
        file_ns, outlet = self._clock.of(at_ns), self._outlet
        if file_ns is not None and outlet is not None:
            self._guarded(lambda: track.write(message, file_ns, outlet.muxer), now_ns)
            self._sent_ns = max(self._sent_ns, file_ns)

    def tick(self) -> None:
        """Time has passed: go on without what does not come."""
        now_ns = self._now()
        if self._outlet is None:
            if now_ns - self._opened_ns >= START_WAIT_NS:
                form = VideoForm(self._picture.codec, self._picture.slate()) if self._picture else None
                self._connect(now_ns - LATENCY_NS, form, now_ns)
            return
        file_ns = self._clock.of(now_ns - LATENCY_NS)
        if file_ns is not None:
            self._fill(self._outlet, file_ns, now_ns)
        if now_ns - self._told_ns >= _PROGRESS_NS:
            self._told_ns = now_ns
            self._report(PushProgress(seconds=self._sent_ns / SECOND_NS))

    def _fill(self, outlet: Outlet, file_ns: int, now_ns: int) -> None:
        picture, sound = self._picture, self._sound
        if picture is not None:
            self._guarded(lambda: picture.darken(file_ns, now_ns, outlet.muxer), now_ns)
        if sound is not None and self._outlet is outlet:
            self._guarded(lambda: sound.silence_until(file_ns, outlet.muxer), now_ns)

    def finish(self) -> None:
        """End the stream at the other side, as well as can be."""
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None

    # ── the connection ──────────────────────────────────────────────────────────────────────────────

    def _connect(self, at_ns: int, form: VideoForm | None, now_ns: int) -> None:
        if self._tried_ns is not None and now_ns - self._tried_ns < self._pause_ns:
            return
        self._tried_ns = now_ns
        self._pause_ns = min(max(self._pause_ns * 2, FIRST_PAUSE_NS), LONGEST_PAUSE_NS)
        try:
            self._outlet = self._open(form)
        except (OSError, av.error.FFmpegError, StreamUnavailable, ValueError) as error:
            self._lost(self._cause(error), final=isinstance(error, StreamUnavailable) and error.final)
            return
        self.counters["connections"] += 1
        self._clock = FileClock(begin_ns=at_ns)
        if self._sound is not None:
            self._sound = SoundTrack(self._push.audio or "aac")
            if self._sound_codec:
                self._sound.bind(self._sound_codec)
        held, self._held = self._held, []
        for held_ns, message in held:
            if self._sound is not None:
                self._write_sound(self._sound, message, held_ns, now_ns)

    def _open(self, form: VideoForm | None) -> Outlet:
        if self._push.protocol in ("hls", "dash"):
            return SegmentOutlet(self._push, form, self._resolve, self._sending)
        return LiveOutlet(self._push, form, self._resolve)

    def _sending(self, error: str) -> None:
        """What the sender of segments says, in its thread."""
        self._report(Interrupted(reason=error) if error else Connected())

    def _guarded(self, write: Callable[[], None], now_ns: int) -> None:
        """Write to the other side; if that fails, a new connection is made with the next key frame."""
        outlet = self._outlet
        try:
            write()
        except (OSError, av.error.FFmpegError) as error:
            if outlet is not None and self._outlet is outlet:
                self._outlet = None
                outlet.close()
                self._lost(self._cause(error))
                if self._picture is not None:
                    self._picture.starve(now_ns)
            return
        if isinstance(outlet, LiveOutlet) and not outlet.proven:
            outlet.proven = True
            self._report(Connected())
        if self._tried_ns is not None and now_ns - self._tried_ns > STEADY_NS:
            self._pause_ns = 0

    def _cause(self, error: BaseException) -> str:
        if self._push.protocol in ("hls", "dash"):
            return cause_of(error)
        return explained(error, self._push.url, self._resolve)

    def _lost(self, reason: str, *, final: bool = False) -> None:
        self.counters["interruptions"] += 1
        self._report(Interrupted(reason=reason, final=final))

    def _ask_picture(self) -> None:
        tap = self._taps["video"]
        if tap is not None:
            self._ask(tap)
