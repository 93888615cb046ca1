"""The main function of a recorder's process: frames and commands in, one file out."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from palaver.media.pipelines.child_process import ChildProcess
from palaver.media.pipelines.control import AddInput, ControlError, RemoveInput, SetInputActive, Stop
from palaver.media.pipelines.frames import Type
from palaver.recording.control import COMMANDS, Command, Pause, Record, Resume
from palaver.recording.recorder import Recorder

if TYPE_CHECKING:
    import socket

    from palaver.media.pipelines.frames import Message

_STILL_S: Final = 1.0
"""A thread that writes and has not come back for so long hangs: the process is silent, so that it is replaced."""
_SYNC_S: Final = 1.0


class RecorderProcess(ChildProcess[Command]):
    """One file. Without it there is nothing left to do; what was written stays playable."""

    TICK_S: ClassVar = 0.2
    gather_s = 0.02

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        super().__init__(commands, frames, COMMANDS)
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None

    def carry_out(self, command: Command) -> None:
        """See ChildProcess."""
        now = time.monotonic_ns()
        with self._lock:
            if isinstance(command, Record):
                self._recorder = Recorder(command, now, ask=self.frames.want_key_frame, report=self.report)
                self.start(self._sync)
                return
            recorder = self._recorder
            if recorder is None:
                raise ControlError(f"{type(command).__name__} before Record")
            match command:
                case AddInput(track=track, kind=kind, codec=codec):
                    (recorder.add_audio if kind == "audio" else recorder.add_video)(track, codec)
                case RemoveInput(track=track):
                    recorder.remove(track)
                case SetInputActive(track=track, active=active):
                    recorder.set_active(track, active)
                case Pause():
                    recorder.pause(now)
                case Resume():
                    recorder.resume(now)
                case Stop():
                    pass

    def take(self, messages: list[Message]) -> None:
        """See ChildProcess."""
        with self._lock:
            if (recorder := self._recorder) is None:
                return
            now = time.monotonic_ns()
            for message in messages:
                if message.type is Type.FRAME:
                    recorder.receive(message, now)
                elif message.type is Type.END:
                    recorder.end_track(message.track)
            recorder.tick(now)
            if recorder.finished:  # by itself
                os._exit(0)

    def finish(self) -> None:
        """See ChildProcess: complete the file."""
        with self._lock:
            if self._recorder is not None:
                self._recorder.finish()

    def is_alive(self, still_s: float) -> bool:
        """See ChildProcess."""
        return still_s < _STILL_S

    def _sync(self) -> None:
        while True:
            time.sleep(_SYNC_S)
            if (recorder := self._recorder) is not None:
                recorder.sync()


def run(commands: socket.socket, frames: socket.socket) -> NoReturn:
    """The main function of the process."""
    RecorderProcess(commands, frames).run_and_exit()
