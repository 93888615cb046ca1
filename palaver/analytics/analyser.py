"""The process of one analysis: decodes what comes, calls the algorithm, tells what it sees and encodes what it shows.

The algorithm runs on a thread of its own: while it works, only the newest picture waits for it. Whatever it raises, and
where it hangs, is told before the process ends; the node decides whether another takes its place.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final, NoReturn

from palaver.analytics.control import (
    COMMANDS,
    OUTPUT_TRACK,
    Analyse,
    Begun,
    Broke,
    Command,
    Observed,
    Show,
)
from palaver.analytics.found import find
from palaver.analytics.intake import Block, Intake, Picture
from palaver.analytics.pictures import Scaler
from palaver.analytics.plugin import Frame, Observation
from palaver.analytics.receiving import Ear, Eye
from palaver.analytics.running import Running, handler_of
from palaver.analytics.showing import Screen
from palaver.analytics.watch import Watchdog, forbid_processes
from palaver.media.pipelines.child_process import ChildProcess
from palaver.media.pipelines.control import AddInput, Failed, RemoveInput, SetInputActive
from palaver.media.pipelines.frames import Type

if TYPE_CHECKING:
    import socket

    from palaver.analytics.plugin import Analyzer
    from palaver.media.pipelines.frames import Message
    from palaver.room.values import Kind

_GATHER_S: Final = 0.015
"""So long the socket is left alone after it was read: each waking costs more than decoding a small picture."""
_LOOK_S: Final = 0.2
_SECOND_NS: Final = 1_000_000_000
_MOST_TRACEBACK: Final = 16_000
_OBSERVATIONS_PER_S: Final = 200
"""Events that are told of one analysis in a second; more are counted."""


class AnalyserProcess(ChildProcess[Command]):
    """Everything in the process."""

    gather_s = _GATHER_S

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        super().__init__(commands, frames, COMMANDS)
        self._intake = Intake()
        self._eye: Eye | None = None
        self._ear: Ear | None = None
        self._screen: Screen | None = None
        self._breaking = threading.Lock()
        self._told_in_second = (0, 0)
        self._first_ns: int | None = None
        self._counters = dict.fromkeys(("handled", "handler_seconds", "events", "events_dropped"), 0.0)

    def _break(self, error: str, where: str) -> NoReturn:
        """The algorithm cannot go on: tell it, once, and end."""
        with self._breaking:
            try:
                self.report(Broke(error=error[:1000], traceback=where[-_MOST_TRACEBACK:]))
            finally:
                os._exit(1)

    # ── commands ────────────────────────────────────────────────────────────────────────────────────

    def carry_out(self, command: Command) -> None:
        """See ChildProcess."""
        match command:
            case Analyse():
                self._begin(command)
            case Show() if self._screen is not None:
                self._screen.encode_as(command)
            case AddInput(track=track, kind=kind, codec=codec) if part := self._part(kind):
                part.watch(track, codec)
            case RemoveInput(track=track):
                for part in self._parts():
                    part.leave(track)
            case SetInputActive(track=track, active=active):
                for part in self._parts():
                    part.set_active(track, active)

    def _part(self, kind: str) -> Eye | Ear | None:
        return self._ear if kind == "audio" else self._eye

    def _parts(self) -> list[Eye | Ear]:
        return [part for part in (self._eye, self._ear) if part is not None]

    def _begin(self, wanted: Analyse) -> None:
        """Load the algorithm on the thread on which it will work: what it makes may belong to its thread."""
        watchdog = Watchdog(wanted.handler_s)
        self.start(lambda: self._watch(watchdog))
        self.start(lambda: self._analyse(wanted, watchdog))

    # ── the algorithm's thread ──────────────────────────────────────────────────────────────────────

    def _analyse(self, wanted: Analyse, watchdog: Watchdog) -> None:
        try:
            with watchdog.working("start"):
                forbid_processes()
                analyzer = find(wanted.algorithm, wanted.paths).kind.made(wanted.parameters)
                analyzer.start()
            self._open(analyzer)
            with Running() as running:
                self._work(analyzer, running, watchdog)
        except BaseException as error:
            where = "".join(traceback.format_exception(error))
            self._break(": ".join(filter(None, (type(error).__name__, str(error)))), where)

    def _open(self, analyzer: Analyzer) -> None:
        pictures, sound = analyzer.wants_video, analyzer.wants_audio
        fps = pictures.fps if pictures else 0.0
        self._screen = Screen(self.frames, self.report, fps or 10.0)
        if pictures:
            self._eye = Eye(fps, self._intake, self.frames.want_key_frame)
        if sound:
            self._ear = Ear(sound, self._intake)
            self.start(self._ear.run)
        width, height = (pictures.size if pictures else None) or (0, 0)
        self.report(Begun(video=bool(pictures), audio=bool(sound), fps=fps, width=width, height=height))

    def _work(self, analyzer: Analyzer, running: Running, watchdog: Watchdog) -> None:
        scaler = Scaler(analyzer.wants_video) if analyzer.wants_video else None
        while True:
            match self._intake.take(_LOOK_S):
                case Picture() as one if scaler is not None:
                    frame = scaler.frame(one.frame, self._time(one.at_ns), one.skipped)
                    self._handle("video", analyzer, frame, one.at_ns, running, watchdog)
                case Block() as one:
                    assert analyzer.wants_audio is not None
                    frame = Frame(
                        one.samples, self._time(one.at_ns), one.skipped, rate=analyzer.wants_audio.rate
                    )
                    self._handle("audio", analyzer, frame, one.at_ns, running, watchdog)

    def _time(self, at_ns: int) -> float:
        if self._first_ns is None:
            self._first_ns = at_ns
        return (at_ns - self._first_ns) / _SECOND_NS

    def _handle(
        self, kind: Kind, analyzer: Analyzer, frame: Frame, at_ns: int, running: Running, watchdog: Watchdog
    ) -> None:
        begun = time.monotonic()
        with watchdog.working(kind):
            for result in running.results(handler_of(analyzer, kind), frame):
                if isinstance(result, Observation):
                    self._tell(result, at_ns)
                elif self._screen is not None:
                    self._screen.show(result, at_ns)
        self._counters["handled"] += 1
        self._counters["handler_seconds"] += time.monotonic() - begun

    def _tell(self, seen: Observation, at_ns: int) -> None:
        second = time.monotonic_ns() // _SECOND_NS
        told = self._told_in_second[1] if self._told_in_second[0] == second else 0
        self._told_in_second = (second, told + 1)
        if told >= _OBSERVATIONS_PER_S:
            self._counters["events_dropped"] += 1
            return
        self._counters["events"] += 1
        self.report(Observed(name=seen.name, data=seen.data, at_ns=at_ns))

    # ── frames and time ─────────────────────────────────────────────────────────────────────────────

    def take(self, messages: list[Message]) -> None:
        """See ChildProcess."""
        for message in messages:
            if message.type is Type.FRAME:
                self._receive(message)
            elif message.type is Type.END:
                for part in self._parts():
                    part.interrupted(message.track)
            elif message.track == OUTPUT_TRACK and self._screen is not None:
                self._screen.set_wanted(message.type is Type.KEY_FRAME_WANTED)

    def _receive(self, message: Message) -> None:
        now_ns = time.monotonic_ns()
        if self._eye is not None:
            self._eye.receive(message, now_ns)
        if self._ear is not None:
            self._ear.receive(message, now_ns / _SECOND_NS)

    def _watch(self, watchdog: Watchdog) -> None:
        told = False
        while True:
            time.sleep(_LOOK_S)
            if hanging := watchdog.hanging():
                self._break(*hanging)
            if self._eye is not None and self._eye.hopeless and not told:
                told = True
                self.report(Failed(track=0, reason="its pictures are too large, or damaged"))

    def counters(self) -> dict[str, float]:
        """See ChildProcess."""
        counted = dict(self._counters)
        counted["skipped"] = self._intake.skipped_pictures + self._intake.skipped_blocks
        if self._eye is not None:
            counted["decoded"], counted["damaged"] = self._eye.decoded, self._eye.damaged
        if self._screen is not None:
            counted["encoded"] = self._screen.encoded
        return counted


def run(commands: socket.socket, frames: socket.socket) -> NoReturn:
    """The main function of the process."""
    AnalyserProcess(commands, frames).run_and_exit()
