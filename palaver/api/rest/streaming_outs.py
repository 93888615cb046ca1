"""/v1/rooms/{room}/streaming-outs: streams sent to servers elsewhere, or served by this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import UnsetType

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.live import new_name
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.sinks import SinkUpdate, WantedAudio, WantedVideo, check_sink_updates
from palaver.api.wire.streaming_outs import (
    OutputParameters,
    StreamingOut,
    StreamingOutRequest,
    streaming_out_info,
)
from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import NoSuchTrack, WantedPicture, WantedSound, changed
from palaver.jobs.streaming_out import KEY_FRAMES_S, Segments
from palaver.jobs.streaming_out import StreamingOut as Request
from palaver.room.messages import SetSubscriptionActive, UpdateSubscription
from palaver.room.values import KINDS, Resolution, StreamId, SubscriptionId
from palaver.streaming.urls import UrlRefused, redacted

if TYPE_CHECKING:
    from palaver.host import RoomHost
    from palaver.jobs.job import Job
    from palaver.room.values import SubscribedTrack, Track

_PLAYLISTS: Final = {"hls": "index.m3u8", "dash": "index.mpd"}
_LEAST_SEGMENT_S: Final = 1.0
_MOST_SEGMENT_S: Final = 60.0


async def list_streaming_outs(call: Call) -> Answer:
    """The streaming-outs that go on."""
    return json(
        [_shown(call, job) for job in call.api.jobs.of(call.room.id) if isinstance(job.request, Request)]
    )


async def create_streaming_out(call: Call) -> Answer:
    """Sends streams of the room elsewhere, again whenever the connection is lost; the room starts if it does not run.

    The answer does not wait for the other side: ``state`` and ``error`` tell how it stands.
    """
    wanted = _request(call, call.body)
    try:
        job = await call.api.jobs.start(call.room.id, wanted, created_ms=call.api.now_ms())
    except UrlRefused as refusal:
        raise ProtocolError(f"url: {refusal}") from None
    except JobFailed as failure:
        raise ApiError(errors.REFUSED, str(failure)) from None
    return json(_shown(call, job))


async def get_streaming_out(call: Call) -> Answer:
    """A streaming-out that goes on, and how it stands with its targets."""
    return json(_shown(call, _job(call)))


async def update_streaming_out(call: Call) -> Answer:
    """Takes another stream or other parameters, mutes a kind: all, or nothing. The stream at the other side goes on."""
    check_sink_updates(call.body)
    job = _job(call)
    try:
        request, changes = changed(job.request, call.body)
    except NoSuchTrack as missing:
        raise ProtocolError(f"path: the streaming-out has no {missing}") from None
    host = call.running
    if host is None:
        raise ApiError(errors.REFUSED, "The room does not run")
    subscription = SubscriptionId(job.id)
    if changes:
        host.submit(UpdateSubscription(None, subscription, changes))
    for kind in KINDS:
        before, after = kind in job.request.inactive, kind in request.inactive
        if before != after:
            host.submit(SetSubscriptionActive(None, subscription, (kind,), before))
    await call.api.jobs.change(job, request)
    return json(_shown(call, job))


async def delete_streaming_out(call: Call) -> Answer:
    """Ends a streaming-out. What the server itself served of it is gone."""
    job = _job(call)
    if not await call.api.jobs.stop(job.id):
        raise _not_found()
    return text()


def _job(call: Call) -> Job:
    job = call.api.jobs.get(call.room.id, call.path["streaming_out"])
    if job is None or not isinstance(job.request, Request):
        raise _not_found()
    return job


def _not_found() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Resource not found")


# ── what is asked for ───────────────────────────────────────────────────────────────────────────────


def _request(call: Call, wanted: StreamingOutRequest) -> Request:
    assert not isinstance(wanted.protocol, UnsetType), "the shape fills it in"
    segments = _segments(wanted.protocol, wanted.parameters)
    audio, video = wanted.media.audio, wanted.media.video
    codec = "aac"
    if isinstance(audio, WantedAudio) and not isinstance(audio.format, UnsetType):
        codec = audio.format.codec
    return Request(
        audio=WantedSound(audio.source) if isinstance(audio, WantedAudio) else None,
        video=_picture(call, video, segments) if isinstance(video, WantedVideo) else None,
        protocol=wanted.protocol,
        urls=wanted.targets,
        live="" if wanted.targets else new_name(f"{call.api.now_ms()}"),
        segments=segments,
        sound="opus" if codec == "opus" else "aac",
    )


def _segments(protocol: str, asked: OutputParameters | UnsetType) -> Segments:
    parameters = OutputParameters() if isinstance(asked, UnsetType) else asked
    is_hls = protocol == "hls"
    seconds = parameters.hls_time if is_hls else parameters.dash_seg_duration
    listed = parameters.hls_list_size if is_hls else parameters.dash_window_size
    if protocol in _PLAYLISTS and not _LEAST_SEGMENT_S <= seconds <= _MOST_SEGMENT_S:
        name = "hlsTime" if is_hls else "dashSegDuration"
        raise ProtocolError(
            f"parameters.{name}: expected {_LEAST_SEGMENT_S:g} to {_MOST_SEGMENT_S:g} seconds"
        )
    return Segments(parameters.method, float(seconds), max(listed, 1))


def _picture(call: Call, wanted: WantedVideo, segments: Segments) -> WantedPicture:
    """A picture of a fixed size with key frames on a grid, whatever the stream itself does."""
    asked = None if isinstance(wanted.parameters, UnsetType) else wanted.parameters
    form = None if isinstance(wanted.format, UnsetType) else wanted.format
    size = _given(asked.resolution) if asked else None
    size = size or _size_of(call, wanted.source)
    grid = KEY_FRAMES_S if segments.seconds % KEY_FRAMES_S == 0 else 1.0
    return WantedPicture(
        wanted.source,
        form.codec if form else "h264",
        _given(form.profile) if form else None,
        (size.width, size.height) if size else None,
        _given(asked.framerate) if asked else None,
        _given(asked.bitrate) if asked else None,
        (_given(asked.key_frame_interval) if asked else None) or grid,
    )


def _size_of(call: Call, stream: str) -> Resolution | None:
    """The size that a forward stream has now: what is sent keeps it. A view has one of its own."""
    host = call.running
    found = host.room.streams.get(StreamId(stream)) if host is not None else None
    track = found.track("video") if found is not None and not found.mixed else None
    return track.parameters.resolution if track is not None and track.parameters else None


def _given(value: Any) -> Any:
    return None if isinstance(value, UnsetType) else value


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────


def _shown(call: Call, job: Job) -> dict[str, Any]:
    request: Request = job.shown()
    host = call.running
    subscription = host.room.subscriptions.get(SubscriptionId(job.id)) if host is not None else None
    tracks = subscription.tracks if subscription is not None else ()
    if subscription is None:
        tracks = tuple(one.subscribed() for one in (request.audio, request.video) if one is not None)
    sources = {track.kind: _source(host, track) for track in tracks}
    states = call.api.targets.of(job.id)
    info = streaming_out_info(job.id, request, _urls(call, job.request), states, tracks, sources)
    return {**info, "error": job.error} if job.error else info


def _urls(call: Call, request: Request) -> tuple[str, ...]:
    if request.urls:
        return tuple(redacted(url) for url in request.urls)
    place = call.api.portal.seen_from(call.scope)
    scheme = "https" if place.secure else "http"
    return (f"{scheme}://{place.host}{place.path}/live/{request.live}/{_PLAYLISTS[request.protocol]}",)


def _source(host: RoomHost | None, track: SubscribedTrack) -> Track | None:
    stream = host.room.streams.get(track.stream) if host is not None else None
    return stream.track(track.kind) if stream is not None else None


_ALL: Final = "/rooms/{room}/streaming-outs"
_ONE: Final = _ALL + "/{streaming_out}"

OPERATIONS: Final = (
    Operation("GET", _ALL, list_streaming_outs, gives=list[StreamingOut]),
    Operation(
        "POST",
        _ALL,
        create_streaming_out,
        takes=StreamingOutRequest,
        gives=StreamingOut,
        errors=(errors.REFUSED,),
        example={
            "protocol": "rtmp",
            "url": "rtmp://cdn.example/live/room",
            "media": {"audio": {"from": "common"}, "video": False},
        },
    ),
    Operation("GET", _ONE, get_streaming_out, gives=StreamingOut, errors=(errors.NOT_FOUND,)),
    Operation(
        "PATCH",
        _ONE,
        update_streaming_out,
        takes=list[SinkUpdate],
        gives=StreamingOut,
        errors=(errors.NOT_FOUND, errors.REFUSED),
        example=[{"op": "replace", "path": "/media/audio/from", "value": "another-stream"}],
    ),
    Operation("DELETE", _ONE, delete_streaming_out, errors=(errors.NOT_FOUND,)),
)
