"""The main function of a puller's process."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from palaver.media.pipelines.child_process import ChildProcess
from palaver.media.pipelines.frames import Type
from palaver.streaming.allowed import resolver
from palaver.streaming.control import PULLER_COMMANDS, VIDEO_TRACK, Pull, PullerCommand
from palaver.streaming.puller import Puller

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from palaver.media.pipelines.frames import Message


class PullerProcess(ChildProcess[PullerCommand]):
    """One stream. Waits for the other server are bounded by the library. At its end that server sees a closed
    connection.
    """

    def __init__(self, commands: socket.socket, frames: socket.socket) -> None:
        super().__init__(commands, frames, PULLER_COMMANDS)
        self._puller: Puller | None = None

    def carry_out(self, command: PullerCommand) -> None:
        """See ChildProcess."""
        if isinstance(command, Pull) and self._puller is None:
            resolve = resolver(allow_loopback=command.allow_loopback)
            self._puller = Puller(command, self.frames, report=self.report, resolve=resolve)
            self.start(self._puller.run)

    def take(self, messages: list[Message]) -> None:
        """See ChildProcess."""
        if (puller := self._puller) is None:
            return
        for message in messages:
            if message.type is Type.KEY_FRAME_WANTED:
                puller.want_key_frame(message.track)
            elif message.type is Type.UNWANTED and message.track == VIDEO_TRACK:
                puller.forget_viewers()

    def counters(self) -> Mapping[str, float]:
        """See ChildProcess."""
        return self._puller.counters if self._puller is not None else {}


def run(commands: socket.socket, frames: socket.socket) -> NoReturn:
    """The main function of the process."""
    PullerProcess(commands, frames).run_and_exit()
