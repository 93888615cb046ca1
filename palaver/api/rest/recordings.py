"""/v1/rooms/{room}/recordings: streams written to files; and /v1/recordings, which lists those that ended too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest import outgoing
from palaver.api.rest.operations import Call, Operation, Parameter
from palaver.api.rest.paging import PAGED, asked_page, page_headers
from palaver.api.wire import errors
from palaver.api.wire.recordings import (
    Recording,
    RecordingRequest,
    RecordingUpdate,
    check_recording_updates,
    recording_info,
    stored_media_info,
)
from palaver.jobs.kinds import JobFailed
from palaver.jobs.recording import Recording as Request
from palaver.recording.formats import CONTAINERS, Container, stored
from palaver.recording.index import Entry
from palaver.room.values import Kind, StreamId, SubscriptionId

if TYPE_CHECKING:
    from palaver.jobs.job import Job


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
    order = _request(call, call.body)
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
    await outgoing.update(call, job, call.body, noun="recording")
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
    return [job for job in call.api.jobs.of(call.room.id) if isinstance(job.request, Request)]


def _job(call: Call) -> Job | None:
    job = call.api.jobs.get(call.room.id, call.path["recording"])
    return job if job is not None and isinstance(job.request, Request) else None


async def _save(call: Call) -> None:
    """Let the store know what happens now."""
    await call.api.recorded.index.save(call.api.store, call.api.jobs.knows)


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
    order: Request = job.request
    entry = call.api.recorded.index.get(job.id) or _expected(call, job.id, order)
    host = call.running
    subscription = host.room.subscriptions.get(SubscriptionId(job.id)) if host is not None else None
    if host is not None and subscription is not None:
        sources = outgoing.sources_of(host, subscription.tracks)
        codecs: dict[Kind, str | None] = {"audio": entry.audio, "video": entry.video}
        media = stored_media_info(subscription.tracks, sources, codecs, order.inactive)
        entry.media = media
        call.api.recorded.index.show(job.id, media)
    return _printed(call, entry)


def _expected(call: Call, recording: str, order: Request) -> Entry:
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


def _printed(call: Call, entry: Entry) -> dict[str, Any]:
    return recording_info(entry, call.api.recorded.host, call.api.recorded.files)


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


# ── what is asked for ───────────────────────────────────────────────────────────────────────────────


def _request(call: Call, wanted: RecordingRequest) -> Request:
    media, container = wanted.media, wanted.container
    audio, video = outgoing.sound(media.audio), outgoing.picture(media.video)
    if container in CONTAINERS:
        if audio is not None and audio.codec is None:
            audio = replace(audio, codec=_held(call, container, "audio", audio.stream))
        if video is not None and video.codec is None:
            video = replace(video, codec=_held(call, container, "video", video.stream))
    return Request(audio, video, room=call.room.id, begun_ms=call.api.now_ms(), container=container)


def _held(call: Call, container: Container, kind: Kind, stream: str) -> str | None:
    """A codec that the container holds for a stream that comes in none of them; None: as it comes."""
    host = call.running
    found = host.room.streams.get(StreamId(stream)) if host is not None else None
    track = found.track(kind) if found is not None else None
    return stored(container, kind, track.format.codec if track is not None else None)


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
