"""A recorder that is fed in virtual time: an hour takes as long as writing it."""

from __future__ import annotations

from pathlib import Path

from palaver.media.pipelines.frames import UNKNOWN_LEVEL, Codec, Flag, Message, Type
from palaver.mixing.encoding import CODECS as VIDEO
from palaver.mixing.sound import CODECS as AUDIO
from palaver.recording.control import Finished, Marked, Progress, Record
from palaver.recording.formats import Container
from palaver.recording.recorder import Recorder
from tests.recording.media import FPS, pictures, sound

SECOND = 1_000_000_000
SOUND, PICTURE = 1, 2
START = 1000 * SECOND


class Reel:
    """Sends ``sound`` and ``picture`` to a recorder, second by second; attributes say what is sent next."""

    def __init__(
        self, path: Path, container: Container, audio: str | None, video: str | None, floor_bytes: int = 0
    ) -> None:
        self.now = START
        self.asked: list[int] = []
        self.reports: list[Progress | Marked | Finished] = []
        self.audio, self.video = audio, video
        self.heard, self.seen = audio is not None, video is not None
        self.size = (160, 96)
        self.lose_next = False
        self._frames = 0
        self._tap = "opus" if audio == "aac" else audio
        wanted = Record(
            path=str(path), container=container, audio=audio, video=video, floor_bytes=floor_bytes
        )
        self.recorder = Recorder(wanted, self.now, ask=self.asked.append, report=self.reports.append)
        if self._tap:
            self.recorder.add_audio(SOUND, self._tap)
        if video:
            self.recorder.add_video(PICTURE, video)

    def run(self, seconds: float) -> None:
        """Let time pass, with what is sent in it."""
        for _ in range(round(seconds * 50)):
            if self.heard:
                self.recorder.receive(self.sound_frame(), self.now)
            if self.seen and (self.now - START) // 20_000_000 % (50 // FPS) == 0:
                self._send_picture()
            self.now += 20_000_000
            self.recorder.tick(self.now)

    def _send_picture(self) -> None:
        assert self.video is not None
        frames = pictures(self.video, *self.size)
        payload, key_frame = frames[self._frames % len(frames)]
        self._frames += 1
        if self.lose_next and not key_frame:
            self.lose_next = False
            self._gap = True
            return
        flags = (Flag.KEY_FRAME if key_frame else 0) | (Flag.GAP if getattr(self, "_gap", False) else 0)
        self._gap = False
        self.recorder.receive(
            message(PICTURE, VIDEO[self.video], 90_000, self.now, payload, int(flags)), self.now
        )

    def sound_frame(self) -> Message:
        """What is heard now."""
        assert self._tap is not None
        frames, rate = sound(self._tap), 48_000 if self._tap == "opus" else 8_000
        number = (self.now - START) // 20_000_000
        return message(
            SOUND, AUDIO[self._tap], rate, self.now, frames[number % len(frames)], int(Flag.KEY_FRAME)
        )

    def end(self) -> Finished:
        """Finish the file."""
        self.recorder.finish()
        last = self.reports[-1]
        assert isinstance(last, Finished)
        return last


def message(track: int, codec: Codec, rate: int, now: int, payload: bytes, flags: int) -> Message:
    """A frame captured ``now``, by a clock of its own."""
    pts = 77_777 + (now - START) * rate // SECOND
    return Message(Type.FRAME, int(codec), flags, UNKNOWN_LEVEL, track, rate, pts, now, payload)
