"""The test source's process: bars and beeps on a steady clock."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

import msgspec

from palaver.media.pipelines import control
from palaver.media.pipelines.child_process import ChildProcess
from palaver.media.pipelines.frames import Type
from palaver.mixing.control import AddVideoOutput
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.sound import BLOCK, CHANNELS, RATE, AudioEncoder
from palaver.streaming.bars import SECOND_NS, Bars, beep
from palaver.streaming.control import AUDIO_TRACK, VIDEO_TRACK, FoundAudio, FoundVideo, Generate, TracksFound

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from palaver.media.pipelines.frames import Message

Command: TypeAlias = control.Command | Generate
_COMMANDS: Final = msgspec.msgpack.Decoder(Command)
_KBPS: Final = 800.0
_LATE_NS: Final = SECOND_NS // 2
"""What is so late is left out: the process was stopped meanwhile."""


class Generator(ChildProcess[Command]):
    """Everything in the process."""

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        super().__init__(commands, frames, _COMMANDS)
        self._begun = False
        self._key_frame_wanted = threading.Event()
        # from CLOCK_MONOTONIC, by which frames are stamped, to the time of day
        self._to_utc_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.monotonic_ns()
        self._counters = {"pictures_drawn": 0.0, "frames_late": 0.0}

    def carry_out(self, command: Command) -> None:
        """See ChildProcess."""
        if isinstance(command, Generate) and not self._begun:
            self._begun = True
            self._begin(command)

    def take(self, messages: list[Message]) -> None:
        """See ChildProcess."""
        if any(message.type is Type.KEY_FRAME_WANTED for message in messages):
            self._key_frame_wanted.set()

    def counters(self) -> Mapping[str, float]:
        """See ChildProcess."""
        return self._counters

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
            self.start(lambda: self._show(wanted))
        if audio is not None:
            self.start(self._sound)
        self.report(TracksFound(audio=audio, video=video))

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
                self.frames.send(
                    VIDEO_TRACK, encoder.codec, pts, CLOCK_RATE, payload, key_frame=key, time_ns=due_ns
                )

    def _sound(self) -> None:
        encoder = AudioEncoder("opus", CHANNELS)
        for due_ns, number in self._clock(SECOND_NS * BLOCK, RATE):
            block = beep(due_ns + self._to_utc_ns, BLOCK, RATE)
            for payload, pts in encoder.encode(block, number * BLOCK):
                self.frames.send(AUDIO_TRACK, encoder.codec, pts, encoder.clock_rate, payload, time_ns=due_ns)

    def _clock(self, interval_ns: int, parts: int) -> _OutputClock:
        return _OutputClock(interval_ns, parts, self._counters)


class _OutputClock:
    """Times at every ``interval_ns / parts`` from now on, numbered, each when it is due; late ones are left out."""

    def __init__(self, interval_ns: int, parts: int, counters: dict[str, float]) -> None:
        self._interval_ns, self._parts, self._counters = interval_ns, parts, counters
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
            time.sleep(max(early_ns, 0) / SECOND_NS)
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
    Generator(commands, frames).run_and_exit()
