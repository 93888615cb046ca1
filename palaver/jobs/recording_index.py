"""Keeps the index of recordings true: what sinks tell goes to the store, and what nobody records any more has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

import structlog

from palaver.recording.index import Entry, Part
from palaver.room.messages import ParticipantJoined, ParticipantLeft, SpeakerChanged
from palaver.room.values import RoomId, SubscriptionId
from palaver.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.host import RoomHost
    from palaver.recording.formats import Container
    from palaver.recording.index import Initiator
    from palaver.room.messages import Event
    from palaver.store import Store

SETTLE_S: Final = 8.0
"""So long a sink that ends is waited for: a little more than a recorder gets."""
_SAVE_S: Final = 1.0
"""At most this often what has changed is written."""


class RecordingIndex:
    """The recordings that go on. ``clock`` tells seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self._new: set[str] = set()
        self._changed: set[str] = set()
        self._open: dict[str, asyncio.Event] = {}  # whose sinks are at work; set when they are over
        self._removals: dict[str, Callable[[], None]] = {}
        self._tell: Callable[[Entry, str], None] = lambda _entry, _what: None
        self._saving = asyncio.Lock()
        self._room_of: Callable[[RoomId], RoomHost | None] = lambda _: None
        self._counts: Counter[str] = Counter()
        self._log = structlog.get_logger("palaver.recordings")

    def watch(self, room_of: Callable[[RoomId], RoomHost | None]) -> None:
        """Find rooms that way, to see who is in them."""
        self._room_of = room_of

    def tell(self, tell: Callable[[Entry, str], None]) -> None:
        """Call ``tell`` with each recording that has begun ("recording.started") or ended ("recording.ended")."""
        self._tell = tell

    def get(self, recording: str) -> Entry | None:
        """A recording that goes on, if a part of it has begun."""
        return self._entries.get(recording)

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        return {
            "going_on": len(self._entries),
            "parts_total": self._counts["parts"],
            "completed_total": self._counts["completed"],
            "failed_total": self._counts["failed"],
            "bytes_total": self._counts["bytes"],
        }

    def show(self, recording: str, media: dict[str, object]) -> None:
        """REST shows this of its media from now on."""
        if entry := self._entries.get(recording):
            entry.media = media
            self._changed.add(recording)

    def began_by(self, recording: str, who: Initiator) -> None:
        """Who began it."""
        if entry := self._entries.get(recording):
            entry.by = who
            self._changed.add(recording)

    # ── what sinks tell: see Journal ────────────────────────────────────────────────────────────────

    def began(
        self,
        recording: str,
        room: str,
        file: str,
        container: Container,
        codecs: tuple[str | None, str | None],
    ) -> None:
        """See Journal."""
        now = self._now()
        entry = self._entries.get(recording)
        if entry is None:
            entry = self._entries[recording] = Entry(
                id=recording,
                service="",
                room=room,
                started_ms=now,
                container=container,
                audio=codecs[0],
                video=codecs[1],
            )
            self._new.add(recording)
        entry.parts.append(Part(file=file, started_ms=now))
        self._counts["parts"] += 1
        self._changed.add(recording)
        self._open.setdefault(recording, asyncio.Event())
        self._watch(entry, now)
        if len(entry.parts) == 1:
            self._tell(entry, "recording.started")

    def closed(self, recording: str) -> None:
        """See Journal."""
        if over := self._open.pop(recording, None):
            over.set()

    async def settled(self, recording: str | None = None) -> None:
        """Wait until the last part of a recording, or of all, is complete; for SETTLE_S at most."""
        waiting = [over for one, over in self._open.items() if recording in (None, one)]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                for over in waiting:
                    await over.wait()

    def grew(self, recording: str, size: int, seconds: float) -> None:
        """See Journal."""
        if (entry := self._entries.get(recording)) and entry.parts:
            part = entry.parts[-1]
            self._counts["bytes"] += max(size - part.size, 0)
            part.size, part.seconds = size, seconds
            if not part.zero_ms and not entry.paused:
                part.zero_ms = self._now() - round(seconds * 1000)
            self._changed.add(recording)

    def marked(self, recording: str, what: Literal["paused", "resumed"], seconds: float) -> None:
        """See Journal."""
        if entry := self._entries.get(recording):
            entry.mark(what, self._now(), seconds)
            self._changed.add(recording)

    def finished(self, recording: str, size: int, seconds: float) -> None:
        """See Journal."""
        if (entry := self._entries.get(recording)) and entry.parts:
            self.grew(recording, size, seconds)
            entry.parts[-1].complete = True
            if not size:
                entry.parts.pop()

    def failed(self, recording: str, reason: str) -> None:
        """See Journal."""
        self._counts["failed"] += 1
        if entry := self._entries.get(recording):
            entry.reason = reason
            self._changed.add(recording)

    # ── who is there ────────────────────────────────────────────────────────────────────────────────

    def _watch(self, entry: Entry, now: int) -> None:
        host = self._room_of(RoomId(entry.room))
        if host is None:
            return
        if remove := self._removals.pop(entry.id, None):
            remove()
        here = {one.participant for one in entry.participants if one.left_ms is None}
        for participant in host.room.participants.values():
            if participant.id not in here:
                entry.joined(participant.id, participant.user, now)
        for gone in here - set(host.room.participants):
            entry.left(gone, now)
        self._removals[entry.id] = host.listen(lambda event: self._hear(entry, event))

    def _hear(self, entry: Entry, event: Event) -> None:
        if isinstance(event, ParticipantJoined):
            entry.joined(event.participant.id, event.participant.user, self._now())
        elif isinstance(event, ParticipantLeft):
            entry.left(event.participant, self._now())
        elif not (isinstance(event, SpeakerChanged) and self._hear_speaker(entry, event)):
            return
        self._changed.add(entry.id)

    def _hear_speaker(self, entry: Entry, event: SpeakerChanged) -> bool:
        host = self._room_of(RoomId(entry.room))
        taken = host.room.subscriptions.get(SubscriptionId(entry.id)) if host is not None else None
        if host is None or taken is None or event.view not in {track.stream for track in taken.tracks}:
            return False
        stream = host.room.streams.get(event.stream)
        who = host.room.participants.get(stream.owner) if stream is not None and stream.owner else None
        return entry.speaks(who.user if who is not None else event.stream, self._now())

    # ── its life ────────────────────────────────────────────────────────────────────────────────────

    async def load(self, store: Store) -> None:
        """Take up what a server before this one recorded. Raises StoreError."""
        for entry in await store.recordings.going_on():
            self._entries.setdefault(entry.id, entry)

    async def run(self, store: Store, goes_on: Callable[[str, str], bool]) -> None:
        """Write what changes until cancelled. ``goes_on`` tells whether a room has a recording still."""
        try:
            while True:
                await asyncio.sleep(_SAVE_S)
                await self.save(store, goes_on)
        except asyncio.CancelledError:
            for remove in self._removals.values():
                remove()
            raise

    async def save(self, store: Store, goes_on: Callable[[str, str], bool]) -> None:
        """Write what has changed; what nobody records any more has ended."""
        async with self._saving:
            await self._save(store, goes_on)

    async def _save(self, store: Store, goes_on: Callable[[str, str], bool]) -> None:
        for entry in list(self._entries.values()):
            if entry.id not in self._open and not goes_on(entry.room, entry.id):
                self._end(entry)
        problem: Exception | None = None
        for recording in list(self._changed):
            entry = self._entries[recording]
            self._changed.discard(recording)
            try:
                await self._write(store, entry)
            except StoreError as failure:  # what is known now is written with what follows
                self._log.error("index not written", recording=recording, error=str(failure))
                self._changed.add(recording)
                continue
            except Exception as bug:  # which costs this recording's entry, not those of others
                self._changed.add(recording)
                problem = bug
                continue
            self._new.discard(recording)
            if entry.ended_ms is not None and recording not in self._changed:
                del self._entries[recording]
        if problem is not None:
            raise problem

    def _end(self, entry: Entry) -> None:
        if entry.ended_ms is not None:
            return
        entry.end(self._now(), entry.reason)
        if remove := self._removals.pop(entry.id, None):
            remove()
        self._counts["completed"] += 1
        self._tell(entry, "recording.ended")
        self._changed.add(entry.id)
        self._log.info(
            "recording completed",
            recording=entry.id,
            room=entry.room,
            seconds=round(entry.seconds, 1),
            bytes=entry.size,
            parts=[part.file for part in entry.parts],
            reason=entry.reason,
        )

    async def _write(self, store: Store, entry: Entry) -> None:
        if not entry.service and (definition := await store.rooms.get(entry.room)) is not None:
            entry.service = definition.service
        if entry.id in self._new:
            await store.recordings.add(entry)
        else:
            await store.recordings.save(entry)

    def _now(self) -> int:
        return int(self._clock() * 1000)
