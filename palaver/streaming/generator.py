"""The test source's process: bars and beeps on a steady clock."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn

import av
import msgspec

from palaver.media.pipelines import control
from palaver.media.pipelines.control import Alive, ControlError, ControlSocket, Failed, Ready, Stop
from palaver.media.pipelines.frames import FrameError, FrameSocket, Type
from palaver.mixing.control import AddVideoOutput
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.sound import BLOCK, CHANNELS, RATE, AudioEncoder
from palaver.streaming.bars import SECOND_NS, Bars, beep
from palaver.streaming.control import AUDIO_TRACK, VIDEO_TRACK, FoundAudio, FoundVideo, Generate, TracksFound

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_COMMANDS: Final = msgspec.msgpack.Decoder(control.Command | Generate)
_REPORT_S: Final = 0.5
_KBPS: Final = 800.0
_LATE_NS: Final = SECOND_NS // 2
"""What is so late is left out: the process was stopped meanwhile."""


class Generator:
    """Everything in the process. ``run`` is its life."""

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        self._control = ControlSocket(commands, _COMMANDS)
        self._frames = FrameSocket(frames)
        self._over = threading.Event()
        self._key_frame_wanted = threading.Event()
        # from CLOCK_MONOTONIC, by which frames are stamped, to the time of day
        self._to_utc_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.monotonic_ns()
        self._counters = {"pictures_drawn": 0.0, "frames_late": 0.0}

    def run(self) -> None:
        """Work until told to stop, or until the node is gone."""
        self._start("statistics", self._tell_counters)
        self._start("frames", self._read_frames)
        self._guarded(self._obey)

    def _start(self, name: str, part: Callable[[], None]) -> None:
        threading.Thread(target=self._guarded, args=(part,), name=name, daemon=True).start()

    def _guarded(self, part: Callable[[], None]) -> None:
        """A part that fails takes the process with it: the node starts another. One that ends, ends all."""
        try:
            part()
        except (OSError, FrameError, ControlError) as error:
            self._say_failed(f"{type(error).__name__}: {error}")
        except Exception as error:
            self._say_failed(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._over.set()
            self._control.end()

    def _say_failed(self, reason: str) -> None:
        try:
            self._control.report(Failed(track=None, reason=reason))
        except OSError:
            os._exit(1)

    def _obey(self) -> None:
        self._control.report(Ready())
        begun = False
        for command in self._control.commands():
            if isinstance(command, Stop):
                return
            if isinstance(command, Generate) and not begun:
                begun = True
                self._begin(command)

    def _begin(self, wanted: Generate) -> None:
        audio = FoundAudio(codec="opus", sample_rate=RATE, channels=CHANNELS) if wanted.audio else None
        video = None
        if wanted.video is not None:
            video = FoundVideo(
                codec=wanted.video,
                profile=wanted.profile,
                width=wanted.width,
                height=wanted.height,
                framerate=float(wanted.framerate),
            )
            self._start("picture", lambda: self._show(wanted))
        if audio is not None:
            self._start("sound", self._sound)
        self._control.report(TracksFound(audio=audio, video=video))

    def _read_frames(self) -> None:
        while messages := self._frames.receive():
            if any(message.type is Type.KEY_FRAME_WANTED for message in messages):
                self._key_frame_wanted.set()

    # ── media ───────────────────────────────────────────────────────────────────────────────────────

    def _show(self, wanted: Generate) -> None:
        bars = Bars(wanted.width, wanted.height)
        encoder = VideoEncoder(_output(wanted))
        for due_ns, number in self._clock(SECOND_NS, wanted.framerate):
            if self._key_frame_wanted.is_set():
                self._key_frame_wanted.clear()
                encoder.want_key_frame()
            picture = bars.picture(due_ns + self._to_utc_ns)
            pts = number * CLOCK_RATE // wanted.framerate
            self._counters["pictures_drawn"] += 1
            for payload, key in encoder.encode(picture, pts):
                self._frames.send(
                    VIDEO_TRACK, encoder.codec, pts, CLOCK_RATE, payload, key_frame=key, time_ns=due_ns
                )

    def _sound(self) -> None:
        encoder = AudioEncoder("opus", CHANNELS)
        for due_ns, number in self._clock(SECOND_NS * BLOCK, RATE):
            block = beep(due_ns + self._to_utc_ns, BLOCK, RATE)
            for payload, pts in encoder.encode(block, number * BLOCK):
                self._frames.send(
                    AUDIO_TRACK, encoder.codec, pts, encoder.clock_rate, payload, time_ns=due_ns
                )

    def _clock(self, interval_ns: int, parts: int) -> _OutputClock:
        return _OutputClock(interval_ns, parts, self._over, self._counters)

    def _tell_counters(self) -> None:
        while not self._over.wait(_REPORT_S):
            self._control.report(Alive(counters=dict(self._counters)))


class _OutputClock:
    """Times at every ``interval_ns / parts`` from now on, numbered, each when it is due; late ones are left out."""

    def __init__(
        self, interval_ns: int, parts: int, over: threading.Event, counters: dict[str, float]
    ) -> None:
        self._interval_ns, self._parts, self._over, self._counters = interval_ns, parts, over, counters
        self._begin_ns = time.monotonic_ns()
        self._number = -1

    def __iter__(self) -> _OutputClock:
        return self

    def __next__(self) -> tuple[int, int]:
        while True:
            self._number += 1
            due_ns = self._begin_ns + self._number * self._interval_ns // self._parts
            early_ns = due_ns - time.monotonic_ns()
            if early_ns < -_LATE_NS:
                self._counters["frames_late"] += 1
                continue
            if self._over.wait(max(early_ns, 0) / SECOND_NS):
                raise StopIteration
            return due_ns, self._number


def _output(wanted: Generate) -> AddVideoOutput:
    assert wanted.video is not None
    return AddVideoOutput(
        track=VIDEO_TRACK,
        codec=wanted.video,
        profile=wanted.profile,
        width=wanted.width,
        height=wanted.height,
        framerate=float(wanted.framerate),
        bitrate_kbps=_KBPS,
        key_frame_interval_s=100.0,
    )


def run(commands: socket.socket, frames: socket.socket) -> NoReturn:
    """The main function of the process."""
    av.logging.set_level(None)
    Generator(commands, frames).run()
    os._exit(0)
