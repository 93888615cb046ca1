"""What may feed a room and drain it, as plain data. The room passes it through to the media engine.

A new kind is a class here, in ``Source`` or ``Sink``. What the room needs to know of it:

``kinds``
    The kinds of media that a source may bring.
``required``
    Those that it must bring.
``origin``
    Where a source's stream comes from, in OWT's words.
``lasting``
    Whether a sink goes on when a stream that it draws from ends, until there is another of the same participant.
``accompanies``
    Whether a sink is there for as long as others are: it does not keep its room running.
``records``
    Whether what a sink takes is kept, which everybody in the room is told.
``ready_timeout_s``
    How long it may take to begin; None: as long as a client may negotiate.
"""

# ruff: noqa: TC001 (a remote engine resolves the field types at run time)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from palaver.room.values import Kind, SubscriptionId, TransportId, VideoFormat, VideoParameters

Presence: TypeAlias = bool | Literal["auto"]
"""Whether a kind of media is taken: it must be there, it is not wanted, or it is taken if it is there."""


# ── on a client's connection ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """A section of a client's connection that will carry a track; ``source`` is OWT's word ("mic", …)."""

    kind: Kind
    mid: str
    source: str


@dataclass(frozen=True, slots=True)
class WebRtcSource:
    """A stream that arrives on sections of a client's WebRTC transport."""

    origin: ClassVar = "webrtc"
    ready_timeout_s: ClassVar = None

    transport: TransportId
    tracks: tuple[PublishedTrack, ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        """See the module."""
        return frozenset(track.kind for track in self.tracks)

    @property
    def required(self) -> frozenset[Kind]:
        """See the module."""
        return self.kinds


@dataclass(frozen=True, slots=True)
class WebRtcSink:
    """A subscription that leaves on sections of a client's transport, each track on that of its ``mid``."""

    ready_timeout_s: ClassVar = None
    lasting: ClassVar = False
    accompanies: ClassVar = False
    records: ClassVar = False

    transport: TransportId


# ── of the server itself ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _ServerSource:
    """A source that the server opens; ``audio`` and ``video`` say which kinds it is to bring."""

    origin: ClassVar = "streaming"
    ready_timeout_s: ClassVar = 90.0

    audio: Presence = True
    video: Presence = True

    @property
    def kinds(self) -> frozenset[Kind]:
        """See the module."""
        return _kinds(self.audio is not False, self.video is not False)

    @property
    def required(self) -> frozenset[Kind]:
        """See the module."""
        return _kinds(self.audio is True, self.video is True)


@dataclass(frozen=True, slots=True)
class TestSource(_ServerSource):
    """A generated picture and sound: colour bars with a clock, and a beep each second."""

    __test__: ClassVar = False  # pytest takes every class called Test… for a suite
    ready_timeout_s: ClassVar = 30.0


@dataclass(frozen=True, slots=True)
class PullSource(_ServerSource):
    """A stream fetched from ``url``; over UDP with a receive buffer of ``buffer_size`` bytes;
    ``loop``: a file begins again at its end.
    """

    url: str = ""
    protocol: Literal["tcp", "udp"] = "tcp"
    buffer_size: int = 8192
    loop: bool = False


@dataclass(frozen=True, slots=True)
class RtpSource(_ServerSource):
    """What a phone sends in ``call``."""

    origin: ClassVar = "sip"

    call: str = ""


@dataclass(frozen=True, slots=True)
class _ServerSink:
    """A sink that the server opens."""

    ready_timeout_s: ClassVar = 60.0
    lasting: ClassVar = False
    records: ClassVar = False


@dataclass(frozen=True, slots=True)
class FileSink(_ServerSink):
    """A recording into a file; ``path`` is relative to where recordings are kept, without what tells part and kind.

    It begins without the ``inactive`` kinds; paused, if there is no other.
    """

    lasting: ClassVar = True
    records: ClassVar = True

    path: str
    container: str
    inactive: tuple[Kind, ...] = ()
    accompanies: bool = False


@dataclass(frozen=True, slots=True)
class PushTarget:
    """One place that a streaming-out goes to: a ``url``, or for HLS and DASH a ``folder`` that the server serves."""

    protocol: Literal["rtmp", "rtsp", "hls", "dash"]
    url: str = ""
    folder: str = ""
    method: Literal["PUT", "POST"] = "PUT"
    segment_s: float = 2.0
    listed: int = 5


@dataclass(frozen=True, slots=True)
class PushSink(_ServerSink):
    """A stream sent to each of ``targets``, with sound in the codec ``audio``; None: without sound."""

    accompanies: ClassVar = False

    targets: tuple[PushTarget, ...]
    audio: str | None = "aac"


@dataclass(frozen=True, slots=True)
class AnalysisSink(_ServerSink):
    """An algorithm that sees or hears a stream. ``output``: how what it shows is to be encoded."""

    accompanies: ClassVar = False

    algorithm: str
    parameters: dict[str, Any]
    output: VideoParameters | None = None


@dataclass(frozen=True, slots=True)
class AnalysisSource:
    """What the algorithm of ``analysis`` shows, in ``format`` if the room takes it."""

    origin: ClassVar = "analytics"
    ready_timeout_s: ClassVar = 30.0
    kinds: ClassVar[frozenset[Kind]] = frozenset({"video"})
    required: ClassVar[frozenset[Kind]] = frozenset({"video"})

    analysis: SubscriptionId
    format: VideoFormat | None = None


@dataclass(frozen=True, slots=True)
class RtpSink(_ServerSink):
    """What a phone hears and sees in ``call``."""

    lasting: ClassVar = True
    accompanies: ClassVar = False

    call: str


def _kinds(audio: bool, video: bool) -> frozenset[Kind]:
    wanted: tuple[tuple[Kind, bool], ...] = (("audio", audio), ("video", video))
    return frozenset(kind for kind, is_wanted in wanted if is_wanted)


ServerSource: TypeAlias = TestSource | PullSource | RtpSource | AnalysisSource
ServerSink: TypeAlias = FileSink | PushSink | RtpSink | AnalysisSink
Source: TypeAlias = WebRtcSource | ServerSource
Sink: TypeAlias = WebRtcSink | ServerSink


def transport_of(endpoint: Source | Sink) -> TransportId | None:
    """The transport of a client's source or sink; None for those of the server itself."""
    return endpoint.transport if isinstance(endpoint, WebRtcSource | WebRtcSink) else None
