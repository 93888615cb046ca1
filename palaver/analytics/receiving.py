"""What comes from the taps of an analyser: decoded, and what is due of it handed to the intake."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn

from palaver.analytics.intake import Pace
from palaver.analytics.sounds import Converter
from palaver.mixing.decoding import VideoDecoder
from palaver.mixing.listening import DELAY_S, AudioInput
from palaver.mixing.sound import BLOCK, RATE, silence
from palaver.mixing.video import ASK_AGAIN_S, Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.analytics.intake import Intake
    from palaver.analytics.plugin import AudioWanted
    from palaver.media.pipelines.frames import Message

_SECOND_NS: Final = 1_000_000_000
_BLOCK_S: Final = BLOCK / RATE
_MOST_LATE: Final = 25
"""Blocks of sound by which the clock may lag; more are left out."""


class Eye:
    """The video of one track at a time. Every frame is decoded, as others are made of it; few are handed on."""

    def __init__(self, fps: float, intake: Intake, ask: Callable[[int], None]) -> None:
        """``ask`` a tap for a key frame."""
        self._fps, self._intake, self._ask = fps, intake, ask
        self._track: int | None = None
        self._decoder: VideoDecoder | None = None
        self._pace, self._budget = Pace(fps), Budget()
        self._asked_at = float("-inf")
        self._active = True
        self.decoded = self.damaged = 0

    @property
    def hopeless(self) -> bool:
        """Whether nothing of it can be decoded: its pictures are too large, or none."""
        return self._decoder is not None and self._decoder.hopeless

    def watch(self, track: int, codec: str) -> None:
        """Frames of ``track`` come from now on. Raises UnknownCodec."""
        self._track, self._decoder = track, VideoDecoder(codec)
        self._pace, self._budget, self._active = Pace(self._fps), Budget(), True

    def leave(self, track: int) -> None:
        """No frames of ``track`` come any more."""
        if track == self._track:
            self._track = self._decoder = None

    def set_active(self, track: int, active: bool) -> None:
        """``track`` is muted, or not any more: nothing of a muted one is handed on."""
        if track == self._track:
            self._active = active

    def interrupted(self, track: int) -> None:
        """What comes next of ``track`` does not continue what came."""
        if track == self._track and self._decoder is not None:
            self._decoder.starving = True

    def receive(self, message: Message, now_ns: int) -> None:
        """A frame."""
        decoder, now = self._decoder, now_ns / _SECOND_NS
        if decoder is None or message.track != self._track or self._budget.exhausted(now):
            return
        begun = time.thread_time()
        picture = decoder.decode(message)
        self._budget.spend(time.thread_time() - begun, now)
        self.damaged += decoder.damaged
        decoder.damaged = 0
        if self._budget.exhausted(now):
            decoder.starving = True
            return
        if decoder.starving and now - self._asked_at >= ASK_AGAIN_S:
            self._asked_at = now
            self._ask(message.track)
        if picture is None:
            return
        self.decoded += 1
        if self._active and self._pace.due(message.pts):
            self._intake.put_picture(picture, message.time_ns or now_ns)


class Ear:
    """The sound of one track at a time, as an unbroken run of blocks: where nothing comes, there is silence."""

    def __init__(self, wanted: AudioWanted, intake: Intake) -> None:
        self._intake, self._converter = intake, Converter(wanted)
        self._lock = threading.Lock()
        self._track: int | None = None
        self._input: AudioInput | None = None
        self._active = True

    def watch(self, track: int, codec: str) -> None:
        """Packets of ``track`` come from now on. Raises UnknownCodec."""
        with self._lock:
            self._track, self._input, self._active = track, AudioInput(track, codec), True

    def leave(self, track: int) -> None:
        """No packets of ``track`` come any more."""
        with self._lock:
            if track == self._track:
                self._track = self._input = None

    def set_active(self, track: int, active: bool) -> None:
        """``track`` is muted, or not any more: a muted one is silent."""
        with self._lock:
            if track == self._track:
                self._active = active

    def interrupted(self, track: int) -> None:
        """What comes next of ``track`` does not continue what came."""
        with self._lock:
            if track == self._track and self._input is not None:
                self._input = self._input.anew()

    def receive(self, message: Message, now: float) -> None:
        """A packet; ``now`` in monotonic seconds."""
        with self._lock:
            if self._input is not None and message.track == self._track:
                self._input.receive(message, now)

    def run(self) -> NoReturn:
        """Hand on a block every 20 ms."""
        begun, count = time.monotonic(), 0
        while True:
            count += 1
            due = begun + count * _BLOCK_S
            left = due - time.monotonic()
            if left < -_MOST_LATE * _BLOCK_S:  # the process was stopped meanwhile
                begun, count = time.monotonic(), 0
                continue
            time.sleep(max(left, 0))  # until the next block is due
            self._tick(time.monotonic())

    def _tick(self, now: float) -> None:
        with self._lock:
            if self._input is None:
                return
            block = self._input.block(now, wanted=True) if self._active else None
        made = self._converter.converted(block if block is not None else silence())
        if len(made):
            self._intake.put_block(made, round((now - DELAY_S) * _SECOND_NS))
