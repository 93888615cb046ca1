"""From the stamps of many tracks to positions on one clock: for everything that writes or pushes media. Pure.

A track's stamps tell precisely how its frames lie to each other; its capture times (by sender reports, or by arrival
until the first) tell where they lie to other tracks, but jitter, drift and step. So frames are placed by their stamps,
and the track as a whole is moved slowly to where the capture times say that it belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECOND_NS: Final = 1_000_000_000
_MS: Final = 1_000_000

_TOLERATED_NS: Final = 2 * _MS
"""An error that is left as it is."""
_FAR_NS: Final = 40 * _MS
"""An error that people notice between sound and picture: it is corrected faster."""
_SLOW_PER_1000: Final = 5
"""Milliseconds of correction in a second: more than any clock drifts."""
_FAST_PER_1000: Final = 50


class Unwrapper:
    """Stamps of so many bits, which begin again at 0, as numbers that go on.

    Each is taken for the one nearest to the newest, so order does not matter within half a turn.
    """

    def __init__(self, bits: int) -> None:
        self._turn = 1 << bits
        self._newest: int | None = None

    def extend(self, stamp: int) -> int:
        """``stamp`` without the wraps."""
        newest = stamp if self._newest is None else self._newest
        half = self._turn // 2
        extended = newest + (stamp - newest + half) % self._turn - half
        self._newest = max(newest, extended)
        return extended


@dataclass(frozen=True, slots=True)
class Position:
    """A frame's place: nanoseconds of the clock by which capture times are told.

    ``jumped``: its stamp does not continue those before it, and from here on others are expected.
    """

    at_ns: int
    jumped: bool = False


class TrackTimeline:
    """Places the frames of one track."""

    def __init__(self, *, jump_s: float = 1.0, confirm_s: float = 0.5, window_s: float = 1.0) -> None:
        """``jump_s``: a stamp so far from its capture time does not continue the others. It is placed by its capture
        time, and after ``confirm_s`` in which all agree with it, the track goes on from there. Within ``window_s`` one
        frame at least comes without delay; longer where frames come in bursts.
        """
        self._jump_ns, self._confirm_ns = round(jump_s * SECOND_NS), round(confirm_s * SECOND_NS)
        self._window_ns = round(window_s * SECOND_NS)
        self._offset: int | None = None  # capture time less stamp
        self._moved: int = 0  # the newest stamp, in nanoseconds, up to which the offset was corrected
        self._correction: int = 0  # what is left to correct
        self._window_began: int = 0
        self._least: int | None = None  # the least error of the window: of what came without delay
        self._candidate: _Candidate | None = None
        self.corrected_ns = 0
        """Drift that was made up for so far."""

    def place(self, stamp: int, clock_rate: int, time_ns: int) -> Position:
        """Where a frame belongs; its ``stamp`` does not wrap, ``time_ns`` is when it was captured or came."""
        media_ns = stamp * SECOND_NS // clock_rate
        if self._offset is None:
            self._anchor(time_ns - media_ns, media_ns)
            return Position(time_ns)
        error = time_ns - (media_ns + self._offset)
        if abs(error) >= self._jump_ns:
            return self._place_apart(media_ns, time_ns)
        self._candidate = None
        self._correct(media_ns)
        self._observe(media_ns, error)
        return Position(media_ns + self._offset)

    def _anchor(self, offset: int, media_ns: int) -> None:
        self._offset, self._moved = offset, media_ns
        self._correction, self._window_began, self._least = 0, media_ns, None

    def _place_apart(self, media_ns: int, time_ns: int) -> Position:
        """A frame that does not continue those before it: the first of others, or a single one."""
        candidate = self._candidate
        if candidate is None or abs(time_ns - media_ns - candidate.offset) >= self._jump_ns:
            candidate = self._candidate = _Candidate(time_ns - media_ns, time_ns)
        candidate.offset = min(candidate.offset, time_ns - media_ns)
        if time_ns - candidate.since_ns >= self._confirm_ns:
            self._candidate = None
            self._anchor(candidate.offset, media_ns)
            return Position(media_ns + candidate.offset, jumped=True)
        return Position(media_ns + candidate.offset)

    def _correct(self, media_ns: int) -> None:
        """Move by a part of what is left, in proportion to the time that has passed."""
        assert self._offset is not None
        passed = media_ns - self._moved
        if passed <= 0:
            return
        self._moved = media_ns
        per_1000 = _FAST_PER_1000 if abs(self._correction) > _FAR_NS else _SLOW_PER_1000
        most = min(passed, self._window_ns) * per_1000 // 1000
        step = max(-most, min(most, self._correction))
        self._offset += step
        self._correction -= step
        self.corrected_ns += step

    def _observe(self, media_ns: int, error: int) -> None:
        """See how far the track is off: as far as the frame that was delayed least."""
        self._least = error if self._least is None else min(self._least, error)
        if media_ns - self._window_began < self._window_ns:
            return
        self._correction = self._least if abs(self._least) > _TOLERATED_NS else 0
        self._window_began, self._least = media_ns, None


@dataclass(slots=True)
class _Candidate:
    """Where the track will go on if what comes agrees."""

    offset: int
    since_ns: int


class Filler:
    """Where a sound track has holes, of lost packets, silence that is not sent (DTX) or a muted microphone.

    The holes are filled with silent frames of ``frame_ns`` each, so that what was said later is heard later.
    """

    def __init__(self, frame_ns: int = 20 * _MS) -> None:
        self._frame_ns = frame_ns
        self._end: int | None = None

    @property
    def end_ns(self) -> int | None:
        """Up to where the track is whole; None before its beginning."""
        return self._end

    def begin(self, at_ns: int) -> None:
        """The track begins here, whatever comes first."""
        if self._end is None:
            self._end = at_ns

    def take(self, at_ns: int, duration_ns: int) -> list[int] | None:
        """The positions of silence before a frame at ``at_ns``. None: most of its time is over, it is left out."""
        if self._end is None:
            self._end = at_ns
        if at_ns + duration_ns // 2 < self._end:
            return None
        silence = self.until(at_ns)
        self._end = max(at_ns, self._end) + duration_ns
        return silence

    def until(self, at_ns: int) -> list[int]:
        """The positions of silence up to ``at_ns``: nothing will come for before it."""
        if self._end is None:
            return []
        count = max((at_ns - self._end) // self._frame_ns, 0)
        silence = [self._end + n * self._frame_ns for n in range(count)]
        self._end += count * self._frame_ns
        return silence
