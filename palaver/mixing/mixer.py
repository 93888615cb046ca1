"""The mixer's process: commands and frames in, a mixed picture and sound out."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Final, NoReturn, assert_never

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
    from collections.abc import Callable

_REPORT_S: Final = 0.5


class Mixer:
    """Everything in the process. ``run`` is its life."""

    def __init__(
        self, commands: socket.socket, frames: socket.socket, video: type[VideoMixer] = VideoMixer
    ) -> None:
        self._control = ControlSocket(commands, COMMANDS)
        self._frames = FrameSocket(frames)
        self._video = video(self._frames, self._output_failed)
        self._audio = AudioMixer(self._frames, self._speaking, self._output_failed)
        self._over = threading.Event()

    def run(self) -> None:
        """Work until told to stop, or until the node is gone."""
        threads = [
            threading.Thread(target=self._guarded, args=(part,), name=name, daemon=True)
            for name, part in (
                ("frames", self._read_frames),
                ("decoder", self._video.run_decoder),
                ("encoder", self._video.run_encoder),
                ("audio", self._audio.run),
                ("statistics", self._tell_counters),
            )
        ]
        for thread in threads:
            thread.start()
        self._guarded(self._obey)

    def run_and_exit(self) -> NoReturn:
        """``run``, and the end of the process: threads may be inside an encoder, and nothing is left to be written."""
        av.logging.set_level(None)
        self.run()
        os._exit(0)

    def _guarded(self, part: Callable[[], None]) -> None:
        """A thread that fails takes the process with it: the node starts another. One that ends, ends all."""
        try:
            part()
        except (OSError, FrameError, ControlError) as error:
            self._say_failed(f"{type(error).__name__}: {error}")
        except Exception as error:
            self._say_failed(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._over.set()
            self._control.end()
            self._video.stop()
            self._audio.stop()

    def _say_failed(self, reason: str) -> None:
        try:
            self._control.report(Failed(track=None, reason=reason))
        except OSError:
            os._exit(1)

    def _obey(self) -> None:
        self._control.report(Ready())
        for command in self._control.commands():
            if isinstance(command, Stop):
                return
            try:
                self._carry_out(command)
            except UnknownCodec as error:
                track = getattr(command, "track", None)
                self._control.report(Failed(track=track, reason=f"no codec called {error}"))

    def _carry_out(self, command: Command) -> None:
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

    def _read_frames(self) -> None:
        while messages := self._frames.receive():
            for message in messages:
                if message.type is Type.FRAME:
                    part = self._video if message.codec < _FIRST_AUDIO else self._audio
                    part.receive(message)
                elif message.type is Type.KEY_FRAME_WANTED:
                    self._video.want_key_frame(message.track)
                else:
                    self._video.end_track(message.track)
                    self._audio.end_track(message.track)
            if gather := self._video.GATHER_S:
                time.sleep(gather)

    def _speaking(self, track: int) -> None:
        self._control.report(Speaking(track=track))

    def _output_failed(self, track: int, reason: str) -> None:
        self._control.report(Failed(track=track, reason=reason))

    def _tell_counters(self) -> None:
        while not self._over.wait(_REPORT_S):
            counters = {**self._video.counters, **self._audio.counters}
            self._control.report(Alive(counters=counters))


_FIRST_AUDIO: Final = 16
"""Codecs from this number on are audio's."""


def run(commands: socket.socket, frames: socket.socket) -> None:
    """The main function of the process."""
    Mixer(commands, frames).run_and_exit()
