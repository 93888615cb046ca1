"""What a requested track resolves to, or why it cannot be had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from palaver.room.errors import Fault, RoomError
from palaver.room.formats import accepts, multiplier
from palaver.room.values import (
    ANY_LAYER,
    Kind,
    Stream,
    StreamId,
    StreamState,
    SubscribedTrack,
    Subscription,
    Track,
    TrackId,
    VideoParameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from palaver.room.messages import TrackChange

_UNSATISFIABLE: Final[Mapping[Kind, Fault]] = {
    "audio": Fault.UNSATISFIABLE_AUDIO,
    "video": Fault.UNSATISFIABLE_VIDEO,
}


def resolve(wanted: SubscribedTrack, streams: Mapping[StreamId, Stream]) -> SubscribedTrack:
    """``wanted`` with its real stream, track, format and layer filled in.

    ``wanted.stream`` may name a stream (then its first track of that kind is meant, and whichever layer suits) or, as
    clients do for one layer or section, a track. Raises RoomError with the detail that OWT's clients know.
    """
    found = _find(wanted, streams)
    if found is None:
        raise _unsatisfiable(wanted, f"Requested {wanted.kind} stream")
    stream, track = found
    if stream.mixed:
        raise RoomError(Fault.NOT_AVAILABLE, stream.id, "mixing is not there yet")
    named = wanted.track is not None or wanted.stream not in streams
    return _settled(wanted, stream, track, track.rid if named else wanted.layer.rid)


def changed(
    subscription: Subscription, changes: Iterable[TrackChange], streams: Mapping[StreamId, Stream]
) -> tuple[SubscribedTrack, ...]:
    """The tracks after ``changes``. Raises RoomError if they cannot be had, or not on the sections there are."""
    tracks = list(subscription.tracks)
    for change in changes:
        at = next((at for at, track in enumerate(tracks) if track.kind == change.kind), None)
        if at is None:
            raise RoomError(Fault.CANNOT_UPDATE, subscription.id, f"it has no {change.kind}")
        new = _changed(tracks[at], change, streams)
        if new.format != tracks[at].format:
            raise RoomError(Fault.CANNOT_UPDATE, subscription.id, "its section carries another format")
        tracks[at] = replace(new, active=tracks[at].active)
    return tuple(tracks)


def same_origin(one: SubscribedTrack, other: SubscribedTrack) -> bool:
    """Whether both come from the same section, if perhaps in different layers."""
    return one.stream == other.stream and _section(one.track) == _section(other.track)


def _changed(
    track: SubscribedTrack, change: TrackChange, streams: Mapping[StreamId, Stream]
) -> SubscribedTrack:
    layer, parameters = change.layer or ANY_LAYER, change.parameters
    if change.origin is not None:
        fresh = replace(
            track, stream=change.origin, track=None, format=None, parameters=parameters, layer=layer
        )
        return resolve(fresh, streams)
    if change.layer is None and parameters is None:
        return track
    current = _find(track, streams)
    if current is None:  # the stream is going
        raise _unsatisfiable(track, f"Requested {track.kind} stream")
    anew = change.layer is not None or (parameters is not None and parameters.resolution is not None)
    wanted = replace(track, parameters=parameters, layer=layer if anew else track.layer)
    return _settled(wanted, *current, wanted.layer.rid)


def _section(track: TrackId | None) -> str | None:
    """The part of a track's id that layers of one section share."""
    return track.partition(":")[0] if track is not None else None


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


def _settled(wanted: SubscribedTrack, stream: Stream, track: Track, rid: str | None) -> SubscribedTrack:
    """``wanted`` as the section of ``track`` gives it: the layer ``rid``, the one of the size asked for, or any."""
    layers = [one for one in stream.tracks if one.kind == track.kind and one.mid == track.mid]
    pinned = _pinned(wanted, [one for one in layers if one.rid is not None], rid)
    track = pinned or layers[0]
    if refusal := _refusal(wanted, track):
        raise _unsatisfiable(wanted, f"{refusal} is not acceptable")
    return replace(
        wanted,
        stream=stream.id,
        track=track.id,
        format=track.format,
        parameters=wanted.parameters if wanted.kind == "video" else None,
        active=True,
        layer=replace(wanted.layer, rid=pinned.rid if pinned else None),
    )


def _pinned(wanted: SubscribedTrack, layers: Iterable[Track], rid: str | None) -> Track | None:
    """The one layer that is asked for; None: whichever suits."""
    asked = wanted.parameters.resolution if wanted.parameters else None
    for layer in layers:
        own = layer.parameters.resolution if layer.parameters else None
        if layer.rid == rid or (rid is None and asked is not None and asked == own):
            return layer
    if rid is not None:
        raise _unsatisfiable(wanted, f"Requested {wanted.kind} stream")
    return None


def _unsatisfiable(wanted: SubscribedTrack, detail: str) -> RoomError:
    return RoomError(_UNSATISFIABLE[wanted.kind], wanted.stream, detail)


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
