"""The mixer's process: commands and frames in, a mixed picture and sound out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, assert_never

from palaver.media.pipelines.child_process import ChildProcess
from palaver.media.pipelines.control import (
    AddInput,
    Failed,
    RemoveInput,
    SetInputActive,
    Stop,
)
from palaver.media.pipelines.frames import Type
from palaver.mixing.audio import AudioMixer
from palaver.mixing.control import (
    COMMANDS,
    AddAudioOutput,
    AddVideoOutput,
    Command,
    Compose,
    RemoveOutput,
    Speaking,
)
from palaver.mixing.decoding import UnknownCodec
from palaver.mixing.video import VideoMixer

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from palaver.media.pipelines.frames import Message


class Mixer(ChildProcess[Command]):
    """Everything in the process."""

    def __init__(
        self, commands: socket.socket, frames: socket.socket, video: type[VideoMixer] = VideoMixer
    ) -> None:
        super().__init__(commands, frames, COMMANDS)
        self.gather_s = video.GATHER_S
        self._video = video(self.frames, self._output_failed)
        self._audio = AudioMixer(self.frames, self._speaking, self._output_failed)

    def run_and_exit(self) -> NoReturn:
        """See ChildProcess."""
        for part in (self._video.run_decoder, self._video.run_encoder, self._audio.run):
            self.start(part)
        super().run_and_exit()

    def carry_out(self, command: Command) -> None:
        """See ChildProcess. An output that cannot be is said, and disturbs no other."""
        try:
            self._do(command)
        except UnknownCodec as error:
            track = getattr(command, "track", None)
            self.report(Failed(track=track, reason=f"no codec called {error}"))

    def _do(self, command: Command) -> None:
        match command:
            case AddInput(kind="video"):
                self._video.add_input(command)
            case AddInput():
                self._audio.add_input(command)
            case RemoveInput(track=track):
                self._video.remove_input(track)
                self._audio.remove_input(track)
            case SetInputActive(track=track, active=active):
                self._video.set_active(track, active)
                self._audio.set_active(track, active)
            case Compose():
                self._video.compose(command)
            case AddVideoOutput():
                self._video.add_output(command)
            case AddAudioOutput():
                self._audio.add_output(command)
            case RemoveOutput(track=track):
                self._video.remove_output(track)
                self._audio.remove_output(track)
            case Stop():
                pass
            case _:
                assert_never(command)

    def take(self, messages: list[Message]) -> None:
        """See ChildProcess."""
        for message in messages:
            if message.type is Type.FRAME:
                part = self._video if message.codec < _FIRST_AUDIO else self._audio
                part.receive(message)
            elif message.type is Type.KEY_FRAME_WANTED:
                self._video.want_key_frame(message.track)
            elif message.type is Type.END:
                self._video.end_track(message.track)
                self._audio.end_track(message.track)

    def finish(self) -> None:
        """See ChildProcess."""
        self._video.stop()
        self._audio.stop()

    def counters(self) -> Mapping[str, float]:
        """See ChildProcess."""
        return {**self._video.counters, **self._audio.counters}

    def _speaking(self, track: int) -> None:
        self.report(Speaking(track=track))

    def _output_failed(self, track: int, reason: str) -> None:
        self.report(Failed(track=track, reason=reason))


_FIRST_AUDIO: Final = 16
"""Codecs from this number on are audio's."""


def run(commands: socket.socket, frames: socket.socket) -> NoReturn:
    """The main function of the process."""
    Mixer(commands, frames).run_and_exit()
