"""The video of a mixer: by a steady output clock, what came is decoded, the view drawn, and encoded."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from palaver.media.pipelines import confinement
from palaver.mixing.canvas import Canvas, same_picture
from palaver.mixing.decoding import UnknownCodec, VideoDecoder
from palaver.mixing.encoding import CLOCK_RATE, VideoEncoder
from palaver.mixing.nameplate import nameplate

if TYPE_CHECKING:
    from collections.abc import Callable

    import av

    from palaver.media.pipelines.control import AddInput
    from palaver.media.pipelines.frames import FrameSocket, Message
    from palaver.mixing.control import AddVideoOutput, Compose

ASK_AGAIN_S: Final = 0.3
"""At most this often a key frame is asked for."""
FIRST_S: Final = 1.0
"""So long the background waits for an input's first picture: a name that flashes up helps nobody."""
BUDGET_S: Final = 5.0
"""Over so long it is looked at what an input's decoding takes."""
PENANCE_S: Final = 30.0
"""So long an input whose decoding takes too much is not decoded."""
_STILL: Final = 1000
"""Bytes: a smaller frame may be one in which nothing moved, and is compared with the last picture."""
_QUEUE: Final = 120
"""Frames of one input that may wait for the decoder: 4 s at 30 a second."""
_SPARE_S: Final = 0.003
_MOST_LEAD_S: Final = 0.05


class Budget:
    """The time of the processor that one input's decoding may take, as a part of all time."""

    def __init__(self) -> None:
        self._begun = self._spent = 0.0
        self._until = float("-inf")

    def spend(self, seconds: float, now: float) -> None:
        """So much was spent; if it is too much over a while, the input has to wait."""
        if now - self._begun >= BUDGET_S:
            if self._spent > confinement.limits.decode_share * BUDGET_S:
                self._until = now + PENANCE_S
            self._begun, self._spent = now, 0.0
        self._spent += seconds

    def exhausted(self, now: float) -> bool:
        """Whether nothing is to be decoded now."""
        return now < self._until


@dataclass(slots=True)
class VideoInput:
    """One tap: what waits to be decoded, and the picture to show."""

    track: int
    name: str
    decoder: VideoDecoder
    added_at: float = field(default_factory=time.monotonic)
    waiting: deque[Message] = field(default_factory=deque)
    picture: av.VideoFrame | None = None
    seen_at: float = 0.0
    asked_at: float = float("-inf")
    active: bool = True
    plate: av.VideoFrame | None = None
    plate_says: str = ""
    budget: Budget = field(default_factory=Budget)

    def shown(self, now: float) -> av.VideoFrame | None:
        """The last picture, however old; the name while inactive, and if the first picture is long in coming."""
        if self.active and self.picture is not None:
            return self.picture
        if self.active and self.picture is None and now - self.added_at < FIRST_S:
            return None
        says = self.says(now)
        if self.plate is None or says != self.plate_says:
            self.plate, self.plate_says = nameplate(says), says
        return self.plate

    def says(self, now: float) -> str:
        """The name, and why there is no picture if it is the picture's own fault."""
        if self.decoder.hopeless:
            return f"{self.name}: picture too large or damaged"
        return f"{self.name}: picture too costly" if self.budget.exhausted(now) else self.name


class Lead:
    """How long before a tick decoding has to begin: a little more than it took lately, at its longest."""

    def __init__(self) -> None:
        self._took_s = 0.0

    def note(self, took_s: float) -> None:
        """Decoding took so long."""
        self._took_s = max(took_s, 0.95 * self._took_s)

    @property
    def seconds(self) -> float:
        """Before the tick."""
        return min(self._took_s + _SPARE_S, _MOST_LEAD_S)


class VideoMixer:
    """Owns inputs, canvas and encoders. Two threads: one decodes, one draws and encodes.

    All that came since the last tick is decoded in one go, just in time for the next: a thread that wakes for each
    frame costs more than a small frame's decoding. Nothing is decoded or drawn while there is no output.
    """

    GATHER_S: ClassVar = 0.008
    """So long the socket is left alone after it was read, so that it is not read for each frame either."""

    def __init__(self, frames: FrameSocket, failed: Callable[[int, str], None]) -> None:
        self._frames, self._failed = frames, failed
        self._lock = threading.RLock()
        self._announced = threading.Condition(self._lock)
        self._work = threading.Condition(self._lock)
        self._next_tick: float | None = None  # the next tick, until it is decoded for
        self._lead = Lead()
        self._inputs: dict[int, VideoInput] = {}
        self._encoders: dict[int, VideoEncoder] = {}
        self._layout: Compose | None = None
        self._stopped = self._idled = False
        self.counters = {
            "pictures_decoded": 0.0,
            "pictures_damaged": 0.0,
            "pictures_drawn": 0.0,
            "frames_encoded": 0.0,
            "ticks_missed": 0.0,
            "frames_dropped": 0.0,
            "inputs_too_costly": 0.0,
        }

    # ── commands; frames ────────────────────────────────────────────────────────────────────────────

    def add_input(self, command: AddInput) -> None:
        """Raises UnknownCodec."""
        added = VideoInput(command.track, command.name, VideoDecoder(command.codec))
        with self._lock:
            self._inputs[command.track] = added

    def remove_input(self, track: int) -> None:
        """Forget an input; its tile shows nothing from now on."""
        with self._lock:
            self._inputs.pop(track, None)

    def end_track(self, track: int) -> None:
        """No frames come for now. Those that come later do not continue these; the last picture stays until then."""
        with self._lock:
            if found := self._inputs.get(track):
                found.waiting.clear()
                found.decoder.starving = True

    def set_active(self, track: int, active: bool) -> None:
        """Mute or unmute an input."""
        with self._lock:
            if found := self._inputs.get(track):
                found.active = active

    def compose(self, layout: Compose) -> None:
        """Draw this way from the next tick on."""
        with self._lock:
            self._layout = layout
            self._work.notify_all()

    def add_output(self, command: AddVideoOutput) -> None:
        """Raises UnknownCodec."""
        encoder = VideoEncoder(command)
        with self._lock:
            self._encoders[command.track] = encoder
            self._work.notify_all()

    def remove_output(self, track: int) -> None:
        """Stop encoding it."""
        with self._lock:
            self._encoders.pop(track, None)

    def want_key_frame(self, track: int) -> None:
        """Somebody cannot decode an output."""
        with self._lock:
            if found := self._encoders.get(track):
                found.want_key_frame()

    def receive(self, message: Message) -> None:
        """A frame of an input; one that the decoder cannot keep up with loses its oldest."""
        with self._lock:
            found = self._inputs.get(message.track)
            if found is None or not self._encoders or found.budget.exhausted(time.monotonic()):
                return
            if len(found.waiting) >= _QUEUE:
                self.counters["frames_dropped"] += len(found.waiting)
                found.waiting.clear()
                found.decoder.starving = True
            found.waiting.append(message)

    def stop(self) -> None:
        """Let both threads end."""
        with self._lock:
            self._stopped = True
            self._announced.notify_all()
            self._work.notify_all()

    # ── the decoding thread ─────────────────────────────────────────────────────────────────────────

    def run_decoder(self) -> None:
        """Decode what comes, in turns between the inputs, until stopped."""
        while self._wait_to_decode():
            begin = time.monotonic()
            while (found := self._next_frame()) is not None:
                self._decode(*found)
            self._lead.note(time.monotonic() - begin)

    def _wait_to_decode(self) -> bool:
        """Until just before the next tick; false once stopped."""
        with self._lock:
            while not self._stopped:
                if self._next_tick is None:
                    self._announced.wait()
                elif (left := self._next_tick - self._lead.seconds - time.monotonic()) > 0:
                    self._announced.wait(left)
                else:
                    self._next_tick = None
                    return True
        return False

    def _decode(self, one: VideoInput, message: Message) -> None:
        begin = time.thread_time()
        picture = one.decoder.decode(message)
        now = time.monotonic()
        one.budget.spend(time.thread_time() - begin, now)
        if one.budget.exhausted(now):
            self._refuse(one)
            return
        if picture is not None:
            self._show(one, picture, now, still=len(message.payload) < _STILL)
        self.counters["pictures_damaged"] += one.decoder.damaged
        one.decoder.damaged = 0
        if one.decoder.starving and now - one.asked_at >= ASK_AGAIN_S:
            one.asked_at = now
            self._frames.want_key_frame(one.track)

    def _refuse(self, one: VideoInput) -> None:
        """Decode no more of an input for a while; it begins anew with a key frame."""
        with self._lock:
            self.counters["inputs_too_costly"] += 1
            one.waiting.clear()
            one.decoder.starving = True
            one.picture = None

    def _show(self, one: VideoInput, picture: av.VideoFrame, now: float, *, still: bool) -> None:
        self.counters["pictures_decoded"] += 1
        former = one.picture
        if not (still and former is not None and same_picture(former, picture)):
            one.picture = picture
        one.seen_at = now

    def _next_frame(self) -> tuple[VideoInput, Message] | None:
        with self._lock:
            if self._stopped:
                return None
            for track, one in self._inputs.items():
                if one.waiting:
                    self._inputs[track] = self._inputs.pop(track)  # the others have their turn first
                    return one, one.waiting.popleft()
        return None

    # ── the drawing thread ──────────────────────────────────────────────────────────────────────────

    def run_encoder(self) -> None:
        """Draw and encode at the layout's rate until stopped. A tick that is missed is left out, never caught up."""
        canvas: Canvas | None = None
        begin, tick = time.monotonic(), 0
        while (layout := self._wait_for_work()) is not None:
            if canvas is None or canvas.layout is not layout:
                canvas = Canvas(layout)
            passed = int((time.monotonic() - begin) * layout.framerate)
            if not self._idled and passed > tick + 1:
                self.counters["ticks_missed"] += passed - tick - 1
            tick = passed + 1
            if not self._sleep_until(begin + tick / layout.framerate):
                return
            self._tick(canvas, round(tick * CLOCK_RATE / layout.framerate))

    def _wait_for_work(self) -> Compose | None:
        with self._lock:
            self._idled = False
            while not self._stopped and (self._layout is None or not self._encoders):
                self._idled = True
                self._work.wait()
            return None if self._stopped else self._layout

    def _sleep_until(self, moment: float) -> bool:
        """Let what comes until then be decoded in the meantime; false once stopped."""
        with self._lock:
            self._next_tick = moment
            self._announced.notify()
            while not self._stopped and (left := moment - time.monotonic()) > 0:
                self._work.wait(left)
            return not self._stopped

    def _tick(self, canvas: Canvas, pts: int) -> None:
        now = time.monotonic()
        with self._lock:
            inputs = dict(self._inputs)
            encoders = dict(self._encoders)
        for index, tile in enumerate(canvas.layout.tiles):
            one = inputs.get(tile.input) if tile.input is not None else None
            if canvas.draw(index, one.shown(now) if one is not None else None):
                self.counters["pictures_drawn"] += 1
        time_ns = time.monotonic_ns()
        for track, encoder in encoders.items():
            if encoder.due(pts):
                self._encode(track, encoder, canvas.picture, pts, time_ns)

    def _encode(
        self, track: int, encoder: VideoEncoder, picture: av.VideoFrame, pts: int, time_ns: int
    ) -> None:
        try:
            encoded = encoder.encode(picture, pts)
        except (UnknownCodec, ValueError, OSError) as error:  # FFmpeg's errors are OSError or ValueError
            self.remove_output(track)
            self._failed(track, f"{encoder.output.codec} cannot be encoded: {error}")
            return
        for payload, key_frame in encoded:
            self._frames.send(
                track, encoder.codec, pts, CLOCK_RATE, payload, key_frame=key_frame, time_ns=time_ns
            )
            self.counters["frames_encoded"] += 1
