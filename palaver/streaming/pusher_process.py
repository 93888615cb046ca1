"""The main function of a pusher's process."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from palaver.media.pipelines.child_process import ChildProcess
from palaver.media.pipelines.control import AddInput, ControlError, RemoveInput, SetInputActive, Stop
from palaver.media.pipelines.frames import Type
from palaver.streaming.allowed import resolver
from palaver.streaming.control import PUSHER_COMMANDS, Interrupted, Push, PusherCommand
from palaver.streaming.pusher import Pusher

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from palaver.media.pipelines.frames import Message

STUCK_S: Final = 7.0
"""After so long in one call of the library the other side is taken to hang. Nothing but an end interrupts that call."""


class PusherProcess(ChildProcess[PusherCommand]):
    """One target. The thread that writes to the other side may hang in it: another one watches."""

    TICK_S: ClassVar = 0.05

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        super().__init__(commands, frames, PUSHER_COMMANDS)
        self._lock = threading.Lock()
        self._pusher: Pusher | None = None

    def carry_out(self, command: PusherCommand) -> None:
        """See ChildProcess."""
        with self._lock:
            if isinstance(command, Push):
                resolve = resolver(allow_loopback=command.allow_loopback)
                self._pusher = Pusher(
                    command, ask=self.frames.want_key_frame, report=self.report, resolve=resolve
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

    def take(self, messages: list[Message]) -> None:
        """See ChildProcess."""
        with self._lock:
            if (pusher := self._pusher) is None:
                return
            for message in messages:
                if message.type is Type.FRAME:
                    pusher.receive(message)
                elif message.type is Type.END:
                    pusher.end_track(message.track)
            pusher.tick()

    def finish(self) -> None:
        """See ChildProcess: end the stream at the other side."""
        with self._lock:
            if self._pusher is not None:
                self._pusher.finish()

    def counters(self) -> Mapping[str, float]:
        """See ChildProcess."""
        return self._pusher.counters if self._pusher is not None else {}

    def is_alive(self, still_s: float) -> bool:
        """See ChildProcess: one that hangs says why and ends."""
        if still_s > STUCK_S:
            self.report(Interrupted(reason="the server takes nothing"))
            os._exit(1)
        return True


def run(commands: socket.socket, frames: socket.socket) -> NoReturn:
    """The main function of the process."""
    PusherProcess(commands, frames).run_and_exit()
