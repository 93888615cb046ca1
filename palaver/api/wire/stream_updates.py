"""PATCH bodies of streams: lists of ``{op, path, value}``, checked as a whole before anything changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta

from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.formats import Label, Shape
from palaver.api.wire.parse import check_count, convert, form
from palaver.api.wire.stream_info import Status
from palaver.room import bounds
from palaver.room.values import Kind, Placement, Region, StreamId

_KIND: Final = r"(?P<kind>audio|video)"
_STATUS: Final = rf"/media/{_KIND}/status"
_REGION: Final = "/info/layout/(?P<region>0|[1-9][0-9]{0,5})/stream"
_AREA: Final = re.compile(r"(?P<a>[0-9]{1,9})(?:/(?P<b>[0-9]{1,9}))?")


class StreamUpdate(Shape, forbid_unknown_fields=True):
    """Adds a stream to a view or removes it, mutes or unmutes it, or changes the layout of a mixed stream."""

    op: Literal["add", "remove", "replace"]
    path: Annotated[
        str,
        form(
            r"^/(info/inViews|media/(audio|video)/status|info/layout(/(0|[1-9][0-9]{0,5})/stream)?)$",
            "/info/inViews, /media/audio/status, /media/video/status, /info/layout or /info/layout/<number>/stream",
        ),
    ]
    value: str | Annotated[list[StreamRegion], Meta(max_length=bounds.MAX_REGIONS)]


class RegionArea(Shape):
    """Parts of the picture: "0", "1" or "a/b"."""

    left: Label
    top: Label
    width: Label
    height: Label


class LayoutRegion(Shape):
    """A place in the new layout."""

    id: Label
    area: RegionArea
    shape: Literal["rectangle"] = "rectangle"


class StreamRegion(Shape):
    """A region and the stream to show there. Regions without a stream come last."""

    region: LayoutRegion
    stream: Label | None = None


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


def stream_changes(updates: list[StreamUpdate]) -> list[StreamChange]:
    """What ``updates`` ask for, in order. Raises ProtocolError."""
    check_count(updates)
    return [_stream_change(update, index) for index, update in enumerate(updates)]


def _stream_change(update: StreamUpdate, index: int) -> StreamChange:
    at = f"[{index}].value"
    if update.path == "/info/inViews":
        label = convert(update.value, Label, at)
        if update.op == "replace":
            raise ProtocolError(f"[{index}].op: expected add or remove")
        return AddView(label) if update.op == "add" else RemoveView(label)
    if update.op != "replace":
        raise ProtocolError(f"[{index}].op: expected replace")
    if status := re.fullmatch(_STATUS, update.path):
        active = _status(update.value, at) == "active"
        return SetStatus("audio" if status["kind"] == "audio" else "video", active)
    if region := re.fullmatch(_REGION, update.path):
        return ShowInRegion(int(region["region"]), StreamId(convert(update.value, Label, at)))
    if update.path != "/info/layout":
        raise _unknown_path(index)
    if isinstance(update.value, str):
        raise ProtocolError(f"{at}: expected array")
    return SetLayout(_layout(update.value, at))


def _status(value: Any, at: str) -> Status:
    shape: Any = Status
    status: Status = convert(value, shape, at)
    return status


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


def _unknown_path(index: int) -> ProtocolError:
    return ProtocolError(f"[{index}].path: nothing that can be changed")
