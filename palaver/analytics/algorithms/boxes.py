"""Rectangles in parts of a picture: [left, top, width, height]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

Box: TypeAlias = list[float]
_COLOUR: Final = (80, 220, 40)
"""Green, in BGR."""


def relative(pixels: Sequence[Any] | NDArray[Any], shape: tuple[int, ...]) -> Box:
    """A rectangle (left, top, width, height) in pixels of a picture of that shape, as parts of it."""
    height, width = shape[:2]
    left, top, wide, high = (float(one) for one in pixels)
    return [round(one, 4) for one in (left / width, top / height, wide / width, high / height)]


def overlap(one: Box, other: Box) -> float:
    """How much of both together is in both: 0 to 1."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def framed(picture: NDArray[np.uint8], boxes: Iterable[Box]) -> NDArray[np.uint8]:
    """A copy of a BGR or gray picture with frames drawn in it."""
    drawn = picture.copy()
    height, width = drawn.shape[:2]
    line = max(height // 120, 2)
    colour: Any = _COLOUR if drawn.ndim == 3 else 255
    for left, top, wide, high in boxes:
        x0, y0 = max(int(left * width), 0), max(int(top * height), 0)
        x1, y1 = min(int((left + wide) * width), width), min(int((top + high) * height), height)
        drawn[y0 : y0 + line, x0:x1] = drawn[max(y1 - line, 0) : y1, x0:x1] = colour
        drawn[y0:y1, x0 : x0 + line] = drawn[y0:y1, max(x1 - line, 0) : x1] = colour
    return drawn
