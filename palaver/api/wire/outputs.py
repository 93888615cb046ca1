"""Requests for what feeds and drains a room beside clients: streaming, recordings, analytics and SIP calls."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, UnsetType, field

from palaver.api.wire.attributes import check_attributes
from palaver.api.wire.formats import Positive, Resolution, Shape

Text = Annotated[str, Meta(min_length=1)]
AudioCodec = Literal[
    "pcmu", "pcma", "opus", "g722", "isac", "ilbc", "iSAC", "iLBC", "aac", "ac3", "nellymoser"
]
VideoCodec = Literal["h264", "h265", "vp8", "vp9", "av1"]
Protocol = Literal["rtmp", "rtsp", "hls", "dash"]

SCHEMES: Final = frozenset({"http", "https", "rtsp", "rtsps", "rtmp", "rtmps"})
_PROTOCOL_SCHEMES: Final[dict[str, frozenset[str]]] = {
    "rtmp": frozenset({"rtmp", "rtmps"}),
    "rtsp": frozenset({"rtsp", "rtsps"}),
    "hls": frozenset({"http", "https"}),
    "dash": frozenset({"http", "https"}),
}
_METADATA: Final = frozenset(
    ipaddress.ip_address(address) for address in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")
)
"""Where clouds tell a machine its secrets."""
_RECORDED_AUDIO: Final = frozenset({"pcmu", "pcma", "opus", "aac"})


class WantedAudioFormat(Shape):
    """An audio codec to produce."""

    codec: AudioCodec
    sample_rate: Annotated[int, Meta(ge=1, le=384_000)] | UnsetType = UNSET
    channel_num: Annotated[int, Meta(ge=1, le=255)] | UnsetType = UNSET


class WantedVideoFormat(Shape):
    """A video codec to produce; ``profile`` is H264's."""

    codec: VideoCodec
    profile: Literal["CB", "B", "M", "H", "E"] | UnsetType = UNSET


class WantedParameters(Shape):
    """Wishes for video. ``bitrate`` is kbit/s or a multiplier of the source's, such as "x0.8"."""

    resolution: Resolution | UnsetType = UNSET
    framerate: Positive | UnsetType = UNSET
    bitrate: Positive | Annotated[str, Meta(pattern=r"^x[0-9]{1,4}(\.[0-9]{1,6})?$")] | UnsetType = UNSET
    key_frame_interval: Positive | UnsetType = UNSET


class WantedAudio(Shape):
    """Audio of the stream ``from``."""

    source: Text = field(name="from")
    format: WantedAudioFormat | UnsetType = UNSET


class WantedVideo(Shape):
    """Video of the stream ``from``."""

    source: Text = field(name="from")
    format: WantedVideoFormat | UnsetType = UNSET
    parameters: WantedParameters | UnsetType = UNSET


class WantedMedia(Shape):
    """What to take from a room; ``false`` for none of a kind."""

    audio: WantedAudio | bool
    video: WantedVideo | bool

    def __post_init__(self) -> None:
        for kind in ("audio", "video"):
            if getattr(self, kind) is True:
                raise ValueError(f"{kind}: expected an object or false")
        if not self.audio and not self.video:
            raise ValueError("audio: expected an object where video is false")


class RecordingRequest(Shape):
    """Starts a recording."""

    media: WantedMedia
    container: Literal["auto", "mkv", "mp4", "ts"] = "auto"

    def __post_init__(self) -> None:
        audio, video = _codec(self.media.audio), _codec(self.media.video)
        if audio is not None and audio not in _RECORDED_AUDIO:
            raise ValueError("media.audio.format.codec: expected pcmu, pcma, opus or aac")
        if self.container != "mp4":
            return
        if audio not in {None, "aac"}:
            raise ValueError("media.audio.format.codec: mp4 holds aac only")
        if video not in {None, "h264", "h265"}:
            raise ValueError("media.video.format.codec: mp4 holds h264 and h265 only")


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


class AnalyticsMedia(Shape):
    """What to analyse; audio is ignored."""

    video: WantedVideo
    audio: WantedAudio | bool = False


class AnalyticsRequest(Shape):
    """Starts an analysis."""

    algorithm: Text
    media: AnalyticsMedia


class CallMediaIn(Shape):
    """What the other end sends; audio always."""

    audio: bool
    video: bool


class CallAudio(Shape):
    """Audio for the other end."""

    source: Text = field(name="from")


class CallVideo(Shape):
    """Video for the other end."""

    source: Text = field(name="from")
    parameters: WantedParameters | UnsetType = UNSET


class CallMediaOut(Shape):
    """What the other end receives."""

    audio: CallAudio
    video: CallVideo | bool


class SipCallRequest(Shape):
    """Calls ``peerURI``."""

    peer: Text = field(name="peerURI")
    media_in: CallMediaIn
    media_out: CallMediaOut

    def __post_init__(self) -> None:
        if not self.media_in.audio:
            raise ValueError("mediaIn.audio: expected true")
        if self.media_out.video is True:
            raise ValueError("mediaOut.video: expected an object or false")
        if self.media_in.video != (self.media_out.video is not False):
            raise ValueError("mediaIn.video: not consistent with mediaOut.video")


class Connection(Shape, forbid_unknown_fields=True):
    """Where to fetch a stream. ``bufferSize`` (bytes) is for udp."""

    url: Text
    transport_protocol: Literal["tcp", "udp"] = "tcp"
    buffer_size: Annotated[int, Meta(ge=1, le=1 << 30)] = 8192
    origin: Any = UNSET

    def __post_init__(self) -> None:
        check_url(self.url)


class StreamingInMedia(Shape, forbid_unknown_fields=True):
    """Which kinds to take; "auto" takes what there is."""

    audio: Literal["auto"] | bool
    video: Literal["auto"] | bool

    def __post_init__(self) -> None:
        if not self.audio and not self.video:
            raise ValueError("audio: expected true or auto where video is false")


class StreamingInRequest(Shape, forbid_unknown_fields=True):
    """Starts a streaming-in."""

    connection: Connection
    media: StreamingInMedia
    attributes: dict[str, Any] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not isinstance(self.attributes, UnsetType):
            check_attributes(self.attributes)


def check_url(url: str) -> None:
    """Raise ValueError for what is never fetched or pushed to, as far as the text alone tells."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("url: not a URL") from None
    if parts.scheme.lower() not in SCHEMES:
        raise ValueError("url: expected http, https, rtsp, rtsps, rtmp or rtmps")
    if not host:
        raise ValueError("url: has no host")
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if (mapped or address).is_link_local or address in _METADATA:
        raise ValueError("url: link-local and metadata addresses are not allowed")


def _codec(wanted: WantedAudio | WantedVideo | bool) -> str | None:
    """The codec that is asked for by name, if one is."""
    if isinstance(wanted, bool) or isinstance(wanted.format, UnsetType):
        return None
    return wanted.format.codec


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
