"""What jobs that take media out of a room ask for: which streams, in which form; and how that is changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from palaver.room.messages import SetSubscriptionActive, TrackChange, UpdateSubscription
from palaver.room.values import (
    KINDS,
    AudioFormat,
    Kind,
    Resolution,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    VideoFormat,
    VideoParameters,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from palaver.host import RoomHost
    from palaver.jobs.job import Job
    from palaver.jobs.jobs import Jobs


@dataclass(frozen=True, slots=True)
class WantedSound:
    """Which sound to take; without a ``codec`` as it comes."""

    stream: str
    codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None

    def subscribed(self) -> SubscribedTrack:
        """What to ask the room for."""
        wanted = AudioFormat(self.codec, self.sample_rate, self.channels) if self.codec else None
        return SubscribedTrack("audio", StreamId(self.stream), format=wanted)


@dataclass(frozen=True, slots=True)
class WantedPicture:
    """Which picture to take; what is left open stays as it comes. ``bitrate`` is kbit/s or a multiplier ("x0.8")."""

    stream: str
    codec: str | None = None
    profile: str | None = None
    resolution: tuple[int, int] | None = None
    framerate: float | None = None
    bitrate: float | str | None = None
    key_frame_interval: float | None = None

    @property
    def parameters(self) -> VideoParameters | None:
        """What is asked for beside the format; None for nothing."""
        size = Resolution(*self.resolution) if self.resolution else None
        asked = VideoParameters(size, self.framerate, self.bitrate, self.key_frame_interval)
        return None if asked == VideoParameters() else asked

    def subscribed(self) -> SubscribedTrack:
        """What to ask the room for."""
        wanted = VideoFormat(self.codec, self.profile) if self.codec else None
        return SubscribedTrack("video", StreamId(self.stream), format=wanted, parameters=self.parameters)


class Change(Protocol):
    """One change of a request: a path of the management API, and a value that fits it."""

    @property
    def path(self) -> str:
        """Where, such as "/media/video/parameters/framerate"."""
        ...

    @property
    def value(self) -> Any:
        """What is there from now on."""
        ...


class NoSuchTrack(ValueError):
    """A change of a kind that is not taken out."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a job takes out of a room; the base of its requests."""

    audio: WantedSound | None
    video: WantedPicture | None
    inactive: tuple[Kind, ...] = ()

    def tracks(self) -> tuple[SubscribedTrack, ...]:
        """What to ask the room for."""
        tracks = (one.subscribed() for one in (self.audio, self.video) if one is not None)
        return tuple(replace(track, active=track.kind not in self.inactive) for track in tracks)


O = TypeVar("O", bound=Outgoing)  # noqa: E741  # the usual name of a type variable is one letter


def changed(request: O, changes: Iterable[Change]) -> tuple[O, tuple[TrackChange, ...]]:
    """The request after ``changes``, and what they ask of the room. Raises NoSuchTrack."""
    kept, redirected, adjusted = request, set[Kind](), False
    for change in changes:
        kinds, what = _meant(kept, change.path)
        if what == "status":
            kept = replace(kept, inactive=_inactive(kept, kinds, active=change.value == "active"))
        elif what == "from":
            for kind in kinds:
                kept = replace(kept, **{kind: replace(getattr(kept, kind), stream=change.value)})
            redirected |= kinds
        else:
            kept = replace(kept, video=_adjusted(kept.video, what, change.value))
            adjusted = True
    asked: list[TrackChange] = []
    if "audio" in redirected and kept.audio is not None:
        asked.append(TrackChange("audio", StreamId(kept.audio.stream)))
    if kept.video is not None and (adjusted or "video" in redirected):
        origin = StreamId(kept.video.stream) if "video" in redirected else None
        asked.append(TrackChange("video", origin, kept.video.parameters))
    return kept, tuple(asked)


async def apply(jobs: Jobs, host: RoomHost, job: Job, changes: Iterable[Change]) -> None:
    """Change what ``job`` takes out of the room: all, or nothing. Raises NoSuchTrack, RoomError, StoreError."""
    before: Outgoing = job.request
    after, asked = changed(before, changes)
    subscription = SubscriptionId(job.id)
    if asked:
        host.submit(UpdateSubscription(None, subscription, asked))
    for kind in KINDS:
        if (was_inactive := kind in before.inactive) != (kind in after.inactive):
            host.submit(SetSubscriptionActive(None, subscription, (kind,), was_inactive))
    await jobs.change(job, after)


def _meant(request: Outgoing, path: str) -> tuple[set[Kind], str]:
    """The kinds that a path is about, "/media/status" about all, and what of them."""
    *_, of, what = path.split("/")
    if of == "media":
        return {kind for kind in KINDS if getattr(request, kind) is not None}, what
    kind: Kind = "audio" if "/audio/" in path else "video"
    if getattr(request, kind) is None:
        raise NoSuchTrack(kind)
    return {kind}, what


def _inactive(request: Outgoing, kinds: set[Kind], *, active: bool) -> tuple[Kind, ...]:
    inactive = set(request.inactive) - kinds if active else {*request.inactive, *kinds}
    return tuple(kind for kind in KINDS if kind in inactive)


def _adjusted(picture: WantedPicture | None, what: str, value: Any) -> WantedPicture:
    assert picture is not None
    match what:
        case "resolution":
            return replace(picture, resolution=(value["width"], value["height"]))
        case "framerate":
            return replace(picture, framerate=value)
        case "bitrate":
            return replace(picture, bitrate=value)
        case _:
            return replace(picture, key_frame_interval=value)
