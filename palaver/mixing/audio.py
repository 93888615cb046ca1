"""The audio of a mixer: every 20 ms the loudest few are summed, and everybody hears the others (N-1)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from palaver.mixing.listening import AudioInput
from palaver.mixing.sound import BLOCK, RATE, AudioEncoder, Samples, silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from palaver.media.pipelines.control import AddInput
    from palaver.media.pipelines.frames import FrameSocket, Message
    from palaver.mixing.control import AddAudioOutput

TICK_S: Final = 0.02
LOUDEST: Final = 6
"""So many inputs are mixed at once."""
_QUIET: Final = 70.0
"""Softer than this (-dBov) an input is left out where there are more than that."""
_LOUDER: Final = 3.0
"""By so many dB an input must be louder to take the place of one that is mixed."""
_SPEAKING_S: Final = 0.3
"""So long somebody else must be the loudest voice to be told as the speaker."""
_LATE_S: Final = 0.2
"""Further behind than this the clock is set anew: late audio is worth nothing."""
_CEILING: Final = 0.97


def chosen(inputs: Mapping[int, AudioInput], former: Iterable[int]) -> set[int]:
    """The inputs to be mixed: all, or of many the loudest; who is mixed already has a little advantage."""
    active = [one for one in inputs.values() if one.active]
    if len(active) <= LOUDEST:
        return {one.track for one in active}
    mixed = set(former)
    ranked = sorted(active, key=lambda one: one.level - (_LOUDER if one.track in mixed else 0))
    loudest = {one.track for one in ranked[:LOUDEST] if one.level < _QUIET}
    return loudest | {one.track for one in active if not one.told}


class Limiter:
    """Keeps a mix below full scale: turns it down at once, and up again within a third of a second."""

    def __init__(self) -> None:
        self._gain = 1.0

    def limited(self, block: Samples) -> Samples:
        """``block`` without clipping; the gain changes along the block, not at its edge."""
        peak = float(np.max(np.abs(block), initial=0.0))
        wanted = min(1.0, _CEILING / peak) if peak > 0 else 1.0
        before = self._gain
        self._gain = wanted if wanted < before else min(wanted, before + TICK_S / 0.3)
        if before == self._gain == 1.0:
            return block
        ramp = np.minimum(np.linspace(before, self._gain, BLOCK, dtype=np.float32), wanted)
        return block * ramp[:, None]


class Speaker:
    """Whose voice is the loudest, told when somebody else has been it for a while."""

    def __init__(self) -> None:
        self.track: int | None = None
        self._rival: tuple[int, float] | None = None

    def note(self, inputs: Iterable[AudioInput], now: float) -> int | None:
        """The new speaker, if there is one since now."""
        voices = [one for one in inputs if one.active and one.voice]
        loudest = min(voices, key=lambda one: one.level, default=None)
        if loudest is None or loudest.track == self.track:
            self._rival = None
            return None
        if self._rival is None or self._rival[0] != loudest.track:
            self._rival = (loudest.track, now)
            return None
        if now - self._rival[1] < _SPEAKING_S:
            return None
        self.track, self._rival = loudest.track, None
        return self.track


class _Encoding:
    """What all listeners who hear the same in the same format share."""

    def __init__(self, output: AddAudioOutput) -> None:
        self.encoder = AudioEncoder.of(output)
        self.limiter = Limiter()
        self.used = 0


class AudioMixer:
    """Owns inputs and encoders; one thread. Nothing is decoded while there is no output."""

    def __init__(
        self, frames: FrameSocket, speaking: Callable[[int], None], failed: Callable[[int, str], None]
    ) -> None:
        self._frames, self._speaking, self._failed = frames, speaking, failed
        self._lock = threading.Condition()
        self._inputs: dict[int, AudioInput] = {}
        self._outputs: dict[int, AddAudioOutput] = {}
        self._encodings: dict[tuple[str, int, frozenset[int]], _Encoding] = {}
        self._mixed: set[int] = set()
        self._speaker = Speaker()
        self._stopped = False
        self._tick = 0
        self.counters = {
            "audio_frames_encoded": 0.0,
            "audio_ticks_missed": 0.0,
            "audio_samples_concealed": 0.0,
            "audio_packets_dropped": 0.0,
        }

    def add_input(self, command: AddInput) -> None:
        """Raises UnknownCodec."""
        added = AudioInput(command.track, command.codec)
        with self._lock:
            self._inputs[command.track] = added
            self._lock.notify_all()

    def remove_input(self, track: int) -> None:
        """Nobody hears it any more."""
        with self._lock:
            self._inputs.pop(track, None)
            self._mixed.discard(track)

    def end_track(self, track: int) -> None:
        """No packets come for now. Those that come later do not continue these."""
        with self._lock:
            if found := self._inputs.get(track):
                self._inputs[track] = found.anew()
                self._mixed.discard(track)

    def set_active(self, track: int, active: bool) -> None:
        """Mute or unmute an input."""
        with self._lock:
            if found := self._inputs.get(track):
                found.active = active

    def add_output(self, command: AddAudioOutput) -> None:
        """Raises UnknownCodec."""
        AudioEncoder.of(command)
        with self._lock:
            self._outputs[command.track] = command
            self._lock.notify_all()

    def remove_output(self, track: int) -> None:
        """Stop encoding for it."""
        with self._lock:
            self._outputs.pop(track, None)

    def receive(self, message: Message) -> None:
        """A packet of an input."""
        with self._lock:
            if found := self._inputs.get(message.track):
                found.receive(message, time.monotonic())

    def stop(self) -> None:
        """Let the thread end."""
        with self._lock:
            self._stopped = True
            self._lock.notify_all()

    def run(self) -> None:
        """Mix every 20 ms until stopped. Where there is nobody to hear or to be heard, time stands still."""
        begin = time.monotonic()
        while not self._stopped:
            if not self._inputs and not self._outputs:
                self._idle()
                begin = time.monotonic() - self._tick * TICK_S
            self._tick += 1
            due = begin + self._tick * TICK_S
            with self._lock:
                self._lock.wait_for(lambda: self._stopped, due - time.monotonic())
            late = time.monotonic() - due
            if late > _LATE_S:
                missed = int(late / TICK_S)
                self._tick += missed
                self.counters["audio_ticks_missed"] += missed
            self._mix(due)

    def _idle(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._stopped or self._inputs or self._outputs)

    def _mix(self, now: float) -> None:
        with self._lock:
            wanted = bool(self._outputs)
            self._mixed = chosen(self._inputs, self._mixed)
            blocks = {
                track: block
                for track, one in self._inputs.items()
                if (block := one.block(now, wanted=wanted and track in self._mixed)) is not None
            }
            speaker = self._speaker.note(self._inputs.values(), now)
            outputs = list(self._outputs.values())
            self._count()
        if speaker is not None:
            self._speaking(speaker)
        if outputs:
            self._encode(blocks, outputs)

    def _count(self) -> None:
        for one in self._inputs.values():
            self.counters["audio_samples_concealed"] += one.concealed
            self.counters["audio_packets_dropped"] += one.dropped
            one.concealed = one.dropped = 0

    def _encode(self, blocks: Mapping[int, Samples], outputs: Iterable[AddAudioOutput]) -> None:
        """One encoding per format and set of inputs left out; of those, the ones that are silent do not count."""
        everybody = silence()
        for block in blocks.values():
            everybody += block
        listeners: dict[tuple[str, int, frozenset[int]], list[AddAudioOutput]] = {}
        for output in outputs:
            without = frozenset(track for track in output.without if track in blocks)
            listeners.setdefault((output.codec, output.channels, without), []).append(output)
        for key, group in listeners.items():
            encoding = self._encodings.get(key) or self._encodings.setdefault(key, _Encoding(group[0]))
            encoding.used = self._tick
            heard = everybody
            for track in key[2]:
                heard = heard - blocks[track]
            tracks = [output.track for output in group]
            encoder = encoding.encoder
            for payload, pts in encoder.encode(encoding.limiter.limited(heard), self._tick * BLOCK):
                self._frames.send_to_many(tracks, encoder.codec, pts, encoder.clock_rate, payload)
                self.counters["audio_frames_encoded"] += 1
        unused = [key for key, one in self._encodings.items() if self._tick - one.used > RATE // BLOCK]
        for key in unused:
            del self._encodings[key]
