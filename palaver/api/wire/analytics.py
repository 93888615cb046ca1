"""Analyses: what REST takes and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import UNSET, UnsetType, field

from palaver.api.wire.formats import Shape, Text, format_info
from palaver.api.wire.sinks import SinkAudio, SinkVideo, WantedAudio, WantedVideo, media_info
from palaver.api.wire.stream_info import FormatInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palaver.analytics.catalogue import Catalogued, Listed
    from palaver.analytics.results import AnalysisLog, SeenEvent
    from palaver.jobs.analysis import Analysis as Request
    from palaver.room.values import Format, Kind, SubscribedTrack, Track


class AnalyticsMedia(Shape):
    """What to analyse: pictures, sound, or both. The ``format`` and ``parameters`` are of what the algorithm shows."""

    video: WantedVideo | bool = False
    audio: WantedAudio | bool = False

    def __post_init__(self) -> None:
        if isinstance(self.video, bool) and (self.video or isinstance(self.audio, bool)):
            raise ValueError("video: expected an object with from, unless audio is one")


class AnalyticsRequest(Shape):
    """Starts an analysis. ``parameters`` are the algorithm's own: see ``GET /v1/analytics/algorithms``."""

    algorithm: Text
    media: AnalyticsMedia
    parameters: dict[str, Any] = field(default_factory=dict)


class AlgorithmUse(Shape):
    """What analyses, and how."""

    algorithm: str
    parameters: dict[str, Any]


class AnalysedMedia(Shape):
    """What is analysed. ``format`` and ``from`` are those of the video, or of the sound if there is no video."""

    format: FormatInfo
    source: str = field(name="from")
    video: SinkVideo | bool
    audio: SinkAudio | bool


class Analysis(Shape):
    """An analysis that goes on. ``stream`` is the one that it shows, if it shows one; ``error`` why it does not run."""

    id: str
    analytics: AlgorithmUse
    media: AnalysedMedia
    status: Literal["starting", "running", "restarting", "stopped", "ended"]
    events: int
    stream: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class AnalysisEvent(Shape):
    """Something that an algorithm has seen; ``failure`` is the event of one that failed, with its ``traceback``.

    ``time``: milliseconds since the epoch, when what was seen was captured. ``session``: how often it was started.
    """

    id: int
    session: int
    time: int
    name: str
    data: dict[str, Any]


class PicturesGiven(Shape):
    """The pictures that an algorithm is given."""

    fps: float
    pixels: Literal["gray", "bgr", "yuv"]
    size: list[int] | UnsetType = UNSET


class SoundGiven(Shape):
    """The sound that an algorithm is given."""

    rate: int
    channels: int


class AlgorithmInfo(Shape):
    """An algorithm; ``parameters`` is a JSON Schema. ``aliases`` are its other names."""

    name: str
    description: str
    origin: str
    parameters: dict[str, Any]
    aliases: list[str]
    video: PicturesGiven | UnsetType = UNSET
    audio: SoundGiven | UnsetType = UNSET


class BrokenPlugin(Shape):
    """A plugin that cannot be used."""

    origin: str
    error: str


class Algorithms(Shape):
    """What there is to analyse with."""

    algorithms: list[AlgorithmInfo]
    broken: list[BrokenPlugin]


def algorithms_info(found: Catalogued, aliases: Mapping[str, str]) -> dict[str, Any]:
    """``{algorithms, broken}``."""
    return {
        "algorithms": [_algorithm(one, aliases) for one in found.algorithms],
        "broken": [{"origin": one.origin, "error": one.error} for one in found.broken],
    }


def _algorithm(one: Listed, aliases: Mapping[str, str]) -> dict[str, Any]:
    info: dict[str, Any] = {
        "name": one.name,
        "description": one.doc,
        "origin": one.origin,
        "parameters": one.parameters,
        "aliases": sorted(alias for alias, name in aliases.items() if name == one.name),
    }
    if one.video is not None:
        info["video"] = {"fps": one.video.fps, "pixels": one.video.pixels}
        if one.video.size is not None:
            info["video"]["size"] = list(one.video.size)
    if one.audio is not None:
        info["audio"] = {"rate": one.audio.rate, "channels": one.audio.channels}
    return info


def analysis_info(
    job: str,
    order: Request,
    log: AnalysisLog | None,
    stream: str | None,
    tracks: Sequence[SubscribedTrack],
    sources: Mapping[Kind, Track | None],
) -> dict[str, Any]:
    """An analysis as REST shows it."""
    forms: dict[Kind, Format | None] = {
        track.kind: track.formats[0] if track.formats else track.format for track in tracks
    }
    media = media_info(tracks, forms, sources, ())
    main: Kind = "video" if media["video"] else "audio"
    form = forms.get(main)
    source = next((track.stream for track in tracks if track.kind == main), "")
    info: dict[str, Any] = {
        "id": job,
        "analytics": {"algorithm": order.algorithm, "parameters": order.parameters},
        "media": {"format": format_info(form) if form else {}, "from": source, **media},
        "status": log.status if log is not None else "starting",
        "events": log.last if log is not None else 0,
    }
    if stream is not None:
        info["stream"] = stream
    return info


def event_info(seen: SeenEvent) -> dict[str, Any]:
    """``{id, session, time, name, data}``."""
    return {
        "id": seen.id,
        "session": seen.session,
        "time": seen.time,
        "name": seen.name,
        "data": seen.data,
    }
