"""Streams as clients see them: one description, four shapes (REST 1.0 and 1.1, portal 1.0/1.1 and 1.2)."""

from __future__ import annotations

from typing import Any, Literal

from palaver.api.wire.formats import format_info, number, parameters_info, resolution_info
from palaver.room.formats import Offered, offered
from palaver.room.values import KINDS, Kind, Placement, RoomConfig, Stream, Track

Dialect = Literal["1.0", "1.1", "1.2"]

SERVER_OWNER = "admin"
"""The owner that OWT shows for streams which no participant publishes."""


def stream_info(stream: Stream, config: RoomConfig, dialect: Dialect, *, rest: bool) -> dict[str, Any]:
    """``stream`` as JSON in the given dialect; to REST an absent kind of media is ``false``."""
    info: dict[str, Any] = {
        "id": stream.id,
        "type": "mixed" if stream.mixed else "forward",
        "media": _media(stream, config, dialect, rest=rest),
    }
    if dialect != "1.0":
        info["data"] = None
    info["info"] = _mixed(stream, rest=rest) if stream.mixed else _forward(stream)
    return info


def layout_info(layout: tuple[Placement, ...]) -> list[dict[str, Any]]:
    """``[{stream?, region}]``; a region that shows nothing has no ``stream``."""
    return [_placement(placement) for placement in layout]


def _placement(placement: Placement) -> dict[str, Any]:
    region = placement.region
    shown: dict[str, Any] = {} if placement.stream is None else {"stream": placement.stream}
    shown["region"] = {
        "id": region.id,
        "shape": region.shape,
        "area": {
            "left": region.left,
            "top": region.top,
            "width": region.width,
            "height": region.height,
        },
    }
    return shown


def _forward(stream: Stream) -> dict[str, Any]:
    info: dict[str, Any] = {
        "owner": stream.owner or SERVER_OWNER,
        "type": stream.origin,
        "inViews": list(stream.in_views),
    }
    if stream.attributes is not None:
        info["attributes"] = stream.attributes
    return info


def _mixed(stream: Stream, *, rest: bool) -> dict[str, Any]:
    info: dict[str, Any] = {
        "label": stream.label,
        "activeInput": stream.active_input,
        "layout": layout_info(stream.layout),
    }
    if rest:
        info["origin"] = {"isp": "isp", "region": "region"}
    return info


def _media(stream: Stream, config: RoomConfig, dialect: Dialect, *, rest: bool) -> dict[str, Any]:
    if dialect == "1.2":
        return {"tracks": [_track(track, config) for track in stream.tracks]}
    media: dict[str, Any] = {}
    for kind in KINDS:
        tracks = [track for track in stream.tracks if track.kind == kind]
        if tracks:
            media[kind] = _kind(kind, tracks, config, dialect)
        elif rest:
            media[kind] = False
    return media


def _track(track: Track, config: RoomConfig) -> dict[str, Any]:
    info: dict[str, Any] = {"type": track.kind}
    if track.id is not None:
        info["id"] = track.id
    if track.mid is not None:
        info["mid"] = track.mid
    if track.rid is not None:
        info["rid"] = track.rid
    if track.source is not None:
        info["source"] = track.source
    info["format"] = format_info(track.format)
    if parameters := parameters_info(track.parameters):
        info["parameters"] = parameters
    if track.rid is None:
        info["optional"] = optional_info(offered(track, config))
    info["status"] = _status(track)
    return info


def _kind(kind: Kind, tracks: list[Track], config: RoomConfig, dialect: Dialect) -> dict[str, Any]:
    """All tracks of a kind in one object. Where it can hold one only, that is the first layer."""
    first = tracks[0]
    info: dict[str, Any] = {"status": _status(first)}
    if first.source is not None:
        info["source"] = first.source
    if kind == "video" and dialect == "1.1":
        info["original"] = [_layer(track) for track in tracks]
    else:
        info["format"] = format_info(first.format)
        if kind == "video":
            info["parameters"] = parameters_info(first.parameters)
    if first.rid is None:
        info["optional"] = optional_info(offered(first, config))
    return info


def _layer(track: Track) -> dict[str, Any]:
    info: dict[str, Any] = {
        "format": format_info(track.format),
        "parameters": parameters_info(track.parameters),
    }
    if track.rid is not None:
        info["simulcastRid"] = track.rid
    return info


def optional_info(offer: Offered) -> dict[str, Any]:
    """What can be asked for beside a track's own form.

    OWT's JavaScript SDK throws unless ``parameters``, where present, has all four lists.
    """
    info: dict[str, Any] = {}
    if offer.formats:
        info["format"] = [format_info(one) for one in offer.formats]
    if offer.resolutions or offer.framerates or offer.bitrates or offer.key_frame_intervals:
        info["parameters"] = {
            "resolution": [resolution_info(resolution) for resolution in offer.resolutions],
            "framerate": [number(framerate) for framerate in offer.framerates],
            "bitrate": [
                bitrate if isinstance(bitrate, str) else number(bitrate) for bitrate in offer.bitrates
            ],
            "keyFrameInterval": [number(interval) for interval in offer.key_frame_intervals],
        }
    return info


def _status(track: Track) -> str:
    return "active" if track.active else "inactive"
