"""Receives one stream of another server in a process of its own, again and again until it is told to stop."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import av

from palaver.media.timeline import TrackTimeline
from palaver.streaming.causes import StreamUnavailable, cause_of
from palaver.streaming.control import AUDIO_TRACK, VIDEO_TRACK, Interrupted, Pull, TracksFound
from palaver.streaming.live_edge import LiveEdge
from palaver.streaming.opening import Opened, Wanted, open_stream
from palaver.streaming.tracks import SECOND_NS, Picture, Sent, Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from palaver.media.pipelines.frames import FrameSocket

    Packet: TypeAlias = av.Packet[Any]

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 1.0
STEADY_NS: Final = 10 * SECOND_NS
"""A stream that flowed for so long is tried again at once."""
WAIT_FOR_BOTH_NS: Final = SECOND_NS
"""So long a stream with one kind is not told while the other, which was announced, has not come."""
_MS: Final = 1_000_000
_LEAD_NS: Final = 200 * _MS
_EARLY: Final = 4
"""Pictures after which B-frames would have been seen."""
_FAR_NS: Final = 2 * SECOND_NS


@dataclass(slots=True)
class Arrived:
    """A packet and its times by the source's clock: of decoding (``media_ns``) and of showing."""

    packet: Packet
    video: bool
    key: bool
    media_ns: int
    shown_ns: int


class Puller:
    """Everything between the other server and the core. ``run`` is its life, in a thread of its own."""

    def __init__(
        self,
        pull: Pull,
        frames: FrameSocket,
        *,
        report: Callable[[TracksFound | Interrupted], None],
        resolve: Callable[[str], list[tuple[str, int]]],
    ) -> None:
        self._pull, self._frames = pull, frames
        self._report, self._resolve = report, resolve
        self._over = threading.Event()
        self._wanted = threading.Event()
        self._last_pts = {VIDEO_TRACK: -1, AUDIO_TRACK: -1}
        self._session: _Session | None = None
        self._reordered: set[bytes] = set()
        self.counters = {"packets": 0.0, "bytes": 0.0, "undecodable": 0.0, "interruptions": 0.0}

    def stop(self) -> None:
        """Let ``run`` end at the next packet, or the end of its waiting."""
        self._over.set()

    def want_key_frame(self, track: int) -> None:
        """Somebody begins to watch."""
        if track == VIDEO_TRACK:
            self._wanted.set()
            if self._session is not None:
                self._session.want_key_frame()

    def forget_viewers(self) -> None:
        """Nobody watches any more: pictures are not encoded until somebody asks."""
        self._wanted.clear()
        if self._session is not None:
            self._session.rest()

    def run(self) -> None:
        """Receive until told to stop, or until trying again cannot help. Raises OSError when the core is gone."""
        pause = FIRST_PAUSE_S
        while not self._over.is_set():
            began = time.monotonic_ns()
            try:
                again = self._receive_once()
            except StreamUnavailable as lost:
                self.counters["interruptions"] += 1
                self._report(Interrupted(reason=str(lost), final=lost.final))
                if lost.final:
                    return
            else:
                if again:
                    continue
                return
            if time.monotonic_ns() - began > STEADY_NS:
                pause = FIRST_PAUSE_S
            self._over.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _receive_once(self) -> bool:
        """From the connection to its loss; whether to begin again without a pause (a file that loops)."""
        pull = self._pull
        wanted = Wanted(pull.url, pull.transport, pull.buffer_size, pull.tls_verify)
        opened = open_stream(wanted, self._resolve)
        try:
            self._session = session = _Session(opened, pull, self._send, self._report, self.counters)
            session.reordered = self._reordered
            if self._wanted.is_set():
                session.want_key_frame()
            session.run(self._over)
        except (av.error.FFmpegError, TimeoutError, ConnectionError) as error:
            raise StreamUnavailable(cause_of(error)) from error
        finally:
            if self._session is not None:
                self._reordered = self._session.reordered
            self._session = None
            opened.close()
        if self._over.is_set():
            return False
        if opened.paced and "hls" not in opened.container.format.name:
            if pull.loop:
                return True
            raise StreamUnavailable("the file has ended", final=True)
        raise StreamUnavailable("the stream ended")

    def _send(self, track: int, sent: Sent) -> None:
        pts = sent.at_ns * sent.clock_rate // SECOND_NS
        pts = max(pts, self._last_pts[track] + 1)
        self._last_pts[track] = pts
        self._frames.send(
            track, sent.codec, pts, sent.clock_rate, sent.payload, key_frame=sent.key, time_ns=sent.at_ns
        )


class _Session:
    """One connection's packets on their way."""

    def __init__(
        self,
        opened: Opened,
        pull: Pull,
        send: Callable[[int, Sent], None],
        report: Callable[[TracksFound], None],
        counters: dict[str, float],
    ) -> None:
        self._opened, self._pull, self._send, self._report = opened, pull, send, report
        self._counters = counters
        self._timeline = TrackTimeline()
        self._pictures: dict[int, Picture] = {}
        self._sounds: dict[int, Sound] = {}
        self._told: TracksFound | None = None
        self._first_ns: int | None = None
        self._paced = _Pace() if opened.paced else None
        self._watched = False
        self._early: list[tuple[Arrived, int]] | None = []
        self.reordered: set[bytes] = set()
        """Descriptions of the streams that were found to be reordered: they are when they come again."""
        self._check_demands()

    def want_key_frame(self) -> None:
        self._watched = True
        for picture in list(self._pictures.values()):
            picture.want_key_frame()

    def rest(self) -> None:
        self._watched = False
        for picture in list(self._pictures.values()):
            picture.wanted = False

    def run(self, over: threading.Event) -> None:
        """Take packets until the stream ends. Raises what the library raises."""
        edge: LiveEdge[Arrived] = LiveEdge(time.monotonic_ns())
        edge.reached = self._paced is not None
        for arrived, asked_ns, came_ns in self._arrivals():
            if over.is_set():
                return
            was_reached = edge.reached
            ready = edge.take(arrived, asked_ns, came_ns)
            if ready and not was_reached:
                self._catch_up(ready, came_ns)
                continue
            for one in ready:
                if self._paced is not None:
                    came_ns = self._paced.wait(one.media_ns, over)
                place = self._timeline.place(one.media_ns, SECOND_NS, came_ns)
                self._carry(one, place.at_ns + one.shown_ns - one.media_ns)

    def _catch_up(self, ready: list[Arrived], came_ns: int) -> None:
        """Send a backlog's last pictures at once: the newest belongs to now, the others lie a millisecond apart."""
        newest = max(one.media_ns for one in ready)
        self._timeline.place(newest, SECOND_NS, came_ns)
        for index, one in enumerate(ready):
            behind = (len(ready) - 1 - index) * _MS if one.video else newest - one.media_ns
            self._carry(one, came_ns - behind)

    def _arrivals(self) -> Iterator[tuple[Arrived, int, int]]:
        packets = self._opened.container.demux()
        while True:
            asked_ns = time.monotonic_ns()
            try:
                packet = next(packets)
            except (StopIteration, av.error.EOFError):
                return
            came_ns = time.monotonic_ns()
            if packet.size == 0:
                continue
            stamp = packet.dts if packet.dts is not None else packet.pts
            if stamp is None or packet.stream.type not in ("video", "audio") or not _known(packet.stream):
                continue
            self._counters["packets"] += 1
            self._counters["bytes"] += packet.size
            scale = packet.time_base * SECOND_NS
            shown = packet.pts if packet.pts is not None else stamp
            yield (
                Arrived(
                    packet,
                    packet.stream.type == "video",
                    packet.is_keyframe,
                    int(stamp * scale),
                    int(shown * scale),
                ),
                asked_ns,
                came_ns,
            )

    def _carry(self, one: Arrived, at_ns: int) -> None:
        """Send a packet on; the first pictures wait for each other, so that their order is known."""
        picture = self._picture(one.packet) if one.video else None
        reordered = picture is not None and picture.reordering.observe(one.shown_ns)
        if self._early is None or picture is None:
            self._carry_now(one, at_ns)
            return
        self._early.append((one, at_ns))
        if reordered or len(self._early) >= _EARLY:
            early, self._early = self._early, None
            for waiting in early:
                self._carry_now(*waiting)

    def _carry_now(self, one: Arrived, at_ns: int) -> None:
        track = self._picture(one.packet) if one.video else self._sound(one.packet)
        if track is None:
            return
        number = VIDEO_TRACK if one.video else AUDIO_TRACK
        try:
            sents = list(track.take(one.packet, at_ns))
        except (av.error.InvalidDataError, av.error.EOFError, ValueError):
            self._counters["undecodable"] += 1
            return
        if isinstance(track, Picture) and track.reordering.seen:
            self.reordered.add(track.description)
        self._tell_tracks(at_ns)
        for sent in sents:
            self._send(number, sent)

    def _picture(self, packet: Packet) -> Picture | None:
        """The video track that is received: the first that has packets."""
        stream = packet.stream
        if self._pull.video is False or (self._pictures and stream.index not in self._pictures):
            return None
        if stream.index not in self._pictures:
            assert isinstance(stream, av.VideoStream)
            picture = self._pictures[stream.index] = Picture(stream)
            picture.wanted = self._watched
            picture.reordering.seen = picture.description in self.reordered
        return self._pictures[stream.index]

    def _sound(self, packet: Packet) -> Sound | None:
        stream = packet.stream
        if self._pull.audio is False or (self._sounds and stream.index not in self._sounds):
            return None
        if stream.index not in self._sounds:
            assert isinstance(stream, av.AudioStream)
            self._sounds[stream.index] = Sound(stream)
        return self._sounds[stream.index]

    def _tell_tracks(self, now_ns: int) -> None:
        """Say what flows, when all that was announced does, or its time is over; and when it changes."""
        if self._first_ns is None:
            self._first_ns = now_ns
        pictures = self._pictures if self._early is None else {}
        both = len(pictures) + len(self._sounds) >= len(self._expected())
        if self._told is None and not both and now_ns - self._first_ns < WAIT_FOR_BOTH_NS:
            return
        found = TracksFound(
            audio=next((sound.found for sound in self._sounds.values()), None),
            video=next((picture.found for picture in pictures.values()), None),
        )
        if found != self._told:
            self._told = found
            self._report(found)

    def _expected(self) -> set[str]:
        kinds = self._kinds()
        wanted = {"audio": self._pull.audio, "video": self._pull.video}
        return {kind for kind, want in wanted.items() if want is not False and kind in kinds}

    def _kinds(self) -> set[str]:
        return {stream.type for stream in self._opened.container.streams if _known(stream)}

    def _check_demands(self) -> None:
        for kind, want in (("audio", self._pull.audio), ("video", self._pull.video)):
            if want is True and kind not in self._kinds():
                raise StreamUnavailable(f"the stream has no {kind}")
        if not self._expected():
            raise StreamUnavailable("the stream has neither sound nor pictures that were asked for")


def _known(stream: Any) -> bool:
    """Whether there is a codec of that name: of others nothing can be said, nor made."""
    return stream.codec_context is not None


class _Pace:
    """For what comes faster than it is shown: each packet waits for its time."""

    def __init__(self) -> None:
        self._offset: int | None = None

    def wait(self, media_ns: int, over: threading.Event) -> int:
        """Return at the packet's time, which is the answer; CLOCK_MONOTONIC in nanoseconds."""
        now = time.monotonic_ns()
        due = media_ns + self._offset if self._offset is not None else now
        if self._offset is None or due < now - SECOND_NS or due > now + 15 * SECOND_NS:
            self._offset = now + _LEAD_NS - media_ns
            due = now + _LEAD_NS
        if due > now:
            over.wait((due - now) / SECOND_NS)
        return due
