"""The main function of a pusher's process."""

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
from palaver.streaming.allowed import resolver
from palaver.streaming.control import PUSHER_COMMANDS, Interrupted, Push
from palaver.streaming.pusher import Pusher

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from palaver.streaming.control import PusherCommand

_TICK_S: Final = 0.05
_ALIVE_S: Final = 0.5
STUCK_S: Final = 7.0
"""After so long in one call of the library the other side is taken to hang. Nothing but an end interrupts that call."""


class PusherProcess:
    """Everything in the process. One thread writes to the other side, and may hang in it: another one watches."""

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        self._control: ControlSocket[PusherCommand] = ControlSocket(commands, PUSHER_COMMANDS)
        self._frames, self._readable = FrameSocket(frames), frames
        self._lock = threading.Lock()
        self._pusher: Pusher | None = None
        self._moved = time.monotonic()

    def run_and_exit(self) -> NoReturn:
        """Send until told to stop, or until the node is gone; then end the stream at the other side."""
        av.logging.set_level(None)
        for part in (self._write, self._watch):
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
        try:
            self._control.report(Failed(track=None, reason=reason))
        finally:
            os._exit(1)

    def _obey(self) -> None:
        self._control.report(Ready())
        for command in self._control.commands():
            if isinstance(command, Stop):
                return
            with self._lock:
                self._carry_out(command)

    def _carry_out(self, command: PusherCommand) -> None:
        if isinstance(command, Push):
            resolve = resolver(allow_loopback=command.allow_loopback)
            self._pusher = Pusher(
                command, ask=self._frames.want_key_frame, report=self._control.report, resolve=resolve
            )
            return
        pusher = self._pusher
        if pusher is None:
            raise ControlError(f"{type(command).__name__} before Push")
        match command:
            case AddInput(track=track, kind=kind, codec=codec):
                (pusher.add_audio if kind == "audio" else pusher.add_video)(track, codec)
            case RemoveInput(track=track):
                pusher.remove(track)
            case SetInputActive(track=track, active=active):
                pusher.set_active(track, active)
            case Stop():
                pass

    def _finish(self) -> None:
        with self._lock:
            if self._pusher is not None:
                self._pusher.finish()

    def _write(self) -> None:
        while True:
            readable = bool(select.select([self._readable], [], [], _TICK_S)[0])
            messages = self._frames.receive() if readable else []
            if readable and not messages:
                return  # the core is gone: the control channel ends as well
            with self._lock:
                if (pusher := self._pusher) is not None:
                    for message in messages:
                        if message.type is Type.FRAME:
                            pusher.receive(message)
                        elif message.type is Type.END:
                            pusher.end_track(message.track)
                    pusher.tick()
            self._moved = time.monotonic()

    def _watch(self) -> None:
        while True:
            time.sleep(_ALIVE_S)
            if time.monotonic() - self._moved > STUCK_S:
                self._control.report(Interrupted(reason="the server takes nothing"))
                os._exit(1)
            pusher = self._pusher
            self._control.report(Alive(counters=dict(pusher.counters) if pusher is not None else {}))


def run(commands: socket.socket, frames: socket.socket) -> None:
    """The main function of the process."""
    PusherProcess(commands, frames).run_and_exit()
