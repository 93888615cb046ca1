"""How ids are written that say what they are of: views, and tracks of a client's sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.room.values import StreamId, TrackId

if TYPE_CHECKING:
    from palaver.room.values import RoomId, TransportId


def view_id(room: RoomId | str, label: str) -> StreamId:
    """The id of a view's mixed stream."""
    return StreamId(f"{room}-{label}")


def track_id(transport: TransportId, mid: str, rid: str | None = None) -> TrackId:
    """The id of the track on section ``mid`` of a transport, or of its layer ``rid``."""
    return layer_id(TrackId(f"{transport}-{mid}"), rid)


def layer_id(track: TrackId, rid: str | None) -> TrackId:
    """The id of a track's layer ``rid``; None: of the track itself."""
    return track if rid is None else TrackId(f"{track}:{rid}")


def section_of(track: str) -> TrackId:
    """The part of a track's id that all layers of its section share."""
    return TrackId(track.partition(":")[0])
