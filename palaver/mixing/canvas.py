"""The picture of a view: where each input is drawn. What has not changed is not drawn again."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.plane import VideoPlane
    from numpy.typing import NDArray

    from palaver.mixing.control import Area, Compose

Plane: TypeAlias = "NDArray[np.uint8]"
"""uint8 (rows, columns): one of Y, U and V of a 4:2:0 picture."""

_LEAST: Final = 2
_compare: Final = ctypes.CDLL(None).memcmp
_compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels. All four are even, so that chroma falls on whole samples."""

    left: int
    top: int
    width: int
    height: int

    def rows(self, plane: int) -> slice:
        """The rows of it in plane 0 (Y), 1 or 2."""
        shift = 1 if plane else 0
        return slice(self.top >> shift, (self.top + self.height) >> shift)

    def columns(self, plane: int) -> slice:
        """The columns of it in a plane."""
        shift = 1 if plane else 0
        return slice(self.left >> shift, (self.left + self.width) >> shift)


def box(area: Area, width: int, height: int) -> Box:
    """Where ``area`` is in a picture of that size: edges that regions share stay shared."""
    left, top = _even(area.left * width), _even(area.top * height)
    right = min(_even((area.left + area.width) * width), width // 2 * 2)
    bottom = min(_even((area.top + area.height) * height), height // 2 * 2)
    return Box(left, top, max(right - left, 0), max(bottom - top, 0))


def fitted(width: int, height: int, into: Box) -> Box:
    """The largest rectangle of the picture's shape within ``into``, centred (letterbox)."""
    scale = min(into.width / width, into.height / height)
    w = min(max(_even(width * scale), _LEAST), into.width)
    h = min(max(_even(height * scale), _LEAST), into.height)
    return Box(into.left + _half(into.width - w), into.top + _half(into.height - h), w, h)


def _even(value: float) -> int:
    return round(value / 2) * 2


def _half(value: int) -> int:
    """Half of an even number, made even."""
    return value // 4 * 2


def planes(picture: av.VideoFrame) -> tuple[Plane, ...]:
    """The planes of a 4:2:0 picture, as views of its memory."""
    return tuple(_samples(plane) for plane in picture.planes)


def _samples(plane: VideoPlane) -> Plane:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def same_picture(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    """Whether two pictures are equal. Of most that are not, the first lines tell."""
    if (one.width, one.height, one.format.name) != (other.width, other.height, other.format.name):
        return False
    return all(_same_plane(a, b) for a, b in zip(one.planes, other.planes, strict=True))


def _same_plane(one: VideoPlane, other: VideoPlane) -> bool:
    if one.line_size == other.line_size == one.width:
        # Several times faster than numpy, which makes an array of the answers, and without the interpreter's lock.
        return bool(_compare(one.buffer_ptr, other.buffer_ptr, one.width * one.height) == 0)
    return np.array_equal(_samples(one), _samples(other))  # what is between the lines says nothing


def yuv(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """A colour in BT.601 limited range, which is what decoders of WebRTC assume."""
    y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    return round(y), round(u), round(v)


class Canvas:
    """A 4:2:0 picture that is drawn into, tile by tile."""

    def __init__(self, layout: Compose) -> None:
        self.layout = layout
        self.picture = av.VideoFrame(layout.width, layout.height, "yuv420p")
        self._planes = planes(self.picture)
        self._background = yuv(*layout.background)
        self._boxes = [box(tile.area, layout.width, layout.height) for tile in layout.tiles]
        self._scalers = [VideoReformatter() for _ in layout.tiles]
        self._drawn: list[object] = [None] * len(layout.tiles)
        self._covered: list[Box | None] = [None] * len(layout.tiles)
        self._fitted = lru_cache(64)(fitted)
        self._fill(Box(0, 0, layout.width, layout.height))

    @property
    def boxes(self) -> Sequence[Box]:
        """Where each tile is."""
        return self._boxes

    def draw(self, tile: int, picture: av.VideoFrame | None) -> bool:
        """Show ``picture`` in a tile, None for nothing; false if it is there already."""
        if self._drawn[tile] is picture:
            return False
        self._drawn[tile] = picture
        where = self._boxes[tile]
        if where.width < _LEAST or where.height < _LEAST:
            return False
        if picture is None:
            self._fill(where)
            self._covered[tile] = None
        elif self.layout.crop:
            self._put(self._cropped(tile, picture, where), where)
        else:
            target = self._fitted(picture.width, picture.height, where)
            if target != self._covered[tile]:
                self._fill(where)
                self._covered[tile] = target
            self._put(planes(self._scaled(tile, picture, target.width, target.height)), target)
        return True

    def _scaled(self, tile: int, picture: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        return self._scalers[tile].reformat(
            picture, width, height, "yuv420p", interpolation=Interpolation.BILINEAR, threads=1
        )

    def _cropped(self, tile: int, picture: av.VideoFrame, where: Box) -> tuple[Plane, ...]:
        scale = max(where.width / picture.width, where.height / picture.height)
        width = max(_even(picture.width * scale), where.width)
        height = max(_even(picture.height * scale), where.height)
        middle = Box(_half(width - where.width), _half(height - where.height), where.width, where.height)
        scaled = planes(self._scaled(tile, picture, width, height))
        return tuple(plane[middle.rows(index), middle.columns(index)] for index, plane in enumerate(scaled))

    def _put(self, source: tuple[Plane, ...], where: Box) -> None:
        for index, (plane, part) in enumerate(zip(self._planes, source, strict=True)):
            plane[where.rows(index), where.columns(index)] = part

    def _fill(self, where: Box) -> None:
        for index, (plane, value) in enumerate(zip(self._planes, self._background, strict=True)):
            plane[where.rows(index), where.columns(index)] = value
