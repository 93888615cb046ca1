"""The tracks of rooms' sources as the core has them, whatever they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palaver.media.formats import format_of
from palaver.room.ids import layer_id, section_of
from palaver.room.values import StreamId, Track, TrackId, VideoParameters

if TYPE_CHECKING:
    from palaver.media.formats import Payload
    from palaver.room.values import Format, Kind, ParticipantId, Resolution, RoomId, SubscribedTrack

_THREAD_SHIFT: Final = 56  # the core's ids say on which thread an object lives


def thread_of(handle: int) -> int:
    """The thread of the core on which an object lives."""
    return handle >> _THREAD_SHIFT


@dataclass(eq=False, slots=True)
class CoreTrack:
    """A track that arrives: a producer of the core.

    ``coding`` is its codec with the parameters that tell whether somebody can receive it as it comes. ``id``, of a
    client's track, is that of its section. Of a ``stalled`` one nothing comes, not even a sign of its peer. ``size``
    is that of the picture, as far as it is known.
    """

    stream: StreamId
    kind: Kind
    coding: Payload
    producer: int
    owner: ParticipantId | None = None
    id: TrackId | None = None
    active: bool = True
    stalled: bool = False
    size: Resolution | None = None

    @property
    def format(self) -> Format | None:
        """The codec in OWT's terms; None if it has none for it."""
        return format_of(self.coding)

    @property
    def thread(self) -> int:
        """The thread of the core on which it lives."""
        return thread_of(self.producer)

    def layer_id(self, rid: str | None) -> TrackId | None:
        """The id of its layer ``rid``; None for a track that is on no client's section."""
        return layer_id(self.id, rid) if self.id is not None else None

    def described(self) -> Track:
        """What the room is told of a track that is on no client's section."""
        assert self.format is not None, "only known formats are produced"
        parameters = VideoParameters(resolution=self.size) if self.kind == "video" and self.size else None
        return Track(self.kind, self.format, parameters=parameters)


class Tracks:
    """Every track that arrives, by room and stream and by its producer."""

    def __init__(self) -> None:
        self._rooms: dict[RoomId, dict[StreamId, list[CoreTrack]]] = {}
        self._producers: dict[int, tuple[RoomId, CoreTrack]] = {}
        self._levels: dict[RoomId, dict[StreamId, tuple[int, bool]]] = {}

    def __len__(self) -> int:
        """Everything that is remembered, to see that it goes."""
        return len(self._producers) + len(self._rooms) + len(self._levels)

    def add(self, room: RoomId, track: CoreTrack) -> None:
        """A track arrives from now on."""
        self._rooms.setdefault(room, {}).setdefault(track.stream, []).append(track)
        self._producers[track.producer] = (room, track)

    def remove(self, room: RoomId, track: CoreTrack) -> None:
        """It does not arrive any more."""
        if self._producers.pop(track.producer, None) is None:
            return
        streams = self._rooms[room]
        streams[track.stream].remove(track)
        if streams[track.stream]:
            return
        del streams[track.stream]
        if levels := self._levels.get(room):
            levels.pop(track.stream, None)
            if not levels:
                del self._levels[room]
        if not streams:
            del self._rooms[room]

    def of(self, room: RoomId, stream: str) -> list[CoreTrack]:
        """The tracks of a source, in the order in which they came; none if it is not there."""
        return list(self._rooms.get(room, {}).get(StreamId(stream), ()))

    def find(self, room: RoomId, wanted: SubscribedTrack) -> CoreTrack | None:
        """What a subscription asks for, None if it does not arrive."""
        section = section_of(wanted.track) if wanted.track is not None else None
        for track in self._rooms.get(room, {}).get(wanted.stream, ()):
            if track.kind == wanted.kind and section in (None, track.id):
                return track
        return None

    def by_producer(self, producer: int) -> tuple[RoomId, CoreTrack] | None:
        """Which track the core calls so, and in which room."""
        return self._producers.get(producer)

    def note_level(self, room: RoomId, stream: StreamId, level_dbov: int, voice: bool) -> None:
        """How loud a stream is now."""
        self._levels.setdefault(room, {})[stream] = (level_dbov, voice)

    def levels(self, room: RoomId) -> dict[StreamId, tuple[int, bool]]:
        """The last level in dBov and the voice activity of each stream of a room."""
        return self._levels.get(room, {})
