"""PATCH bodies: lists of ``{op, path, value}``, checked as a whole before anything changes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.formats import Resolution, Shape
from palaver.api.wire.parse import convert
from palaver.room import bounds
from palaver.room.values import Grant, Kind, Permission, Placement, Region, StreamId

if TYPE_CHECKING:
    from collections.abc import Sequence

Status = Literal["active", "inactive"]
Text = Annotated[str, Meta(min_length=1, max_length=bounds.MAX_LABEL)]

_KIND: Final = r"(?P<kind>audio|video)"
_PERMISSION: Final = rf"/permission/(?P<part>publish|subscribe)(?:/{_KIND})?"
_STATUS: Final = rf"/media/{_KIND}/status"
_SINK_PARAMETER: Final = (
    "/media/video/parameters/(?P<parameter>resolution|framerate|bitrate|keyFrameInterval)"
)
_REGION: Final = "/info/layout/(?P<region>0|[1-9][0-9]{0,5})/stream"
_AREA: Final = re.compile(r"(?P<a>[0-9]{1,9})(?:/(?P<b>[0-9]{1,9}))?")


class PermissionUpdate(Shape, forbid_unknown_fields=True):
    """Replaces one part of a permission: by ``{audio, video}``, or by a boolean for both kinds or the one named."""

    op: Literal["replace"]
    path: Annotated[str, Meta(pattern="^/permission/(publish|subscribe)(/(audio|video))?$")]
    value: bool | Permitted


class Permitted(Shape, forbid_unknown_fields=True):
    """Which kinds are permitted."""

    audio: bool
    video: bool


class StreamUpdate(Shape, forbid_unknown_fields=True):
    """Adds a stream to a view or removes it, mutes or unmutes it, or changes the layout of a mixed stream."""

    op: Literal["add", "remove", "replace"]
    path: Annotated[
        str,
        Meta(
            pattern=r"^/(info/inViews|media/(audio|video)/status|info/layout(/(0|[1-9][0-9]{0,5})/stream)?)$"
        ),
    ]
    value: str | Annotated[list[StreamRegion], Meta(max_length=bounds.MAX_REGIONS)]


class RegionArea(Shape):
    """Parts of the picture: "0", "1" or "a/b"."""

    left: Text
    top: Text
    width: Text
    height: Text


class LayoutRegion(Shape):
    """A place in the new layout."""

    id: Text
    area: RegionArea
    shape: Literal["rectangle"] = "rectangle"


class StreamRegion(Shape):
    """A region and the stream to show there. Regions without a stream come last."""

    region: LayoutRegion
    stream: Text | None = None


class SinkUpdate(Shape, forbid_unknown_fields=True):
    """Changes what a recording or a streaming-out receives."""

    op: Literal["replace"]
    path: Annotated[
        str,
        Meta(
            pattern="^/media/((audio|video)/(status|from)"
            "|video/parameters/(resolution|framerate|bitrate|keyFrameInterval))$"
        ),
    ]
    value: str | int | Resolution


class CallUpdate(Shape, forbid_unknown_fields=True):
    """Changes what the other end of a call receives."""

    op: Literal["replace"]
    path: Annotated[
        str,
        Meta(
            pattern="^/output/media/((audio|video)/(status|from)"
            "|video/parameters/(resolution|framerate|bitrate|keyFrameInterval))$"
        ),
    ]
    value: str | int | Resolution


@dataclass(frozen=True, slots=True)
class AddView:
    """Mix the stream into the view of this label."""

    label: str


@dataclass(frozen=True, slots=True)
class RemoveView:
    """Take the stream out of the view of this label."""

    label: str


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Mute or unmute one kind."""

    kind: Kind
    active: bool


@dataclass(frozen=True, slots=True)
class SetLayout:
    """Replace the layout of a mixed stream."""

    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class ShowInRegion:
    """Show a stream in the region at this index."""

    index: int
    stream: StreamId


StreamChange: TypeAlias = AddView | RemoveView | SetStatus | SetLayout | ShowInRegion


def changed_permission(permission: Permission, updates: list[PermissionUpdate]) -> Permission:
    """``permission`` after all ``updates``. Raises ProtocolError."""
    _check_count(updates)
    for index, update in enumerate(updates):
        found = re.fullmatch(_PERMISSION, update.path)
        if found is None:
            raise _unknown_path(index)
        grant = permission.publish if found["part"] == "publish" else permission.subscribe
        grant = _changed_grant(grant, found["kind"], update.value, index)
        permission = (
            replace(permission, publish=grant)
            if found["part"] == "publish"
            else replace(permission, subscribe=grant)
        )
    return permission


def stream_changes(updates: list[StreamUpdate]) -> list[StreamChange]:
    """What ``updates`` ask for, in order. Raises ProtocolError."""
    _check_count(updates)
    return [_stream_change(update, index) for index, update in enumerate(updates)]


def check_sink_updates(updates: Sequence[SinkUpdate | CallUpdate]) -> None:
    """Raise ProtocolError unless each value fits its path."""
    _check_count(updates)
    for index, update in enumerate(updates):
        _sink_value(update.path.removeprefix("/output"), update.value, index)


_SINK_VALUES: Final[dict[str, Any]] = {
    "status": Status,
    "from": Text,
    "resolution": Resolution,
    "framerate": Literal[6, 12, 15, 24, 30, 48, 60],
    "bitrate": Literal["x0.8", "x0.6", "x0.4", "x0.2"],
    "keyFrameInterval": Literal[1, 2, 5, 30, 100],
}


def _sink_value(path: str, value: Any, index: int) -> None:
    shape = _SINK_VALUES.get(path.rpartition("/")[2])
    if shape is None:
        raise _unknown_path(index)
    convert(msgspec.to_builtins(value), shape, f"[{index}].value")


def _changed_grant(grant: Grant, kind: str | None, value: bool | Permitted, index: int) -> Grant:
    if kind is None:
        return Grant(value, value) if isinstance(value, bool) else Grant(value.audio, value.video)
    if not isinstance(value, bool):
        raise ProtocolError(f"[{index}].value: expected bool")
    return replace(grant, audio=value) if kind == "audio" else replace(grant, video=value)


def _stream_change(update: StreamUpdate, index: int) -> StreamChange:
    at = f"[{index}].value"
    if update.path == "/info/inViews":
        label = convert(update.value, Text, at)
        if update.op == "replace":
            raise ProtocolError(f"[{index}].op: expected add or remove")
        return AddView(label) if update.op == "add" else RemoveView(label)
    if update.op != "replace":
        raise ProtocolError(f"[{index}].op: expected replace")
    if status := re.fullmatch(_STATUS, update.path):
        active = convert(update.value, _SINK_VALUES["status"], at) == "active"
        return SetStatus("audio" if status["kind"] == "audio" else "video", active)
    if region := re.fullmatch(_REGION, update.path):
        return ShowInRegion(int(region["region"]), StreamId(convert(update.value, Text, at)))
    if update.path != "/info/layout":
        raise _unknown_path(index)
    if isinstance(update.value, str):
        raise ProtocolError(f"{at}: expected array")
    return SetLayout(_layout(update.value, at))


def _layout(regions: list[StreamRegion], at: str) -> tuple[Placement, ...]:
    """The layout, if no id and no stream occurs twice and the empty regions come last."""
    ids: set[str] = set()
    streams: set[str] = set()
    placements: list[Placement] = []
    for index, entry in enumerate(regions):
        place = f"{at}[{index}]"
        if entry.region.id in ids:
            raise ProtocolError(f"{place}.region.id: {entry.region.id} occurs twice")
        ids.add(entry.region.id)
        if entry.stream is not None:
            if entry.stream in streams:
                raise ProtocolError(f"{place}.stream: {entry.stream} occurs twice")
            if len(streams) < index:
                raise ProtocolError(f"{place}.stream: regions without a stream come last")
            streams.add(entry.stream)
        placements.append(_placement(entry, place))
    return tuple(placements)


def _placement(entry: StreamRegion, at: str) -> Placement:
    area = entry.region.area
    region = Region(
        id=entry.region.id,
        left=_fraction(area.left, f"{at}.region.area.left"),
        top=_fraction(area.top, f"{at}.region.area.top"),
        width=_fraction(area.width, f"{at}.region.area.width"),
        height=_fraction(area.height, f"{at}.region.area.height"),
        shape=entry.region.shape,
    )
    return Placement(region, None if entry.stream is None else StreamId(entry.stream))


def _fraction(text: str, at: str) -> str:
    """ "0" and "1" come back as "0/1" and "1/1", fractions as they are."""
    found = _AREA.fullmatch(text)
    if found is not None:
        over, under = int(found["a"]), int(found["b"] or 1)
        if under and Fraction(over, under) <= 1:
            return f"{over}/{under}"
    raise ProtocolError(f"{at}: expected 0, 1 or a/b between them")


def _check_count(updates: Sequence[object]) -> None:
    if len(updates) > bounds.MAX_CHANGES:
        raise ProtocolError(f"body: expected at most {bounds.MAX_CHANGES} changes")


def _unknown_path(index: int) -> ProtocolError:
    return ProtocolError(f"[{index}].path: nothing that can be changed")
