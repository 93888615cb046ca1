"""The versions of the protocol as translators: what differs between 1.0, 1.1 and 1.2, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from palaver.api.portal.outbox import Notification
from palaver.api.wire import portal as wire
from palaver.api.wire import portal10
from palaver.api.wire.attributes import check_attributes
from palaver.room.endpoints import PublishedTrack
from palaver.room.values import (
    ANY_LAYER,
    AudioFormat,
    Format,
    Kind,
    LayerPreference,
    Resolution,
    VideoFormat,
    VideoParameters,
)

if TYPE_CHECKING:
    from palaver.api.wire.stream_info import FormatInfo
    from palaver.room.messages import SessionReady

Version = Literal["1.0", "1.1", "1.2"]

_T = TypeVar("_T")
_MULTIPLIER = re.compile(r"x\d+(\.\d+)?")
_DEFAULT_SOURCE: Final[dict[Kind, str]] = {"audio": "mic", "video": "camera"}


class Refusal(Exception):
    """A request that is wrong in itself; the text is the acknowledgement's."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A parsed publish request. ``transport`` None: a new one."""

    transport: str | None
    tracks: tuple[PublishedTrack, ...]
    attributes: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class WantedTrack:
    """One track of a parsed subscribe request; ``origin`` is a stream id or a track id."""

    kind: Kind
    mid: str
    origin: str
    format: Format | None
    parameters: VideoParameters | None
    layer: LayerPreference = ANY_LAYER


@dataclass(frozen=True, slots=True)
class WantedSubscription:
    """A parsed subscribe request. ``transport`` None: a new one."""

    transport: str | None
    tracks: tuple[WantedTrack, ...]


class Dialect(Protocol):
    """One version of the protocol."""

    @property
    def version(self) -> Version:
        """Its name at login."""
        ...

    @property
    def resumes_with_messages(self) -> bool:
        """Whether a relogin is answered with an object (see Identity)."""
        ...

    def publication(self, data: object) -> Publication:
        """Parse a publish request; raises Refusal."""
        ...

    def wanted_subscription(self, data: object) -> WantedSubscription:
        """Parse a subscribe request; raises Refusal."""
        ...

    def ready(self, event: SessionReady) -> Notification:
        """Tell that a session works."""
        ...


class Tracks:
    """1.2: any number of tracks, each on a named section; sessions share a connection."""

    version: Version = "1.2"
    resumes_with_messages = True

    def publication(self, data: object) -> Publication:
        """Parse a publish request; raises Refusal."""
        _refuse_data_streams(data)
        request = parse(data, wire.PublishRequest)
        _refuse_repeated_mids([track.mid for track in request.media.tracks])
        tracks = tuple(
            PublishedTrack(track.type, track.mid, _given(track.source) or _DEFAULT_SOURCE[track.type])
            for track in request.media.tracks
        )
        return Publication(_given(request.transport.id), tracks, _attributes(request.attributes))

    def wanted_subscription(self, data: object) -> WantedSubscription:
        """Parse a subscribe request; raises Refusal."""
        _refuse_data_streams(data)
        request = parse(data, wire.SubscribeRequest)
        _refuse_repeated_mids([track.mid for track in request.media.tracks])
        tracks = tuple(
            WantedTrack(
                track.type,
                track.mid,
                track.from_,
                _format(track.type, track.format),
                parameters(track.parameters) if track.type == "video" else None,
                layer(track.parameters) if track.type == "video" else ANY_LAYER,
            )
            for track in request.media.tracks
        )
        return WantedSubscription(_given(request.transport.id), tracks)

    def ready(self, event: SessionReady) -> Notification:
        """Tell that a session works."""
        return Notification(
            "progress",
            {"id": event.transport, "sessionId": event.session, "status": "ready"},
            anchor=True,
        )


class Kinds:
    """1.0 and 1.1: at most one audio and one video, on a connection per session with the session's id."""

    resumes_with_messages = False

    def __init__(self, version: Version) -> None:
        self.version: Version = version

    def publication(self, data: object) -> Publication:
        """Parse a publish request; raises Refusal."""
        request = parse(data, portal10.PublishRequest)
        audio, video = request.media.audio, request.media.video
        _refuse_bare(audio, video)
        tracks: list[PublishedTrack] = []
        if not isinstance(audio, bool):
            tracks.append(PublishedTrack("audio", "0", audio.source))
        if not isinstance(video, bool):
            tracks.append(PublishedTrack("video", str(len(tracks)), video.source))
        return Publication(None, tuple(tracks), _attributes(request.attributes))

    def wanted_subscription(self, data: object) -> WantedSubscription:
        """Parse a subscribe request; raises Refusal."""
        request = parse(data, portal10.SubscribeRequest)
        audio, video = request.media.audio, request.media.video
        _refuse_bare(audio, video)
        tracks: list[WantedTrack] = []
        if not isinstance(audio, bool):
            tracks.append(WantedTrack("audio", "0", audio.from_, _format("audio", audio.format), None))
        if not isinstance(video, bool):
            wanted = _format("video", video.format)
            mid, wish = str(len(tracks)), layer(video.parameters, _given(video.simulcast_rid))
            asked = parameters(video.parameters)
            tracks.append(WantedTrack("video", mid, video.from_, wanted, asked, wish))
        return WantedSubscription(None, tuple(tracks))

    def ready(self, event: SessionReady) -> Notification:
        """Tell that a session works."""
        return Notification("session-progress", {"id": event.session, "status": "ready"}, anchor=True)


DIALECTS: Final[dict[str, Dialect]] = {"1.0": Kinds("1.0"), "1.1": Kinds("1.1"), "1.2": Tracks()}


def parse(data: object, shape: type[_T]) -> _T:
    """``data`` as a message of the wire. Raises Refusal that names the offending member."""
    parsed: _T = parse_union(data, shape)
    return parsed


def parse_union(data: object, shape: Any) -> Any:
    """``data`` as one of several messages; like ``parse``, for what the type system cannot name."""
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as problem:
        message, _, path = str(problem).partition(" - at `$")
        raise Refusal(f"request{path.rstrip('`')} {message}") from None


def parameters(wanted: wire.SubscribeParameters | UnsetType) -> VideoParameters | None:
    """Wishes for video; None if there are none. Raises Refusal."""
    if wanted is UNSET:
        return None
    resolution = _given(wanted.resolution)
    parsed = VideoParameters(
        resolution=Resolution(resolution.width, resolution.height) if resolution else None,
        framerate=_given(wanted.framerate),
        bitrate=_bitrate(wanted.bitrate),
        key_frame_interval=_given(wanted.key_frame_interval),
    )
    return None if parsed == VideoParameters() else parsed


def layer(wanted: wire.SubscribeParameters | UnsetType, rid: str | None = None) -> LayerPreference:
    """Which layer is wished for, as far as it is not said by a track's id or a picture size."""
    if wanted is UNSET:
        return LayerPreference(rid)
    most = _given(wanted.max_resolution)
    width, height = (most.width, most.height) if most else (0, 0)
    return LayerPreference(rid, width, height, _given(wanted.max_framerate) or 0)


def _bitrate(wanted: float | str | UnsetType) -> float | str | None:
    """The bitrate asked for; a multiplier of one is no wish."""
    if isinstance(wanted, str):
        if not _MULTIPLIER.fullmatch(wanted):
            raise Refusal('request.media bitrate must be a number (kbit/s) or a multiplier such as "x0.8"')
        return None if float(wanted[1:]) == 1.0 else wanted
    return _given(wanted)


def _format(kind: Kind, wanted: FormatInfo | UnsetType) -> Format | None:
    if wanted is UNSET:
        return None
    if kind == "audio":
        return AudioFormat(wanted.codec, _given(wanted.sample_rate), _given(wanted.channel_num))
    return VideoFormat(wanted.codec, _given(wanted.profile))


def _given(value: _T | UnsetType | None) -> _T | None:
    return None if value is UNSET else value


def _attributes(given: dict[str, Any] | UnsetType | None) -> dict[str, object] | None:
    attributes = _given(given)
    if attributes is not None:
        try:
            check_attributes(attributes)
        except ValueError as problem:
            raise Refusal(f"request.{problem}") from None
    return attributes


def _refuse_repeated_mids(mids: list[str]) -> None:
    for index, mid in enumerate(mids):
        if mid in mids[:index]:
            raise Refusal(f"request.media.tracks[{index}].mid is used twice")


def _refuse_bare(audio: object, video: object) -> None:
    """``true`` names no source, and nothing at all is no session."""
    for kind, part in (("audio", audio), ("video", video)):
        if part is True:
            raise Refusal(f"request.media.{kind} must be an object or false")
    if audio is False and video is False:
        raise Refusal("request.media must have audio or video")


def _refuse_data_streams(data: object) -> None:
    """WebTransport is another protocol, which tokens of this server do not announce."""
    if not isinstance(data, dict):
        return
    transport = data.get("transport")
    quic = isinstance(transport, dict) and transport.get("type") == "quic"
    if quic or data.get("data") or data.get("media", ...) is None:
        raise Refusal("request.media must not be null: data streams over WebTransport are not supported")
