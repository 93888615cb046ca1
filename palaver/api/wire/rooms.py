"""Rooms on the wire: from requests to stored documents, and from those to answers and running rooms."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from palaver.api.wire import room_document as wire
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.formats import AudioFormat, Shape, VideoFormat, audio_format, video_format
from palaver.api.wire.parse import convert
from palaver.room.errors import Fault, RoomError
from palaver.room.layout import fraction
from palaver.room.values import (
    NO_LIMIT,
    Grant,
    MediaOut,
    OwnRecording,
    Permission,
    Region,
    Resolution,
    Role,
    RoomConfig,
    RoomId,
    Transcoding,
    VideoParameters,
    View,
)

DEFAULTS: Final[dict[str, Any]] = msgspec.to_builtins(wire.RoomDocument(name=""))
"""The document of a room that was created with only a name. Documents share it: never change one in place."""


class _Named(Shape):
    name: wire.Name


class _Produced(Shape):
    views: wire.Views
    media_out: wire.MediaOut
    recording: wire.RoomRecording | UnsetType = UNSET


class Definition(Protocol):
    """What is needed of a stored room (``store.RoomDefinition``)."""

    @property
    def id(self) -> str:
        """24 hex digits."""
        ...

    @property
    def document(self) -> dict[str, Any]:
        """The room document."""
        ...


def new_room(body: Any) -> dict[str, Any]:
    """The document of the room that ``body`` (``{name, options?}``, without nulls) asks for. Raises ProtocolError."""
    if not isinstance(body, dict):
        raise ProtocolError("body: expected object")
    name = convert(body, _Named).name
    options = convert(_options(body.get("options")), wire.RoomOptions)
    return _changed(DEFAULTS, {**msgspec.to_builtins(options), "name": name})


def updated_room(room: str, document: dict[str, Any], body: Any) -> dict[str, Any]:
    """``document`` with the top-level members of ``body``, without nulls, in place of its own. Raises ProtocolError."""
    update = convert(body, wire.RoomUpdate)
    if not isinstance(update.own_id, UnsetType) and update.own_id != room:
        raise ProtocolError("_id: not the id of this room")
    changes = msgspec.to_builtins(update)
    changes.pop("_id", None)
    return _changed(document, changes)


def room_info(definition: Definition) -> dict[str, Any]:
    """A room as REST answers it."""
    return {**definition.document, "_id": definition.id, "id": definition.id, "__v": 0}


def role_names(document: dict[str, Any]) -> frozenset[str]:
    """The roles that a token of this room may name."""
    return frozenset(role["role"] for role in document["roles"])


def publishes(document: dict[str, Any], role: str) -> bool:
    """Whether a role of this room may publish anything."""
    grants = [one.get("publish") for one in document["roles"] if one["role"] == role]
    return any(isinstance(grant, dict) and any(grant.values()) for grant in grants)


def config_of(definition: Definition) -> RoomConfig:
    """What running the room needs of its definition. Raises RoomError for one stored before there were bounds."""
    try:
        room = convert(definition.document, wire.RoomDocument)
    except ProtocolError as problem:
        raise RoomError(Fault.CANNOT_START, definition.id, f"its definition: {problem}") from problem
    views = _views(room.views)
    parameters = room.media_out.video.parameters
    switches = room.transcoding.video.parameters
    return RoomConfig(
        id=RoomId(definition.id),
        name=room.name,
        roles=tuple(_role(role) for role in room.roles),
        views=views,
        participant_limit=room.participant_limit if room.participant_limit > 0 else NO_LIMIT,
        input_limit=max(room.input_limit, NO_LIMIT),
        audio_in=tuple(audio_format(one) for one in room.media_in.audio),
        video_in=tuple(video_format(one) for one in room.media_in.video),
        out=MediaOut(
            audio=tuple(audio_format(one) for one in room.media_out.audio),
            video=tuple(video_format(one) for one in room.media_out.video.format),
            resolutions=tuple(parameters.resolution),
            framerates=tuple(rate for rate in parameters.framerate if rate > 0),
            bitrates=tuple(rate for rate in parameters.bitrate if isinstance(rate, str) or rate > 0),
            key_frame_intervals=tuple(time for time in parameters.key_frame_interval if time > 0),
        ),
        transcoding=Transcoding(
            audio=room.transcoding.audio,
            video_format=room.transcoding.video.format,
            resolution=switches.resolution,
            framerate=switches.framerate,
            bitrate=switches.bitrate,
            key_frame_interval=switches.key_frame_interval,
        ),
        notify_participants=room.notifying.participant_activities,
        notify_streams=room.notifying.stream_change,
        recording=_recording(room.recording, [view.label for view in views]),
    )


def _options(options: Any) -> Any:
    """OWT takes an array as no options, and so anything that JavaScript holds for false."""
    if isinstance(options, list) or not options:
        return {}
    if not isinstance(options, dict):
        raise ProtocolError("options: expected object")
    return options


def _changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``document`` after ``changes``, if its views can be produced: each format must be exactly one of mediaOut's.

    What the room records of itself must be one of the views.
    """
    document = {**document, **changes}
    if not changes.keys() & {"views", "mediaOut", "recording"}:  # nothing that matters here
        return document
    room = convert(document, _Produced)
    _check_recording(room)
    for index, view in enumerate(room.views):
        if view.audio.format not in room.media_out.audio:
            raise _conflict(index, "audio", view.audio.format)
        video = view.video
        if not isinstance(video, bool) and video.format not in room.media_out.video.format:
            raise _conflict(index, "video", video.format)
    return document


def _check_recording(room: _Produced) -> None:
    if isinstance(room.recording, UnsetType) or not room.recording.auto:
        return
    labels = [str(view.label) for view in room.views]
    if not labels:
        raise ProtocolError("recording.auto: the room has no view to record")
    view = room.recording.view
    if not isinstance(view, UnsetType) and view not in labels:
        raise ProtocolError(f"recording.view: the room has no view {view!r}")


def _conflict(view: int, kind: str, wanted: AudioFormat | VideoFormat) -> ProtocolError:
    shown = "/".join(str(part) for part in msgspec.to_builtins(wanted).values())
    return ProtocolError(
        f"views[{view}].{kind}.format: MediaOut conflicts with View Setting: {shown} is not in mediaOut"
    )


def _role(role: wire.Role) -> Role:
    return Role(role.role, Permission(_grant(role.publish), _grant(role.subscribe)))


def _grant(grant: wire.MediaGrant | bool | UnsetType) -> Grant:
    return Grant(grant.audio, grant.video) if isinstance(grant, wire.MediaGrant) else Grant()


def _recording(recording: wire.RoomRecording | UnsetType, labels: list[str]) -> OwnRecording | None:
    if isinstance(recording, UnsetType) or not recording.auto or not labels:
        return None
    view = recording.view
    return OwnRecording(labels[0] if isinstance(view, UnsetType) else str(view), recording.container)


def _views(views: list[wire.View]) -> tuple[View, ...]:
    """The views by label; of those that share one, the first, as a label names a single stream."""
    first: dict[str, View] = {}
    for view in views:
        first.setdefault(str(view.label), _view(view))
    return tuple(first.values())


def _view(view: wire.View) -> View:
    audio = audio_format(view.audio.format)
    video = view.video
    if isinstance(video, bool):
        return View(str(view.label), audio, None, detect_speaker=view.audio.vad)
    wanted = video.parameters
    return View(
        str(view.label),
        audio,
        video_format(video.format),
        VideoParameters(
            Resolution(wanted.resolution.width, wanted.resolution.height),
            wanted.framerate,
            None if isinstance(wanted.bitrate, UnsetType) else wanted.bitrate,
            wanted.key_frame_interval,
        ),
        max_input=video.max_input,
        motion_factor=video.motion_factor,
        base=video.layout.templates.base,
        custom=tuple(tuple(map(_region, one.region)) for one in video.layout.templates.custom),
        crop=video.layout.fit_policy == "crop",
        background=(video.bg_color.r, video.bg_color.g, video.bg_color.b),
        detect_speaker=view.audio.vad,
        speaker_first=video.keep_active_input_primary,
    )


def _region(region: wire.Region) -> Region:
    area = region.area
    return Region(
        str(region.id), *(fraction(str(part)) for part in (area.left, area.top, area.width, area.height))
    )
