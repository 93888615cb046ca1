"""The picture shown in place of an input that sends none: its participant's name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
import numpy as np

if TYPE_CHECKING:
    from PIL import ImageFont

SIZE: Final = (640, 360)
_GROUND: Final = 34  # luma, 8 bit limited range: a dark grey
_TEXT: Final = 230
_MARGIN: Final = 40
_LARGEST: Final = 72
_SMALLEST: Final = 14
# Fonts that know more letters than the one that Pillow brings, in the order of preference.
_FONTS: Final = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)


def nameplate(name: str) -> av.VideoFrame:
    """A grey picture of 640 by 360 with ``name`` in its middle, as large as fits."""
    from PIL import Image, ImageDraw  # only now: most mixers never need it

    width, height = SIZE
    image = Image.new("L", SIZE, _GROUND)
    pen = ImageDraw.Draw(image)
    text = " ".join(name.split())[:80] or "…"
    size = _LARGEST
    while size > _SMALLEST and pen.textlength(text, font=_font(size)) > width - 2 * _MARGIN:
        size -= 2
    pen.text((width / 2, height / 2), text, fill=_TEXT, font=_font(size), anchor="mm")
    luma = np.asarray(image, np.uint8)
    chroma = np.full((height // 2, width), 128, np.uint8)
    return av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    for path in _FONTS:
        if Path(path).exists():
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)
