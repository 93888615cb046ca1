"""What the main functions of all pipelines share: two sockets, a thread for each part, and one end.

The main thread carries out commands until it is told to stop, or the node or the core is gone; then the process
finishes and exits. A part that fails takes the process with it: the node starts another.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final, Generic, NoReturn, TypeVar

import av

from palaver.media.pipelines.control import Alive, ControlError, ControlSocket, Failed, Ready, Stop
from palaver.media.pipelines.frames import FrameError, FrameSocket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from msgspec import Struct
    from msgspec.msgpack import Decoder

    from palaver.media.pipelines.frames import Message

C = TypeVar("C")
ALIVE_S: Final = 0.5


class ChildProcess(Generic[C]):
    """The base of a pipeline's main function; a kind says what its commands, frames and end mean."""

    TICK_S: ClassVar[float | None] = None
    """:meth:`take` is called after so long also without frames; None: only with some."""
    gather_s: float = 0.0
    """So long the frame socket is left alone after it was read: each time costs."""

    def __init__(self, commands: socket.socket, frames: socket.socket, decoder: Decoder[C]) -> None:
        """``decoder`` knows the commands."""
        self._control: ControlSocket[C] = ControlSocket(commands, decoder)
        self.frames = FrameSocket(frames)
        self._taken_at = time.monotonic()

    # ── what a kind says ────────────────────────────────────────────────────────────────────────────

    def carry_out(self, command: C) -> None:
        """Do what the node wants, in the main thread; Stop is not among it."""
        raise NotImplementedError

    def take(self, messages: list[Message]) -> None:
        """These frames came from the core, maybe none."""
        raise NotImplementedError

    def finish(self) -> None:
        """Complete what was begun: the process is about to exit."""

    def counters(self) -> Mapping[str, float]:
        """What has been counted since the start."""
        return {}

    def is_alive(self, still_s: float) -> bool:
        """Whether to tell the node so, when :meth:`take` returned so long ago: it replaces a child that is silent."""
        return True

    # ── its life ────────────────────────────────────────────────────────────────────────────────────

    def run_and_exit(self) -> NoReturn:
        """Work to the end, and exit at once: threads may be inside a library, and nothing is left to be written."""
        av.logging.set_level(None)
        self.start(self._read_frames)
        self.start(self._tell_counters)
        self._guarded(self._obey)
        self._guarded(self.finish)
        os._exit(0)

    def start(self, part: Callable[[], None]) -> None:
        """Run ``part`` in a thread of its own."""
        threading.Thread(target=self._guarded, args=(part,), daemon=True).start()

    def report(self, report: Struct) -> None:
        """Tell the node. If it is gone, nobody hears it, and the commands end as well."""
        with suppress(OSError):
            self._control.report(report)

    def fail(self, reason: str) -> NoReturn:
        """Tell the node why nothing can go on, and exit."""
        try:
            self.report(Failed(track=None, reason=reason))
        finally:
            os._exit(1)

    def _guarded(self, part: Callable[[], None]) -> None:
        try:
            part()
        except (OSError, ValueError, FrameError, ControlError) as error:
            self.fail(str(error) or type(error).__name__)
        except Exception as error:
            traceback.print_exc()
            self.fail(f"{type(error).__name__}: {error}")

    def _obey(self) -> None:
        self.report(Ready())
        for command in self._control.commands():
            if isinstance(command, Stop):
                return
            self.carry_out(command)

    def _read_frames(self) -> None:
        while True:
            messages: list[Message] = []
            if self.TICK_S is None or self.frames.wait(self.TICK_S):
                messages = self.frames.receive()
                if not messages:
                    self._control.end()
                    return
            self.take(messages)
            self._taken_at = time.monotonic()
            if self.gather_s:
                time.sleep(self.gather_s)

    def _tell_counters(self) -> None:
        while True:
            time.sleep(ALIVE_S)
            if self.is_alive(time.monotonic() - self._taken_at):
                self.report(Alive(counters=dict(self.counters())))
