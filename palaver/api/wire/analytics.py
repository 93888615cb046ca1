"""Analyses: what REST takes and answers."""

from __future__ import annotations

from msgspec import field

from palaver.api.wire.formats import Shape, Text
from palaver.api.wire.sinks import SinkVideo, WantedAudio, WantedVideo
from palaver.api.wire.stream_info import FormatInfo


class AnalyticsMedia(Shape):
    """What to analyse; audio is ignored."""

    video: WantedVideo
    audio: WantedAudio | bool = False


class AnalyticsRequest(Shape):
    """Starts an analysis."""

    algorithm: Text
    media: AnalyticsMedia


class Algorithm(Shape):
    """What analyses."""

    algorithm: str


class AnalysedMedia(Shape):
    """What is analysed."""

    format: FormatInfo
    source: str = field(name="from")
    video: SinkVideo


class Analysis(Shape):
    """An analysis that goes on."""

    id: str
    analytics: Algorithm
    media: AnalysedMedia
