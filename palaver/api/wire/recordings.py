"""Recordings: what REST takes and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

from msgspec import UNSET, UnsetType

from palaver.api.wire.formats import Shape
from palaver.api.wire.parse import form
from palaver.api.wire.sinks import (
    PATHS,
    PATHS_SAID,
    SinkMedia,
    WantedMedia,
    check_sink_updates,
    codec_of,
    media_info,
)
from palaver.recording.formats import AUDIO_CODECS, CONTAINERS, refusal
from palaver.room.values import AudioFormat, VideoFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from palaver.recording.index import Entry, Part
    from palaver.room.values import Kind, SubscribedTrack, Track

Container = Literal["auto", "mkv", "mp4", "ts", "m4a", "ogg", "mka"]
Way = Literal["play", "download", "thumbnail", "speakers"]
"""What a signed URL gives of a part."""
State = Literal["recording", "paused", "ended"]


class RecordingRequest(Shape):
    """Starts a recording."""

    media: WantedMedia
    container: Container = "auto"

    def __post_init__(self) -> None:
        audio, video = codec_of(self.media.audio), codec_of(self.media.video)
        if audio is not None and audio not in AUDIO_CODECS:
            raise ValueError("media.audio.format.codec: expected pcmu, pcma, opus or aac")
        if self.container not in CONTAINERS:
            return
        if refused := refusal(self.container, audio, video):
            raise ValueError(f"media.{refused[0]}.format.codec: {refused[1]}")
        if self.container in ("m4a", "ogg", "mka") and self.media.video:
            raise ValueError(f"media.video: {self.container} holds no video")


_STATUS: Final = "/media/status"
_PATHS_SAID: Final = f"{_STATUS}, {PATHS_SAID}"


class RecordingUpdate(Shape, forbid_unknown_fields=True):
    """Changes what is recorded; ``/media/status`` pauses all of it, and the gap is cut out."""

    op: Literal["replace"]
    path: Annotated[str, form(f"^({_STATUS}|{PATHS})$", _PATHS_SAID)]
    value: Any


def check_recording_updates(updates: list[RecordingUpdate]) -> None:
    """Raise ProtocolError unless each value fits its path."""
    check_sink_updates(updates)


class Storage(Shape):
    """Where a recording is: the machine and the file of its last part."""

    host: str
    file: str


class RecordedPart(Shape):
    """A file of a recording, and URLs that are good for a while, relative to the server.

    ``play`` and ``download`` take ``&from=…&to=…``, seconds into the file, for a part of it. ``thumbnail`` is a JPEG
    of what is seen, ``speakers``, of a view, WebVTT with the names of those who spoke, ``object`` where the file was
    uploaded to.
    """

    file: str
    started: int
    seconds: float
    bytes: int
    complete: bool
    play: str
    download: str
    object: str | UnsetType = UNSET
    thumbnail: str | UnsetType = UNSET
    speakers: str | UnsetType = UNSET


class RecordingMark(Shape):
    """Where a recording was paused or went on: milliseconds since the epoch, and seconds into the recording."""

    what: Literal["paused", "resumed"]
    at: int
    seconds: float


class RecordedParticipant(Shape):
    """Who was in the room, from when to when."""

    id: str
    user: str
    joined: int
    left: int | UnsetType = UNSET


class Recording(Shape):
    """A recording. Times are milliseconds since the epoch; ``reason`` is why it ended, if nobody ended it."""

    id: str
    media: SinkMedia
    storage: Storage
    room: str
    state: State
    started: int
    seconds: float
    bytes: int
    parts: list[RecordedPart]
    marks: list[RecordingMark]
    participants: list[RecordedParticipant]
    ended: int | UnsetType = UNSET
    reason: str | UnsetType = UNSET


_FORMATS: Final = {"audio": AudioFormat, "video": VideoFormat}


def stored_media_info(
    tracks: Sequence[SubscribedTrack],
    sources: Mapping[Kind, Track | None],
    codecs: Mapping[Kind, str | None],
    inactive: Collection[Kind],
) -> dict[str, Any]:
    """The media of a recording that goes on: ``codecs`` are those that it is stored in, as far as they are known."""
    forms = {track.kind: _stored(track, codecs.get(track.kind)) for track in tracks}
    return media_info(tracks, forms, sources, inactive)


def _stored(track: SubscribedTrack, codec: str | None) -> Any:
    """The format of what is stored."""
    coming = track.formats[0] if track.transcoded or track.format is None else track.format
    for one in (coming, *track.formats):
        if codec in (None, one.codec):
            return one
    assert codec is not None
    return _FORMATS[track.kind](codec)


class FilesOf(Protocol):
    """What answers say of files."""

    def path(self, file: str) -> str:
        """Where a file is on this machine."""
        ...

    def url(self, recording: str, part: int, way: Way) -> str:
        """A URL of a part, counted from 1."""
        ...


def state_of(entry: Entry) -> State:
    """Whether a recording goes on."""
    return "ended" if entry.ended_ms is not None else "paused" if entry.paused else "recording"


def recording_info(entry: Entry, host: str, files: FilesOf) -> dict[str, Any]:
    """A recording as REST shows it. ``files`` knows paths and makes URLs."""
    media: dict[str, Any] = {"audio": False, "video": False, **entry.media}
    info: dict[str, Any] = {
        "id": entry.id,
        "media": media,
        "storage": {"host": host, "file": files.path(entry.parts[-1].file) if entry.parts else ""},
        "room": entry.room,
        "state": state_of(entry),
        "started": entry.started_ms,
        "seconds": round(entry.seconds, 3),
        "bytes": entry.size,
        "parts": [_part(entry, number, part, files) for number, part in enumerate(entry.parts, 1)],
        "marks": [
            {"what": mark.what, "at": mark.at_ms, "seconds": round(mark.seconds, 3)} for mark in entry.marks
        ],
        "participants": [
            {"id": one.participant, "user": one.user, "joined": one.joined_ms}
            | ({"left": one.left_ms} if one.left_ms is not None else {})
            for one in entry.participants
        ],
    }
    if entry.ended_ms is not None:
        info["ended"] = entry.ended_ms
        if entry.reason:
            info["reason"] = entry.reason
    return info


def part_urls(entry: Entry, number: int, files: FilesOf) -> dict[str, str]:
    """What there is to fetch of a part, counted from 1."""
    ways: list[Way] = ["play", "download"]
    if entry.video is not None:
        ways.append("thumbnail")
    if entry.spoken:
        ways.append("speakers")
    return {way: files.url(entry.id, number, way) for way in ways}


def _part(entry: Entry, number: int, part: Part, files: FilesOf) -> dict[str, Any]:
    return {
        "file": part.file,
        "started": part.started_ms,
        "seconds": round(part.seconds, 3),
        "bytes": part.size,
        "complete": part.complete,
        **({"object": part.object} if part.object else {}),
        **part_urls(entry, number, files),
    }
