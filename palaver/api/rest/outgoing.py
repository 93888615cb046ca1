"""What recordings and streaming-outs have in common: the request as its job has it, and its changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from palaver.api.http.answers import ApiError
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.jobs.outgoing import NoSuchTrack, WantedPicture, WantedSound, apply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palaver.api.rest.operations import Call
    from palaver.api.wire.sinks import WantedAudio, WantedVideo
    from palaver.host import RoomHost
    from palaver.jobs.job import Job
    from palaver.jobs.outgoing import Change
    from palaver.room.values import Kind, SubscribedTrack, Track


def sound(wanted: WantedAudio | bool) -> WantedSound | None:
    """The sound that a request names."""
    if isinstance(wanted, bool):
        return None
    form = wanted.format
    if isinstance(form, UnsetType):
        return WantedSound(wanted.source)
    return WantedSound(wanted.source, form.codec, _given(form.sample_rate), _given(form.channel_num))


def picture(wanted: WantedVideo | bool) -> WantedPicture | None:
    """The picture that a request names."""
    if isinstance(wanted, bool):
        return None
    asked, size = wanted.parameters, _given(_given(wanted.parameters, "resolution"))
    return WantedPicture(
        wanted.source,
        codec=_given(wanted.format, "codec"),
        profile=_given(wanted.format, "profile"),
        resolution=(size.width, size.height) if size is not None else None,
        framerate=_given(asked, "framerate"),
        bitrate=_given(asked, "bitrate"),
        key_frame_interval=_given(asked, "key_frame_interval"),
    )


def _given(value: Any, member: str = "") -> Any:
    """A member of an optional object, or the object itself; None if it was left out."""
    if member and not isinstance(value, UnsetType):
        value = getattr(value, member)
    return None if value is UNSET else value


async def update(call: Call, job: Job, changes: Sequence[Change], *, noun: str) -> None:
    """Change what ``job`` takes out of the room: all, or nothing. ``noun`` is what the caller calls it."""
    host = call.running
    if host is None:
        raise ApiError(errors.REFUSED, "The room does not run")
    try:
        await apply(call.api.jobs, host, job, changes)
    except NoSuchTrack as missing:
        raise ProtocolError(f"path: the {noun} has no {missing}") from None


def sources_of(host: RoomHost | None, tracks: Sequence[SubscribedTrack]) -> dict[Kind, Track | None]:
    """Where each track comes from, as it is now."""
    streams = host.room.streams if host is not None else {}
    found = {track.kind: streams.get(track.stream) for track in tracks}
    return {kind: stream.track(kind) if stream is not None else None for kind, stream in found.items()}
