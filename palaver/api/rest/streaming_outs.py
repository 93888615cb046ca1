"""/v1/rooms/{room}/streaming-outs: streams sent to servers elsewhere, or served by this one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from msgspec import UnsetType

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.live import new_name
from palaver.api.rest import outgoing
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.sinks import SinkUpdate, WantedAudio, WantedVideo, check_sink_updates, codec_of
from palaver.api.wire.streaming_outs import (
    OutputParameters,
    StreamingOut,
    StreamingOutRequest,
    streaming_out_info,
)
from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import WantedPicture, WantedSound
from palaver.jobs.streaming_out import KEY_FRAMES_S, Segments
from palaver.jobs.streaming_out import StreamingOut as Request
from palaver.room.values import Resolution, StreamId, SubscriptionId
from palaver.streaming.urls import UrlRefused, redacted

if TYPE_CHECKING:
    from palaver.jobs.job import Job

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
    await outgoing.update(call, job, call.body, noun="streaming-out")
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
    return Request(
        audio=WantedSound(audio.source) if isinstance(audio, WantedAudio) else None,
        video=_picture(call, video, segments) if isinstance(video, WantedVideo) else None,
        protocol=wanted.protocol,
        urls=wanted.targets,
        live="" if wanted.targets else new_name(f"{call.api.now_ms()}"),
        segments=segments,
        sound="opus" if codec_of(audio) == "opus" else "aac",
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
    asked = outgoing.picture(wanted)
    assert asked is not None
    size = None if asked.resolution else _size_of(call, wanted.source)
    grid = KEY_FRAMES_S if segments.seconds % KEY_FRAMES_S == 0 else 1.0
    return replace(
        asked,
        codec=asked.codec or "h264",
        resolution=(size.width, size.height) if size else asked.resolution,
        key_frame_interval=asked.key_frame_interval or grid,
    )


def _size_of(call: Call, stream: str) -> Resolution | None:
    """The size that a forward stream has now: what is sent keeps it. A view has one of its own."""
    host = call.running
    found = host.room.streams.get(StreamId(stream)) if host is not None else None
    track = found.track("video") if found is not None and not found.mixed else None
    return track.parameters.resolution if track is not None and track.parameters else None


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────


def _shown(call: Call, job: Job) -> dict[str, Any]:
    request: Request = job.shown()
    host = call.running
    subscription = host.room.subscriptions.get(SubscriptionId(job.id)) if host is not None else None
    tracks = subscription.tracks if subscription is not None else request.tracks()
    sources = outgoing.sources_of(host, tracks)
    states = call.api.targets.of(job.id)
    info = streaming_out_info(job.id, request, _urls(call, job.request), states, tracks, sources)
    return {**info, "error": job.error} if job.error else info


def _urls(call: Call, request: Request) -> tuple[str, ...]:
    if request.urls:
        return tuple(redacted(url) for url in request.urls)
    server = call.api.portal.seen_from(call.scope).url
    return (f"{server}/live/{request.live}/{_PLAYLISTS[request.protocol]}",)


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
