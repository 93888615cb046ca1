"""The main function of a puller's process."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final, NoReturn

import av

from palaver.media.pipelines.control import Alive, ControlError, ControlSocket, Failed, Ready, Stop
from palaver.media.pipelines.frames import FrameError, FrameSocket, Type
from palaver.streaming.allowed import resolver
from palaver.streaming.control import PULLER_COMMANDS, Pull
from palaver.streaming.puller import Puller

if TYPE_CHECKING:
    import socket

    from palaver.streaming.control import PullerCommand

_ALIVE_S: Final = 0.5


class PullerProcess:
    """Everything in the process. Its waits for the other server are bounded by the library, so it is always alive."""

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        self._control: ControlSocket[PullerCommand] = ControlSocket(commands, PULLER_COMMANDS)
        self._frames = FrameSocket(frames)
        self._puller: Puller | None = None
        self._over = threading.Event()

    def run_and_exit(self) -> NoReturn:
        """Receive until told to stop, or until the node is gone."""
        av.logging.set_level(None)
        threading.Thread(target=self._tell_counters, daemon=True).start()
        try:
            self._obey()
        except (OSError, ControlError) as error:
            self._fail(str(error))
        os._exit(0)  # the other server sees its connection closed

    def _obey(self) -> None:
        self._control.report(Ready())
        for command in self._control.commands():
            if isinstance(command, Stop):
                return
            if self._puller is None:
                self._begin(command)

    def _begin(self, pull: Pull) -> None:
        resolve = resolver(allow_loopback=pull.allow_loopback)
        self._puller = Puller(pull, self._frames, report=self._control.report, resolve=resolve)
        for part in (self._receive, self._read_frames):
            threading.Thread(target=part, daemon=True).start()

    def _receive(self) -> None:
        assert self._puller is not None
        try:
            self._puller.run()
        except (OSError, ControlError) as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
            raise

    def _read_frames(self) -> None:
        assert self._puller is not None
        try:
            while messages := self._frames.receive():
                for message in messages:
                    if message.type is Type.KEY_FRAME_WANTED:
                        self._puller.want_key_frame(message.track)
        except FrameError as error:
            self._fail(str(error))
        os._exit(0)  # the core is gone

    def _tell_counters(self) -> None:
        while not self._over.wait(_ALIVE_S):
            counters = dict(self._puller.counters) if self._puller is not None else {}
            try:
                self._control.report(Alive(counters=counters))
            except OSError:
                os._exit(0)

    def _fail(self, reason: str) -> None:
        try:
            self._control.report(Failed(track=None, reason=reason))
        finally:
            os._exit(1)


def run(commands: socket.socket, frames: socket.socket) -> None:
    """The main function of the process."""
    PullerProcess(commands, frames).run_and_exit()
