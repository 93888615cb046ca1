"""Streaming-outs: what REST takes and answers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, UnsetType

from palaver.api.wire.formats import Positive, Shape, Text
from palaver.api.wire.sinks import SinkMedia, WantedMedia
from palaver.api.wire.urls import check_url

Protocol = Literal["rtmp", "rtsp", "hls", "dash"]

_PROTOCOL_SCHEMES: Final[dict[str, frozenset[str]]] = {
    "rtmp": frozenset({"rtmp", "rtmps"}),
    "rtsp": frozenset({"rtsp", "rtsps"}),
    "hls": frozenset({"http", "https"}),
    "dash": frozenset({"http", "https"}),
}


class OutputParameters(Shape):
    """How segments are uploaded: durations in seconds, the others in segments. For hls and dash."""

    method: Literal["PUT", "POST"] = "PUT"
    hls_time: Positive = 2
    hls_list_size: Annotated[int, Meta(ge=0, le=100_000)] = 5
    dash_seg_duration: Positive = 2
    dash_window_size: Annotated[int, Meta(ge=0, le=100_000)] = 5


class StreamingOutRequest(Shape):
    """Starts a streaming-out. Without ``protocol`` the URL tells it."""

    url: Text
    media: WantedMedia
    protocol: Protocol | UnsetType = UNSET
    parameters: OutputParameters | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_url(self.url)
        protocol = _protocol(self.url) if isinstance(self.protocol, UnsetType) else self.protocol
        if urlsplit(self.url).scheme.lower() not in _PROTOCOL_SCHEMES[protocol]:
            raise ValueError(f"url: not for {protocol}")
        self.protocol = protocol


def _protocol(url: str) -> Protocol:
    parts = urlsplit(url)
    scheme, path = parts.scheme.lower(), parts.path.lower()
    if scheme in {"rtmp", "rtmps"}:
        return "rtmp"
    if scheme in {"rtsp", "rtsps"}:
        return "rtsp"
    if path.endswith(".m3u8"):
        return "hls"
    if path.endswith(".mpd"):
        return "dash"
    raise ValueError("protocol: required, as the url does not tell it")


class StreamingOut(Shape):
    """A streaming-out that goes on."""

    id: str
    media: SinkMedia
    protocol: Literal["rtmp", "rtsp", "hls", "dash"]
    url: str
    parameters: dict[str, Any] | UnsetType = UNSET
