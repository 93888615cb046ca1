"""The main function of a recorder's process: two sockets, three threads, one file."""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn

import av

from palaver.media.pipelines.control import (
    AddInput,
    Alive,
    ControlError,
    ControlSocket,
    Failed,
    Ready,
    RemoveInput,
    SetInputActive,
    Stop,
)
from palaver.media.pipelines.frames import FrameError, FrameSocket, Type
from palaver.mixing.decoding import UnknownCodec
from palaver.recording.control import COMMANDS, Pause, Record, Resume
from palaver.recording.recorder import Recorder

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from palaver.recording.control import Command

_GATHER_S: Final = 0.02
"""So long the socket is left alone after it was read: a file has no hurry, and each waking costs."""
_TICK_S: Final = 0.2
_ALIVE_S: Final = 0.5
_SYNC_S: Final = 1.0


class RecorderProcess:
    """Everything in the process. Alive is said by the thread that writes: one that hangs is killed and replaced."""

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        self._control: ControlSocket[Command] = ControlSocket(commands, COMMANDS)
        self._frames = FrameSocket(frames)
        self._readable = frames
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None
        self._over = threading.Event()
        self._alive_at = 0.0

    def run_and_exit(self) -> NoReturn:
        """Record until told to stop, until the node is gone or there is no more space; then complete the file."""
        av.logging.set_level(None)
        for part in (self._write, self._sync):
            threading.Thread(target=self._guarded, args=(part,), daemon=True).start()
        self._guarded(self._obey)
        self._guarded(self._finish)
        os._exit(0)

    def _guarded(self, part: Callable[[], None]) -> None:
        try:
            part()
        except (OSError, ValueError, UnknownCodec, FrameError, ControlError) as error:
            self._fail(str(error) or type(error).__name__)
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
            raise

    def _fail(self, reason: str) -> None:
        """Without its file there is nothing left to do; what was written stays playable."""
        try:
            self._control.report(Failed(track=None, reason=reason))
        finally:
            os._exit(1)

    # ── commands ────────────────────────────────────────────────────────────────────────────────────

    def _obey(self) -> None:
        self._control.report(Ready())
        for command in self._control.commands():
            if isinstance(command, Stop):
                return
            with self._lock:
                self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        now = time.monotonic_ns()
        if isinstance(command, Record):
            self._recorder = Recorder(
                command, now, ask=self._frames.want_key_frame, report=self._control.report
            )
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

    def _finish(self) -> None:
        with self._lock:
            if self._recorder is not None:
                self._recorder.finish()

    # ── frames and time ─────────────────────────────────────────────────────────────────────────────

    def _write(self) -> None:
        connected = True
        while not self._over.is_set():
            readable = connected and bool(select.select([self._readable], [], [], _TICK_S)[0])
            messages = self._frames.receive() if readable else []
            connected = connected and (bool(messages) or not readable)
            with self._lock:
                if (recorder := self._recorder) is None:
                    continue
                now = time.monotonic_ns()
                for message in messages:
                    if message.type is Type.FRAME:
                        recorder.receive(message, now)
                    elif message.type is Type.END:
                        recorder.end_track(message.track)
                recorder.tick(now)
                if recorder.finished:  # by itself
                    os._exit(0)
            self._say_alive()
            self._over.wait(_GATHER_S if connected else _TICK_S)

    def _say_alive(self) -> None:
        if (now := time.monotonic()) - self._alive_at >= _ALIVE_S:
            self._alive_at = now
            self._control.report(Alive(counters={}))

    def _sync(self) -> None:
        while not self._over.wait(_SYNC_S):
            if (recorder := self._recorder) is not None:
                recorder.sync()


def run(commands: socket.socket, frames: socket.socket) -> None:
    """The main function of the process."""
    RecorderProcess(commands, frames).run_and_exit()
