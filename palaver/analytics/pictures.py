"""Decoded pictures as analyzers get them, without a copy; and what they show as pictures to encode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from palaver.analytics.plugin import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from palaver.analytics.plugin import VideoWanted

_FORMATS: Final = {"gray": "gray", "bgr": "bgr24", "yuv": "yuv420p"}


class Scaler:
    """Brings pictures into the size and form that an analyzer wants."""

    def __init__(self, wanted: VideoWanted) -> None:
        self._wanted = wanted
        self._reformatter = VideoReformatter()

    def arrays(self, picture: av.VideoFrame) -> tuple[NDArray[np.uint8], ...]:
        """The picture's planes: of "bgr" the one array (height, width, 3), else (height, width) each.

        Read-only; they share the memory of the scaled picture, or of the decoded one where nothing is to be scaled.
        """
        width, height = self._wanted.size or (picture.width // 2 * 2, picture.height // 2 * 2)
        form = _FORMATS[self._wanted.pixels]
        if (picture.width, picture.height, picture.format.name) != (width, height, form):
            if form == "gray" and _has_luma(picture) and (picture.width, picture.height) == (width, height):
                return (_plane(picture.planes[0], width, height, 1),)
            picture = self._reformatter.reformat(
                picture, width, height, form, interpolation=Interpolation.AREA, threads=1
            )
        if self._wanted.pixels != "yuv":
            return (_plane(picture.planes[0], width, height, 3 if form == "bgr24" else 1),)
        half = (width // 2, height // 2)
        sizes = ((width, height), half, half)
        return tuple(_plane(one, *size, 1) for one, size in zip(picture.planes, sizes, strict=True))

    def frame(self, picture: av.VideoFrame, time: float, skipped: int = 0) -> Frame:
        """The picture as an analyzer gets it; ``time`` and ``skipped`` as Frame has them."""
        planes = self.arrays(picture)
        return Frame(planes[0], time, skipped, planes=planes if len(planes) > 1 else ())


def _has_luma(picture: av.VideoFrame) -> bool:
    """Whether the first plane is what "gray" is."""
    return picture.format.name in ("yuv420p", "yuvj420p", "nv12")


def _plane(plane: Any, width: int, height: int, channels: int) -> NDArray[np.uint8]:
    shape: tuple[int, ...] = (height, width)
    strides: tuple[int, ...] = (plane.line_size, channels)
    if channels > 1:
        shape, strides = (*shape, channels), (*strides, 1)
    array: NDArray[np.uint8] = np.ndarray(shape, np.uint8, buffer=plane, strides=strides)
    array.flags.writeable = False
    return array


def shown(array: NDArray[Any], planes: tuple[NDArray[np.uint8], ...] = ()) -> av.VideoFrame:
    """A picture of what an analyzer shows. Raises ValueError for what is none."""
    if array.dtype != np.uint8:
        raise ValueError(f"a picture is uint8, not {array.dtype}")
    if planes:
        parts = [np.ascontiguousarray(one).reshape(-1) for one in planes]
        height, width = planes[0].shape
        yuv = np.concatenate(parts).reshape(height * 3 // 2, width)
        return av.VideoFrame.from_ndarray(yuv, format="yuv420p")
    if array.ndim == 2:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="gray")
    if array.ndim == 3 and array.shape[2] == 3:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="bgr24")
    raise ValueError(f"a picture is (height, width) or (height, width, 3), not {array.shape}")
