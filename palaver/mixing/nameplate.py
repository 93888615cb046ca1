"""The picture shown in place of an input that sends none: its participant's name."""

from __future__ import annotations

from typing import Final

import av
import numpy as np

from palaver.media.nameplates import painter

SIZE: Final = (640, 360)
_GROUND: Final = (21, 21, 21)  # a dark grey: 34 as luma of 8 bits in limited range


def nameplate(name: str) -> av.VideoFrame:
    """A grey picture of 640 by 360 with ``name`` in its middle, as large as fits."""
    width, height = SIZE
    painted = painter().paint(name, width, height, _GROUND)
    if painted is None:  # nothing is better than a mixer that ends
        painted = bytes(_GROUND) * (width * height)
    picture = np.frombuffer(painted, np.uint8).reshape(height, width, 3)
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
