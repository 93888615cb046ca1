"""One audio input: packets wait until their time, and become an unbroken run of blocks."""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING, Final

import numpy as np

from palaver.media.pipelines.frames import SILENCE, UNKNOWN_LEVEL, Flag
from palaver.mixing.sound import BLOCK, CHANNELS, RATE, AudioDecoder, Samples, silence

if TYPE_CHECKING:
    from palaver.media.pipelines.frames import Message

DELAY_S: Final = 0.04
"""From capture to playing, at least: what jitter of the network this absorbs."""
MOST_DELAY_S: Final = 0.2
"""More than this is never waiting: what is older is dropped."""
_SURPLUS_S: Final = 0.06
"""Waiting beyond the delay for a whole second means that the sender's clock is faster: a block is left out."""
_PACKETS: Final = 64
_FADE: Final = 240  # samples: 5 ms
_VOICE: Final = 50  # -dBov: louder than this is held for speech where nothing else tells


def loudness(block: Samples) -> float:
    """The level of a block in -dBov (RFC 6464): 0 is a full square wave, 127 silence."""
    power = float(np.mean(np.square(block)))
    return min(max(-10 * math.log10(power), 0.0), float(SILENCE)) if power > 0 else float(SILENCE)


class AudioInput:
    """Takes packets in any order, gives a block every 20 ms. Losses are concealed by fading what was heard last.

    Its loudness comes from the packets (RFC 6464) where they carry it, so that what nobody hears need not be decoded.
    """

    def __init__(self, track: int, codec: str) -> None:
        self.track = track
        self._decoder = AudioDecoder(codec)
        self._codec = codec
        self._waiting: list[tuple[int, float, bytes]] = []  # pts, when it came, payload
        self._fifo = np.zeros((0, CHANNELS), np.float32)
        self._next_pts: int | None = None
        self._clock_rate = RATE
        self._playing = False
        self._surplus_since: float | None = None
        self._last = silence()
        self._cold = True
        self.active = True
        self.level = float(SILENCE)
        """Smoothed loudness in -dBov: 0 is loudest."""
        self.voice = False
        self._flagged = False
        self.told = False
        """Whether the packets carry their loudness; if not, it is measured, and everything has to be decoded."""
        self.concealed = 0
        self.dropped = 0

    def anew(self) -> AudioInput:
        """The same input, of which nothing has come yet."""
        fresh = AudioInput(self.track, self._codec)
        fresh.active = self.active
        return fresh

    def receive(self, message: Message, now: float) -> None:
        """Take in a packet. One that comes after its time is of no use."""
        self._clock_rate = message.clock_rate or RATE
        if message.level != UNKNOWN_LEVEL:
            self.told = True
            self._note_level(message.level, bool(message.flags & Flag.VOICE))
        if self._next_pts is not None and message.pts < self._next_pts:
            self.dropped += 1
            return
        insort(self._waiting, (message.pts, now, message.payload))
        if len(self._waiting) > _PACKETS:
            self._waiting.pop(0)
            self.dropped += 1

    def _note_level(self, level: float, voice: bool) -> None:
        # Rises at once and falls within half a second, so that a pause between words is none.
        self.level = min(float(level), self.level + (level - self.level) * 0.08)
        self._flagged |= voice  # a sender need not say what is voice; then loudness has to do
        self.voice = voice or (self.level < _VOICE and (self.voice or not self._flagged))

    def block(self, now: float, *, wanted: bool) -> Samples | None:
        """The next 20 ms, None if there is nothing. Not ``wanted``: time passes, but nothing is decoded."""
        if not self._started(now):
            return None
        self._catch_up(now)
        if not wanted or not self.active:
            self._skip()
            return None
        while len(self._fifo) < BLOCK and self._waiting:
            self._decode_next()  # one that is missing before it has had its time: the delay
        if len(self._fifo) < BLOCK:
            return self._conceal()
        block, self._fifo = self._fifo[:BLOCK], self._fifo[BLOCK:]
        if self._cold:
            block = self._faded_in(block)
        if not self.told:
            level = loudness(block)
            self._note_level(level, level < _VOICE)
        self._last = block
        return block

    def _started(self, now: float) -> bool:
        """Whether the first packet has waited long enough."""
        if not self._playing and self._waiting and now - self._waiting[0][1] >= DELAY_S:
            self._playing = True
        return self._playing

    def _ticks(self, seconds: float) -> float:
        return seconds * self._clock_rate

    def _decode_next(self) -> None:
        pts, _, payload = self._waiting.pop(0)
        missing = 0 if self._next_pts is None else pts - self._next_pts
        if missing > 0:
            gap = min(round(missing * RATE / self._clock_rate), RATE // 5)
            self._fifo = np.concatenate([self._fifo, self._hold(gap)])
            self.concealed += gap
        samples = self._decoder.decode(payload)
        if samples is None:
            samples = np.zeros((BLOCK, CHANNELS), np.float32)
        self._fifo = np.concatenate([self._fifo, samples])
        self._next_pts = pts + round(self._decoder.duration_s * self._clock_rate)

    def _skip(self) -> None:
        """Let 20 ms pass unheard."""
        self._fifo = self._fifo[:0]
        self._cold = True
        if not self._waiting:
            return
        step = round(self._ticks(0.02))
        self._next_pts = self._waiting[0][0] if self._next_pts is None else self._next_pts
        self._next_pts = max(self._next_pts + step, self._waiting[0][0])
        while self._waiting and self._waiting[0][0] < self._next_pts:
            self._waiting.pop(0)

    def _catch_up(self, now: float) -> None:
        """Hold the delay against a sender whose clock is faster, and against a burst after a stall."""
        held = now - self._waiting[0][1] if self._waiting else 0.0
        if held > MOST_DELAY_S:
            while self._waiting and now - self._waiting[0][1] > DELAY_S:
                self._next_pts = self._waiting.pop(0)[0] + round(self._ticks(0.02))
                self.dropped += 1
            self._fifo = self._fifo[:0]
            return
        if held < DELAY_S + _SURPLUS_S:
            self._surplus_since = None
        elif self._surplus_since is None:
            self._surplus_since = now
        elif now - self._surplus_since >= 1.0 and len(self._waiting) > 1:
            self._surplus_since = None
            pts = self._waiting.pop(0)[0]
            self._next_pts = pts + round(self._ticks(0.02))
            self.dropped += 1

    def _hold(self, count: int) -> Samples:
        """``count`` samples in place of lost ones: the last block back and forth, fading to nothing in 60 ms."""
        mirrored = np.concatenate([self._last[::-1], self._last])
        repeated = np.tile(mirrored, (count // len(mirrored) + 1, 1))[:count]
        fade = np.clip(1 - np.arange(count, dtype=np.float32) / (RATE * 0.06), 0, 1)
        held: Samples = (repeated * fade[:, None]).astype(np.float32)
        return held

    def _conceal(self) -> Samples:
        """Nothing has come: fade out, and begin anew with the delay when something does."""
        rest = BLOCK - len(self._fifo)
        block = np.concatenate([self._fifo, self._hold(rest)])
        self._fifo = self._fifo[:0]
        self._last = silence()
        self.concealed += rest
        self._playing = bool(self._waiting)
        if not self._playing:
            self._next_pts, self._cold = None, True
        return block

    def _faded_in(self, block: Samples) -> Samples:
        self._cold = False
        block = block.copy()
        block[:_FADE] *= np.linspace(0, 1, _FADE, dtype=np.float32)[:, None]
        return block
