"""Streaming-outs: what REST takes and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, UnsetType

from palaver.api.wire.formats import Positive, Shape, Text, number
from palaver.api.wire.sinks import SinkMedia, WantedMedia, codec_of, media_info
from palaver.api.wire.urls import check_url
from palaver.room.values import AudioFormat
from palaver.streaming.targets import State, TargetState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palaver.jobs.streaming_out import StreamingOut as Request
    from palaver.room.values import Format, Kind, SubscribedTrack, Track

Protocol = Literal["rtmp", "rtsp", "hls", "dash"]

_PROTOCOL_SCHEMES: Final[dict[str, frozenset[str]]] = {
    "rtmp": frozenset({"rtmp", "rtmps"}),
    "rtsp": frozenset({"rtsp", "rtsps"}),
    "hls": frozenset({"http", "https"}),
    "dash": frozenset({"http", "https"}),
}


class OutputParameters(Shape):
    """How segments are made and uploaded: durations in seconds, the others in segments. For hls and dash."""

    method: Literal["PUT", "POST"] = "PUT"
    hls_time: Positive = 2
    hls_list_size: Annotated[int, Meta(ge=0, le=10_000)] = 5
    dash_seg_duration: Positive = 2
    dash_window_size: Annotated[int, Meta(ge=0, le=10_000)] = 5


_AUDIO: Final[dict[str, frozenset[str]]] = {
    "rtmp": frozenset({"aac"}), "rtsp": frozenset({"aac", "opus"}),
    "hls": frozenset({"aac", "opus"}), "dash": frozenset({"aac", "opus"}),
}  # fmt: skip
_SEGMENTED: Final = frozenset({"h264", "h265", "vp9", "av1"})
_VIDEO: Final[dict[str, frozenset[str]]] = {
    "rtmp": frozenset({"h264"}), "rtsp": frozenset({"h264"}), "hls": _SEGMENTED, "dash": _SEGMENTED,
}  # fmt: skip
_MOST_TARGETS: Final = 8


class StreamingOutRequest(Shape):
    """Starts a streaming-out. Without ``protocol`` the URL tells it.

    Without ``url`` the server itself serves hls and dash. ``urls``: several places of one protocol.
    """

    media: WantedMedia
    url: Text | UnsetType = UNSET
    urls: Annotated[list[Text], Meta(min_length=1, max_length=_MOST_TARGETS)] | UnsetType = UNSET
    protocol: Protocol | UnsetType = UNSET
    parameters: OutputParameters | UnsetType = UNSET

    def __post_init__(self) -> None:
        found = self.targets
        if not isinstance(self.url, UnsetType) and not isinstance(self.urls, UnsetType):
            raise ValueError("urls: not beside url")
        for url in found:
            check_url(url)
        if isinstance(self.protocol, UnsetType):
            if not found:
                raise ValueError("url: required, unless protocol is hls or dash")
            self.protocol = protocol_of(found[0])
        if not found and self.protocol not in ("hls", "dash"):
            raise ValueError(f"url: required for {self.protocol}")
        if any(urlsplit(url).scheme.lower() not in _PROTOCOL_SCHEMES[self.protocol] for url in found):
            raise ValueError(f"url: not for {self.protocol}")
        _check_codec("audio", codec_of(self.media.audio), _AUDIO[self.protocol])
        _check_codec("video", codec_of(self.media.video), _VIDEO[self.protocol])

    @property
    def targets(self) -> tuple[str, ...]:
        """The URLs; none where the server itself serves."""
        if not isinstance(self.urls, UnsetType):
            return tuple(self.urls)
        return () if isinstance(self.url, UnsetType) else (self.url,)


def _check_codec(kind: str, codec: str | None, held: frozenset[str]) -> None:
    if codec is not None and codec not in held:
        raise ValueError(f"media.{kind}.format.codec: expected {' or '.join(sorted(held))}")


def protocol_of(url: str) -> Protocol:
    """The protocol that a URL tells. Raises ValueError if it tells none."""
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


class TargetInfo(Shape):
    """How it stands with one of several targets."""

    url: str
    state: State
    error: str | UnsetType = UNSET


class StreamingOut(Shape):
    """A streaming-out that goes on. ``state`` is that of its only target, or of the worst; ``error`` the last one."""

    id: str
    media: SinkMedia
    protocol: Literal["rtmp", "rtsp", "hls", "dash"]
    url: str
    status: Literal["active", "inactive"]
    state: State
    parameters: dict[str, Any] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    targets: list[TargetInfo] | UnsetType = UNSET


_WORST_FIRST: Final[tuple[State, ...]] = ("failed", "retrying", "connecting", "connected")
_SOUNDS: Final[dict[str, AudioFormat]] = {
    "aac": AudioFormat("aac", 48_000, 2),
    "opus": AudioFormat("opus", 48_000, 2),
}


def streaming_out_info(
    job: str,
    shown: Request,
    urls: Sequence[str],
    states: Sequence[TargetState],
    tracks: Sequence[SubscribedTrack],
    sources: Mapping[Kind, Track | None],
) -> dict[str, Any]:
    """A streaming-out as REST shows it. ``shown`` and ``urls`` hold no secrets; ``states`` go with ``urls``."""
    states = states or [TargetState("connecting")] * len(urls)
    worst = min(states, key=lambda one: _WORST_FIRST.index(one.state))
    whole = {track.kind for track in tracks} <= set(shown.inactive) and bool(tracks)
    forms = {track.kind: _form(shown, track) for track in tracks}
    info: dict[str, Any] = {
        "id": job,
        "media": media_info(tracks, forms, sources, shown.inactive),
        "protocol": shown.protocol,
        "url": urls[0],
        "status": "inactive" if whole else "active",
        "state": worst.state,
    }
    if parameters := _segments(shown):
        info["parameters"] = parameters
    if worst.error:
        info["error"] = worst.error
    if len(urls) > 1:
        info["targets"] = [
            {"url": url, "state": one.state} | ({"error": one.error} if one.error else {})
            for url, one in zip(urls, states, strict=False)
        ]
    return info


def _segments(shown: Request) -> dict[str, Any]:
    cut = shown.segments
    match shown.protocol:
        case "hls":
            return {"method": cut.method, "hlsTime": number(cut.seconds), "hlsListSize": cut.listed}
        case "dash":
            return {
                "method": cut.method,
                "dashSegDuration": number(cut.seconds),
                "dashWindowSize": cut.listed,
            }
        case _:
            return {}


def _form(shown: Request, track: SubscribedTrack) -> Format | None:
    if track.kind == "audio":
        return _SOUNDS[shown.sound]
    return track.formats[0] if track.formats else track.format
