"""/v1/rooms/{room}/recordings: streams written to files; and /v1/recordings, which lists those that ended too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from msgspec import UnsetType

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest.operations import Call, Operation, Parameter
from palaver.api.rest.paging import PAGED, asked_page, page_headers
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.recordings import (
    Recording,
    RecordingRequest,
    RecordingUpdate,
    check_recording_updates,
    media_info,
    recording_info,
)
from palaver.api.wire.sinks import WantedAudio, WantedVideo
from palaver.jobs.kinds import JobFailed
from palaver.jobs.recording import RecordedAudio, RecordedVideo, RecordingOrder
from palaver.recording.formats import CONTAINERS, Container, refusal
from palaver.recording.index import Entry
from palaver.room.messages import SetSubscriptionActive, TrackChange, UpdateSubscription
from palaver.room.values import KINDS, Kind, Resolution, StreamId, SubscriptionId, VideoParameters

if TYPE_CHECKING:
    from palaver.host import RoomHost
    from palaver.jobs.job import Job
    from palaver.room.values import SubscribedTrack, Track

_STATUS: Final = "/media/status"


async def list_recordings(call: Call) -> Answer:
    """The recordings of the room that go on; with ``state=all`` also those that ended, the oldest first."""
    if call.query.get("state") == "all":
        return await _indexed(call, call.room.id, f"/rooms/{call.room.id}/recordings")
    return json([_shown(call, job) for job in _jobs(call)])


async def list_all_recordings(call: Call) -> Answer:
    """All recordings of the caller's rooms, also of rooms that are deleted, the oldest first."""
    return await _indexed(call, None, "/recordings")


async def create_recording(call: Call) -> Answer:
    """Starts a recording: answered once it works. The room starts if it does not run."""
    order = _order(call, call.body)
    try:
        job = await call.api.jobs.start(call.room.id, order, created_ms=order.begun_ms)
    except JobFailed as failure:
        raise ApiError(errors.REFUSED, _sentence(str(failure))) from None
    return json(_shown(call, job))


async def get_recording(call: Call) -> Answer:
    """A recording of the room, also one that ended."""
    job = _job(call)
    if job is not None:
        return json(_shown(call, job))
    entry = await _entry(call)
    if entry.room != call.room.id:
        raise _not_found()
    return json(_printed(call, entry))


async def update_recording(call: Call) -> Answer:
    """Pauses a recording or lets it go on, mutes a kind, takes another stream or other parameters: all, or nothing."""
    check_recording_updates(call.body)
    job = _job(call)
    if job is None:
        raise _not_found()
    order, changes = _changed(job.request, call.body)
    host = call.running
    if host is None:
        raise ApiError(errors.REFUSED, "The room does not run")
    subscription = SubscriptionId(job.id)
    if changes:
        host.submit(UpdateSubscription(None, subscription, changes))
    for kind in KINDS:
        before, after = kind in job.request.inactive, kind in order.inactive
        if before != after:
            host.submit(SetSubscriptionActive(None, subscription, (kind,), before))
    await call.api.jobs.change(job, order)
    return json(_shown(call, job))


async def delete_recording(call: Call) -> Answer:
    """Ends a recording of the room; its files stay."""
    job = _job(call)
    if job is None or not await call.api.jobs.stop(job.id):
        raise _not_found()
    await call.api.recorded.index.settled(job.id)
    await _save(call)
    return text()


async def get_any_recording(call: Call) -> Answer:
    """A recording of one of the caller's rooms."""
    return json(_printed(call, await _entry(call)))


async def delete_any_recording(call: Call) -> Answer:
    """Deletes a recording that has ended, and its files."""
    entry = await _entry(call)
    if entry.ended_ms is None:
        raise ApiError(errors.REFUSED, "The recording goes on: end it first")
    try:
        await call.api.recorded.archive.delete(entry)
    except OSError as failure:
        raise ApiError(errors.REFUSED, f"The files cannot be deleted: {failure.strerror}") from None
    return text()


# ── what there is ───────────────────────────────────────────────────────────────────────────────────


def _jobs(call: Call) -> list[Job]:
    return [job for job in call.api.jobs.of(call.room.id) if isinstance(job.request, RecordingOrder)]


def _job(call: Call) -> Job | None:
    job = call.api.jobs.get(call.room.id, call.path["recording"])
    return job if job is not None and isinstance(job.request, RecordingOrder) else None


async def _save(call: Call) -> None:
    """Let the store know what happens now."""
    jobs = call.api.jobs
    await call.api.recorded.index.save(
        call.api.store, lambda room, job: not jobs.resumed.is_set() or jobs.get(room, job) is not None
    )


async def _entry(call: Call) -> Entry:
    entry = call.api.recorded.index.get(call.path["recording"])
    if entry is None or not entry.service:
        await _save(call)
        entry = await call.api.store.recordings.get(call.path["recording"])
    if entry is None or entry.service != call.caller.service.id:
        raise _not_found()
    return entry


async def _indexed(call: Call, room: str | None, path: str) -> Answer:
    await _save(call)
    index, service, page = call.api.store.recordings, call.caller.service.id, asked_page(call)
    entries = await index.of(service, room, **(page.window if page else {}))
    total = len(entries) if page is None else await index.count(service, room)
    return json([_printed(call, entry) for entry in entries], page_headers(call, path, page, total))


def _shown(call: Call, job: Job) -> dict[str, Any]:
    """A recording that goes on, as it is now."""
    order: RecordingOrder = job.request
    entry = call.api.recorded.index.get(job.id) or _expected(call, job.id, order)
    host = call.running
    subscription = host.room.subscriptions.get(SubscriptionId(job.id)) if host is not None else None
    if host is not None and subscription is not None:
        sources = {track.kind: _source(host, track) for track in subscription.tracks}
        codecs: dict[Kind, str | None] = {"audio": entry.audio, "video": entry.video}
        media = media_info(subscription.tracks, sources, codecs, order.inactive)
        entry.media = media
        call.api.recorded.index.show(job.id, media)
    return _printed(call, entry)


def _expected(call: Call, recording: str, order: RecordingOrder) -> Entry:
    """What is known of a recording that has no file yet."""
    return Entry(
        id=recording,
        service=call.caller.service.id,
        room=order.room,
        started_ms=order.begun_ms,
        container=order.container if order.container != "auto" else "mkv",
        audio=order.audio.codec if order.audio else None,
        video=order.video.codec if order.video else None,
    )


def _source(host: RoomHost, track: SubscribedTrack) -> Track | None:
    stream = host.room.streams.get(track.stream)
    return stream.track(track.kind) if stream is not None else None


def _printed(call: Call, entry: Entry) -> dict[str, Any]:
    return recording_info(entry, call.api.recorded.host, call.api.recorded.files)


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


# ── what is asked for ───────────────────────────────────────────────────────────────────────────────


def _order(call: Call, request: RecordingRequest) -> RecordingOrder:
    media, container = request.media, request.container
    audio = _audio(media.audio) if isinstance(media.audio, WantedAudio) else None
    video = _video(media.video) if isinstance(media.video, WantedVideo) else None
    if container in CONTAINERS:
        if audio is not None and audio.codec is None:
            audio = replace(audio, codec=_held(call, container, "audio", audio.stream))
        if video is not None and video.codec is None:
            video = replace(video, codec=_held(call, container, "video", video.stream))
    return RecordingOrder(call.room.id, call.api.now_ms(), container, audio, video)


def _held(call: Call, container: Container, kind: Kind, stream: str) -> str | None:
    """A codec that the container holds for a stream that comes in none of them; None: as it comes."""
    host = call.running
    found = host.room.streams.get(StreamId(stream)) if host is not None else None
    track = found.track(kind) if found is not None else None
    codec = track.format.codec if track is not None else None
    if codec is not None and _holds(container, kind, codec):
        return None
    return next(one for one in _USUAL[kind] if _holds(container, kind, one))


_USUAL: Final[dict[Kind, tuple[str, ...]]] = {"audio": ("opus", "aac"), "video": ("h264",)}


def _holds(container: Container, kind: Kind, codec: str) -> bool:
    return refusal(container, *((codec, None) if kind == "audio" else (None, codec))) is None


def _audio(wanted: WantedAudio) -> RecordedAudio:
    if isinstance(wanted.format, UnsetType):
        return RecordedAudio(wanted.source)
    return RecordedAudio(
        wanted.source,
        wanted.format.codec,
        _given(wanted.format.sample_rate),
        _given(wanted.format.channel_num),
    )


def _video(wanted: WantedVideo) -> RecordedVideo:
    video = RecordedVideo(wanted.source)
    if not isinstance(wanted.format, UnsetType):
        video = replace(video, codec=wanted.format.codec, profile=_given(wanted.format.profile))
    if isinstance(wanted.parameters, UnsetType):
        return video
    asked = wanted.parameters
    size = _given(asked.resolution)
    return replace(
        video,
        resolution=(size.width, size.height) if size is not None else None,
        framerate=_given(asked.framerate),
        bitrate=_given(asked.bitrate),
        key_frame_interval=_given(asked.key_frame_interval),
    )


def _given(value: Any) -> Any:
    return None if isinstance(value, UnsetType) else value


def _changed(
    order: RecordingOrder, updates: list[RecordingUpdate]
) -> tuple[RecordingOrder, tuple[TrackChange, ...]]:
    """The order after ``updates``, and what they ask of the room."""
    origins: dict[Kind, StreamId] = {}
    parameters = VideoParameters()
    for update in updates:
        *_, kind, what = update.path.split("/")
        if update.path == _STATUS or what == "status":
            kinds = {kind} if update.path != _STATUS else _recorded(order)
            inactive = set(order.inactive) - kinds if update.value == "active" else {*order.inactive, *kinds}
            order = replace(order, inactive=tuple(one for one in KINDS if one in inactive))
        elif what == "from":
            origin: Kind = "audio" if kind == "audio" else "video"
            origins[origin] = StreamId(update.value)
            order = _redirected(order, origin, update.value)
        else:
            order, parameters = _adjusted(order, parameters, what, update.value)
    changes = [TrackChange(kind, origin) for kind, origin in origins.items() if kind == "audio"]
    if "video" in origins or parameters != VideoParameters():
        asked = order.video.subscribed().parameters if order.video else None
        changes.append(TrackChange("video", origins.get("video"), asked))
    return order, tuple(changes)


def _recorded(order: RecordingOrder) -> set[str]:
    return {kind for kind, one in (("audio", order.audio), ("video", order.video)) if one is not None}


def _redirected(order: RecordingOrder, kind: Kind, stream: str) -> RecordingOrder:
    if kind == "audio":
        return replace(order, audio=replace(order.audio, stream=stream)) if order.audio else order
    return replace(order, video=replace(order.video, stream=stream)) if order.video else order


def _adjusted(
    order: RecordingOrder, parameters: VideoParameters, what: str, value: Any
) -> tuple[RecordingOrder, VideoParameters]:
    video = order.video
    if video is None:
        raise ProtocolError("path: the recording has no video")
    match what:
        case "resolution":
            size = Resolution(value["width"], value["height"])
            parameters = replace(parameters, resolution=size)
            video = replace(video, resolution=(size.width, size.height))
        case "framerate":
            parameters, video = replace(parameters, framerate=value), replace(video, framerate=value)
        case "bitrate":
            parameters, video = replace(parameters, bitrate=value), replace(video, bitrate=value)
        case _:
            parameters = replace(parameters, key_frame_interval=value)
            video = replace(video, key_frame_interval=value)
    return replace(order, video=video), parameters


_ALL: Final = "/rooms/{room}/recordings"
_ONE: Final = _ALL + "/{recording}"
_MISSING: Final = (errors.NOT_FOUND,)

OPERATIONS: Final = (
    Operation(
        "GET",
        _ALL,
        list_recordings,
        gives=list[Recording],
        query=(*PAGED, Parameter("state", "`all`: those that ended, too.")),
    ),
    Operation(
        "POST",
        _ALL,
        create_recording,
        takes=RecordingRequest,
        gives=Recording,
        errors=(errors.REFUSED,),
        example={"container": "mkv", "media": {"audio": {"from": "common"}, "video": False}},
    ),
    Operation("GET", _ONE, get_recording, gives=Recording, errors=_MISSING),
    Operation(
        "PATCH",
        _ONE,
        update_recording,
        takes=list[RecordingUpdate],
        gives=Recording,
        errors=(*_MISSING, errors.REFUSED),
        example=[{"op": "replace", "path": "/media/status", "value": "inactive"}],
    ),
    Operation("DELETE", _ONE, delete_recording, errors=_MISSING),
    Operation("GET", "/recordings", list_all_recordings, gives=list[Recording], query=PAGED),
    Operation("GET", "/recordings/{recording}", get_any_recording, gives=Recording, errors=_MISSING),
    Operation("DELETE", "/recordings/{recording}", delete_any_recording, errors=(*_MISSING, errors.REFUSED)),
)
