"""What a requested track resolves to, or why it cannot be had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from palaver.room.errors import Fault, RoomError
from palaver.room.formats import accepts, multiplier
from palaver.room.values import (
    Kind,
    Stream,
    StreamId,
    StreamState,
    SubscribedTrack,
    Track,
    VideoParameters,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSATISFIABLE: Final[Mapping[Kind, Fault]] = {
    "audio": Fault.UNSATISFIABLE_AUDIO,
    "video": Fault.UNSATISFIABLE_VIDEO,
}


def resolve(wanted: SubscribedTrack, streams: Mapping[StreamId, Stream]) -> SubscribedTrack:
    """``wanted`` with its real stream, track and format filled in.

    ``wanted.stream`` may name a stream (then its first track of that kind is meant) or, as clients do for one
    layer or section, a track. Raises RoomError with the detail that OWT's clients know.
    """
    found = _find(wanted, streams)
    if found is None:
        raise RoomError(_UNSATISFIABLE[wanted.kind], wanted.stream, f"Requested {wanted.kind} stream")
    stream, track = found
    if stream.mixed:
        raise RoomError(Fault.NOT_AVAILABLE, stream.id, "mixing is not there yet")
    if refusal := _refusal(wanted, track):
        raise RoomError(_UNSATISFIABLE[wanted.kind], wanted.stream, f"{refusal} is not acceptable")
    parameters = wanted.parameters if wanted.kind == "video" else None
    return replace(
        wanted, stream=stream.id, track=track.id, format=track.format, parameters=parameters, active=True
    )


def _find(wanted: SubscribedTrack, streams: Mapping[StreamId, Stream]) -> tuple[Stream, Track] | None:
    named = streams.get(wanted.stream)
    candidates = [named] if named is not None else list(streams.values())
    track_id = wanted.track if named is not None else wanted.stream
    for stream in candidates:
        if stream.state is not StreamState.LIVE:
            continue
        for track in stream.tracks:
            if track.kind == wanted.kind and (track_id is None or track.id == track_id):
                return stream, track
    return None


def _refusal(wanted: SubscribedTrack, track: Track) -> str | None:
    """The first request that only transcoding could meet."""
    if wanted.format is not None and not accepts(wanted.format, track.format):
        return "Format"
    if wanted.kind == "audio" or wanted.parameters is None:
        return None
    asked, own = wanted.parameters, track.parameters or VideoParameters()
    if asked.resolution not in (None, own.resolution):
        return "Resolution"
    if asked.framerate not in (None, own.framerate):
        return "Framerate"
    if asked.bitrate not in (None, own.bitrate) and multiplier(asked.bitrate or "") != 1.0:
        return "Bitrate"
    if asked.key_frame_interval not in (None, own.key_frame_interval):
        return "KeyFrameInterval"
    return None
