"""The room document: what REST stores and shows of a room, member by member, with OWT's defaults."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Final, Literal, TypeVar

from msgspec import UNSET, Meta, UnsetType, field

from palaver.api.wire.formats import AudioFormat, Shape, VideoFormat, WholeNumber
from palaver.api.wire.parse import MAX_INT
from palaver.api.wire.recordings import Container
from palaver.room import bounds, values

_T = TypeVar("_T")

Name = Annotated[str, Meta(min_length=1, max_length=bounds.MAX_NAME)]
Label = Annotated[str, Meta(min_length=1, max_length=bounds.MAX_LABEL)]
Short = Annotated[str, Meta(max_length=bounds.MAX_LABEL)]
Parameter = Annotated[str, Meta(max_length=bounds.MAX_CODEC)]
Formats = Annotated[list[_T], Meta(max_length=bounds.MAX_FORMATS)]
Parameters = Annotated[list[_T], Meta(max_length=bounds.MAX_PARAMETERS)]

_SIDE: Final = Meta(ge=bounds.MIN_SIDE, le=bounds.MAX_SIDE)
_FRAMERATE: Final = Meta(ge=bounds.MIN_FRAMERATE, le=bounds.MAX_FRAMERATE)
_KBPS: Final = Meta(ge=bounds.MIN_KBPS, le=bounds.MAX_KBPS)
_WHOLE_INTERVAL: Final = Meta(ge=1, le=bounds.MAX_KEY_FRAME_INTERVAL)
_INTERVAL: Final = Meta(ge=bounds.MIN_KEY_FRAME_INTERVAL, le=bounds.MAX_KEY_FRAME_INTERVAL)
_MOTION: Final = Meta(gt=0, le=bounds.MAX_MOTION_FACTOR)
_FASTEST: Final = Meta(ge=-MAX_INT, le=bounds.MAX_FRAMERATE)
_MOST: Final = Meta(ge=-MAX_INT, le=bounds.MAX_KBPS)
_LONGEST: Final = Meta(ge=-MAX_INT, le=bounds.MAX_KEY_FRAME_INTERVAL)
Color = Annotated[int, Meta(ge=0, le=255)]
FractionValue = str | int | float
"""A part of the picture's width or height: "1/3", "0.5" or a number; shown as a string."""

_FRACTION: Final = re.compile(r"[0-9]{1,9}(?:/[0-9]{1,9}|\.[0-9]{1,9})?|\.[0-9]{1,9}")


class MediaGrant(Shape):
    """Which kinds of media something applies to."""

    audio: bool = False
    video: bool = False


class Role(Shape):
    """A named permission; an absent part grants nothing. ``false`` means neither kind, ``true`` both."""

    role: Short
    publish: MediaGrant | bool | UnsetType = UNSET
    subscribe: MediaGrant | bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        if isinstance(self.publish, bool):
            self.publish = MediaGrant(audio=self.publish, video=self.publish)
        if isinstance(self.subscribe, bool):
            self.subscribe = MediaGrant(audio=self.subscribe, video=self.subscribe)


class ViewAudio(Shape):
    """How a view sounds; ``vad``: find out who speaks."""

    format: AudioFormat = field(
        default_factory=lambda: AudioFormat(codec="opus", sample_rate=48000, channel_num=2)
    )
    vad: bool = True


class ViewSize(Shape):
    """Size of a view's picture in pixels, within what every encoder takes."""

    width: Annotated[int, _SIDE]
    height: Annotated[int, _SIDE]


class ViewParameters(Shape):
    """``bitrate`` in kbit/s, computed where absent; ``keyFrameInterval`` in seconds."""

    resolution: ViewSize = field(default_factory=lambda: ViewSize(width=640, height=480))
    framerate: Annotated[int, _FRAMERATE] | Annotated[float, _FRAMERATE] = 24
    bitrate: Annotated[int, _KBPS] | Annotated[float, _KBPS] | UnsetType = UNSET
    key_frame_interval: Annotated[int, _WHOLE_INTERVAL] | Annotated[float, _INTERVAL] = 100


class BackgroundColor(Shape):
    """What is seen where no input is."""

    r: Color = 0
    g: Color = 0
    b: Color = 0


class Area(Shape):
    """Where a region is: fractions of the picture between 0 and 1."""

    left: FractionValue
    top: FractionValue
    width: FractionValue
    height: FractionValue

    def __post_init__(self) -> None:
        for side in ("left", "top", "width", "height"):
            text = str(getattr(self, side))
            if not _is_fraction(text):
                raise ValueError(f"{side}: {text[:40]!r} is not a valid fraction between 0 and 1")
            setattr(self, side, text)


class Region(Shape):
    """A place in a layout."""

    id: Short | WholeNumber
    area: Area
    shape: Literal["rectangle"] = "rectangle"

    def __post_init__(self) -> None:
        self.id = str(self.id)
        if not self.id:
            raise ValueError("id: expected a non-empty string")


class RegionSet(Shape):
    """One layout: as many inputs as regions."""

    region: Annotated[list[Region], Meta(max_length=bounds.MAX_REGIONS)]


class Templates(Shape):
    """Layouts by the number of inputs: a generated family, and the application's own before it."""

    base: values.Template = "fluid"
    custom: Annotated[list[RegionSet], Meta(max_length=bounds.MAX_TEMPLATES)] = field(default_factory=list)


class Layout(Shape):
    """How inputs share the picture."""

    fit_policy: Literal["letterbox", "crop"] = "letterbox"
    templates: Templates = field(default_factory=Templates)


class ViewVideo(Shape):
    """How a view looks. ``motionFactor`` scales the computed bitrate."""

    format: VideoFormat = field(default_factory=lambda: VideoFormat(codec="vp8"))
    parameters: ViewParameters = field(default_factory=ViewParameters)
    max_input: Annotated[int, Meta(ge=1, le=256)] = 16
    motion_factor: Annotated[int, _MOTION] | Annotated[float, _MOTION] = 0.8
    bg_color: BackgroundColor = field(default_factory=BackgroundColor)
    keep_active_input_primary: bool = False
    layout: Layout = field(default_factory=Layout)


class View(Shape):
    """A mixed stream of the room; ``video: false`` mixes audio only."""

    label: Label | WholeNumber = "common"
    audio: ViewAudio = field(default_factory=ViewAudio)
    video: ViewVideo | bool = field(default_factory=ViewVideo)

    def __post_init__(self) -> None:
        self.label = str(self.label)
        if self.video is True:
            self.video = ViewVideo()


class MediaIn(Shape):
    """What may be published."""

    audio: Formats[AudioFormat] = field(default_factory=list)
    video: Formats[VideoFormat] = field(default_factory=list)


class OutParameters(Shape):
    """What transcoded video may look like; multipliers such as "x1/2" are of the source's value."""

    resolution: Parameters[Parameter] = field(default_factory=list)
    framerate: Parameters[Annotated[int, _FASTEST] | Annotated[float, _FASTEST]] = field(default_factory=list)
    bitrate: Parameters[Annotated[int, _MOST] | Annotated[float, _MOST] | Parameter] = field(
        default_factory=list
    )
    key_frame_interval: Parameters[Annotated[int, _LONGEST] | Annotated[float, _LONGEST]] = field(
        default_factory=list
    )


class VideoOut(Shape):
    """What video may be transcoded into."""

    format: Formats[VideoFormat] = field(default_factory=list)
    parameters: OutParameters = field(default_factory=OutParameters)


class MediaOut(Shape):
    """What the room may produce."""

    audio: Formats[AudioFormat] = field(default_factory=list)
    video: VideoOut = field(default_factory=VideoOut)


class TranscodedParameters(Shape):
    """Which properties of video may be changed by transcoding."""

    resolution: bool = True
    framerate: bool = True
    bitrate: bool = True
    key_frame_interval: bool = True


class VideoTranscoding(Shape):
    """What may be changed about video."""

    format: bool = True
    parameters: TranscodedParameters = field(default_factory=TranscodedParameters)


class Transcoding(Shape):
    """Which conversions the room offers."""

    audio: bool = True
    video: VideoTranscoding = field(default_factory=VideoTranscoding)


class Notifying(Shape):
    """What participants are told."""

    participant_activities: bool = True
    stream_change: bool = True


class Sip(Shape):
    """The room's account at a SIP server; empty strings: none. The password is encrypted in the store."""

    sip_server: Short
    username: Short | WholeNumber
    password: Short | WholeNumber

    def __post_init__(self) -> None:
        self.username, self.password = str(self.username), str(self.password)


class SipStatus(Sip):
    """The same, and how it stands; ``reason`` says why it is not registered."""

    status: Literal["registering", "registered", "failed"] | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class RoomRecording(Shape):
    """Whether the room records itself, into what, and which view; without ``view`` its first."""

    auto: bool = True
    container: Container = "auto"
    view: Label | WholeNumber | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not isinstance(self.view, UnsetType):
            self.view = str(self.view)


Roles = Annotated[list[Role], Meta(max_length=bounds.MAX_ROLES)]
Views = Annotated[list[View], Meta(max_length=bounds.MAX_VIEWS)]


class RoomOptions(Shape):
    """What may be given of a room on creation; what is absent gets OWT's default."""

    input_limit: WholeNumber | UnsetType = UNSET
    participant_limit: WholeNumber | UnsetType = UNSET
    select_active_audio: bool | UnsetType = UNSET
    enable_bandwidth_adaptation: bool | UnsetType = UNSET
    roles: Roles | UnsetType = UNSET
    views: Views | UnsetType = UNSET
    media_in: MediaIn | UnsetType = UNSET
    media_out: MediaOut | UnsetType = UNSET
    transcoding: Transcoding | UnsetType = UNSET
    notifying: Notifying | UnsetType = UNSET
    sip: Sip | UnsetType = UNSET
    recording: RoomRecording | UnsetType = UNSET


class RoomUpdate(RoomOptions):
    """What PUT and PATCH take: the given members replace the stored ones. ``_id`` can only be the room's."""

    name: Name | UnsetType = UNSET
    own_id: str | UnsetType = field(name="_id", default=UNSET)


class NewRoom(Shape):
    """What creates a room."""

    name: Name
    options: RoomOptions = field(default_factory=RoomOptions)


def _grants(role: str, publish: str, subscribe: str) -> Role:
    return Role(
        role=role,
        publish=MediaGrant(audio="a" in publish, video="v" in publish),
        subscribe=MediaGrant(audio="a" in subscribe, video="v" in subscribe),
    )


def _roles() -> list[Role]:
    return [
        _grants("presenter", "av", "av"),
        _grants("viewer", "", "av"),
        _grants("audio_only_presenter", "a", "a"),
        _grants("video_only_viewer", "", "v"),
        _grants("sip", "av", "av"),
    ]


def _audio_formats(aac: AudioFormat) -> list[AudioFormat]:
    return [
        AudioFormat(codec="opus", sample_rate=48000, channel_num=2),
        AudioFormat(codec="isac", sample_rate=16000),
        AudioFormat(codec="isac", sample_rate=32000),
        AudioFormat(codec="g722", sample_rate=16000, channel_num=1),
        AudioFormat(codec="pcma"),
        AudioFormat(codec="pcmu"),
        aac,
        AudioFormat(codec="ac3"),
        AudioFormat(codec="nellymoser"),
        AudioFormat(codec="ilbc"),
    ]


def _media_in() -> MediaIn:
    return MediaIn(
        audio=_audio_formats(AudioFormat(codec="aac")),
        video=[VideoFormat(codec="h264"), VideoFormat(codec="vp8"), VideoFormat(codec="vp9")],
    )


def _media_out() -> MediaOut:
    return MediaOut(
        audio=_audio_formats(AudioFormat(codec="aac", sample_rate=48000, channel_num=2)),
        video=VideoOut(
            format=[
                VideoFormat(codec="vp8"),
                VideoFormat(codec="h264", profile="CB"),
                VideoFormat(codec="h264", profile="B"),
                VideoFormat(codec="vp9"),
            ],
            parameters=OutParameters(
                resolution=[
                    "x3/4", "x2/3", "x1/2", "x1/3", "x1/4",
                    "hd1080p", "hd720p", "svga", "vga", "qvga", "cif",
                ],
                framerate=[6, 12, 15, 24, 30, 48, 60],
                bitrate=["x0.8", "x0.6", "x0.4", "x0.2"],
                key_frame_interval=[100, 30, 5, 2, 1],
            ),
        ),
    )  # fmt: skip


class RoomDocument(Shape):
    """A whole room without its id; made with OWT's defaults."""

    name: Annotated[str, Meta(max_length=bounds.MAX_NAME)]
    input_limit: WholeNumber = -1
    participant_limit: WholeNumber = -1
    select_active_audio: bool = False
    enable_bandwidth_adaptation: bool = False
    roles: Roles = field(default_factory=_roles)
    views: Views = field(default_factory=lambda: [View()])
    media_in: MediaIn = field(default_factory=_media_in)
    media_out: MediaOut = field(default_factory=_media_out)
    transcoding: Transcoding = field(default_factory=Transcoding)
    notifying: Notifying = field(default_factory=Notifying)
    sip: Sip | UnsetType = UNSET
    recording: RoomRecording | UnsetType = UNSET


class Room(RoomDocument, kw_only=True):
    """A room as REST answers it. ``_id`` and ``id`` are the same; ``__v`` is always 0."""

    own_id: str = field(name="_id")
    id: str
    version: int = field(name="__v")
    sip: SipStatus | UnsetType = UNSET


def _is_fraction(text: str) -> bool:
    """Whether ``text`` is "a", "a/b" or a decimal fraction, between 0 and 1."""
    if not _FRACTION.fullmatch(text):
        return False
    try:
        return 0 <= Fraction(text) <= 1
    except ZeroDivisionError:
        return False
