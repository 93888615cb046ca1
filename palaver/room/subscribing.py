"""What a requested track resolves to, or why it cannot be had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from palaver.room.errors import Fault, RoomError, SourceGone
from palaver.room.formats import PRODUCIBLE, Offered, accepts, multiplier, offered
from palaver.room.ids import section_of
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
    from collections.abc import Container, Iterable, Mapping

    from palaver.room.messages import TrackChange
    from palaver.room.values import Format, RoomConfig

_UNSATISFIABLE: Final[Mapping[Kind, Fault]] = {
    "audio": Fault.UNSATISFIABLE_AUDIO,
    "video": Fault.UNSATISFIABLE_VIDEO,
}


def resolve(
    wanted: SubscribedTrack, streams: Mapping[StreamId, Stream], config: RoomConfig
) -> SubscribedTrack:
    """``wanted`` with its real stream, track, formats and layer filled in.

    ``wanted.stream`` may name a stream (then its first track of that kind is meant, and whichever layer suits) or, as
    clients do for one layer or section, a track. Raises RoomError with the detail that OWT's clients know.
    """
    found = _find(wanted, streams)
    if found is None:
        raise _gone(wanted)
    stream, track = found
    named = wanted.track is not None or wanted.stream not in streams
    return _settled(wanted, stream, track, track.rid if named else wanted.layer.rid, config)


def changed(
    subscription: Subscription,
    changes: Iterable[TrackChange],
    streams: Mapping[StreamId, Stream],
    config: RoomConfig,
) -> tuple[SubscribedTrack, ...]:
    """The tracks after ``changes``. Raises RoomError if they cannot be had, or not on the sections there are."""
    tracks = list(subscription.tracks)
    for change in changes:
        at = next((at for at, track in enumerate(tracks) if track.kind == change.kind), None)
        if at is None:
            raise RoomError(Fault.CANNOT_UPDATE, subscription.id, f"it has no {change.kind}")
        before, new = tracks[at], _changed(tracks[at], change, streams, config)
        formats = tuple(one for one in new.formats if one in before.formats)
        if subscription.transport is None and (change.format is not None or not formats):
            formats = new.formats  # nothing was negotiated
        if not formats:
            raise RoomError(Fault.CANNOT_UPDATE, subscription.id, "its section carries another format")
        transcoded = new.transcoded or new.format not in formats
        tracks[at] = replace(new, active=before.active, formats=formats, transcoded=transcoded)
    return tuple(tracks)


def same_media(one: SubscribedTrack, other: SubscribedTrack) -> bool:
    """Whether both are sent the same, if perhaps in different layers."""
    if (one.stream, _section(one.track), one.format) != (other.stream, _section(other.track), other.format):
        return False
    if not (one.transcoded or other.transcoded):
        return True
    return (one.transcoded, one.parameters, one.formats) == (
        other.transcoded,
        other.parameters,
        other.formats,
    )


def _changed(
    track: SubscribedTrack, change: TrackChange, streams: Mapping[StreamId, Stream], config: RoomConfig
) -> SubscribedTrack:
    layer, parameters = change.layer or ANY_LAYER, change.parameters
    if change.origin is not None:
        fresh = replace(
            track, stream=change.origin, track=None, format=change.format, parameters=parameters, layer=layer
        )
        return resolve(fresh, streams, config)
    if change.layer is None and parameters is None and change.format is None:
        return track
    current = _find(track, streams)
    if current is None:  # the stream is going
        raise _gone(track)
    anew = change.layer is not None or (parameters is not None and parameters.resolution is not None)
    before = track.parameters or VideoParameters()
    if change.layer is not None:
        before = replace(before, resolution=None)
    wanted = replace(
        track,
        format=change.format,
        parameters=_together(before, parameters),
        layer=layer if anew else track.layer,
    )
    return _settled(wanted, *current, wanted.layer.rid, config)


def _together(before: VideoParameters, asked: VideoParameters | None) -> VideoParameters | None:
    """What is asked for now; where nothing is said, what was asked for before."""
    asked = asked or VideoParameters()
    both = VideoParameters(
        asked.resolution or before.resolution,
        asked.framerate or before.framerate,
        asked.bitrate or before.bitrate,
        asked.key_frame_interval or before.key_frame_interval,
    )
    return None if both == VideoParameters() else both


def _section(track: TrackId | None) -> TrackId | None:
    return section_of(track) if track is not None else None


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


def _settled(
    wanted: SubscribedTrack, stream: Stream, track: Track, rid: str | None, config: RoomConfig
) -> SubscribedTrack:
    """``wanted`` as the section of ``track`` gives it: the layer ``rid``, the one of the size asked for, or any."""
    layers = [one for one in stream.tracks if one.kind == track.kind and one.mid == track.mid]
    pinned = _pinned(wanted, [one for one in layers if one.rid is not None], rid)
    track = pinned or layers[0]
    offer = offered(track, config)
    formats = _formats(wanted, track, offer)
    refusal, transcoded = _parameters(wanted, track, offer)
    if refusal:
        raise _unsatisfiable(wanted, f"{refusal} is not acceptable")
    return replace(
        wanted,
        stream=stream.id,
        track=track.id,
        format=track.format,
        parameters=wanted.parameters if wanted.kind == "video" else None,
        active=True,
        layer=replace(wanted.layer, rid=pinned.rid if pinned else None),
        formats=formats,
        transcoded=stream.mixed or transcoded or track.format not in formats,
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


def _gone(wanted: SubscribedTrack) -> SourceGone:
    return SourceGone(_UNSATISFIABLE[wanted.kind], wanted.stream, f"Requested {wanted.kind} stream")


def _unsatisfiable(wanted: SubscribedTrack, detail: str) -> RoomError:
    return RoomError(_UNSATISFIABLE[wanted.kind], wanted.stream, detail)


def _formats(wanted: SubscribedTrack, track: Track, offer: Offered) -> tuple[Format, ...]:
    """The formats in which ``wanted`` may be sent, the source's own first."""
    possible = [
        one for one in (track.format, *offer.formats) if one == track.format or one.codec in PRODUCIBLE
    ]
    if wanted.format is None:
        return tuple(possible)
    acceptable = [one for one in possible if accepts(wanted.format, one)]
    if not acceptable:
        named = any(accepts(wanted.format, one) for one in offer.formats)
        why = f": {wanted.format.codec} cannot be encoded" if named else ""
        raise _unsatisfiable(wanted, f"Format is not acceptable{why}")
    return tuple(acceptable)


def _parameters(wanted: SubscribedTrack, track: Track, offer: Offered) -> tuple[str | None, bool]:
    """The first wish that cannot be met, if any; and whether one can only be met by encoding anew."""
    if wanted.kind == "audio" or wanted.parameters is None:
        return None, False
    asked, own = wanted.parameters, track.parameters or VideoParameters()
    wishes: tuple[tuple[str, object, object, Container[object]], ...] = (
        ("Resolution", asked.resolution, own.resolution, offer.resolutions),
        ("Framerate", asked.framerate, own.framerate, offer.framerates),
        (
            "Bitrate",
            None if multiplier(asked.bitrate or "") == 1.0 else asked.bitrate,
            own.bitrate,
            offer.bitrates,
        ),
        ("KeyFrameInterval", asked.key_frame_interval, own.key_frame_interval, offer.key_frame_intervals),
    )
    transcoded = False
    for name, value, already, possible in wishes:
        if value is None or value == already:
            continue
        if value not in possible:
            return name, False
        transcoded = True
    return None, transcoded
