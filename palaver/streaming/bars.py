"""What the test source shows and lets hear: colour bars with a clock, and a beep at each flash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import av
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]

SECOND_NS: Final = 1_000_000_000
FLASH_NS: Final = 100_000_000
"""So long from the beginning of each second the picture is white and the tone sounds."""
BEEP_HZ: Final = 1000
_LOUDNESS: Final = 0.25
_DAY_S: Final = 86_400
# SMPTE's 75 % bars: grey, yellow, cyan, green, magenta, red, blue; Y, Cb, Cr in 8 bit limited range (BT.601).
_BARS: Final = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
)
_WHITE, _BLACK, _NEUTRAL = 235, 16, 128
_GLYPHS: Final = "0123456789:."


class Bars:
    """Draws pictures of one size, in yuv420p."""

    def __init__(self, width: int, height: int) -> None:
        """``width`` and ``height`` are even."""
        self._width, self._height = width, height
        columns = np.arange(width) * len(_BARS) // width
        colours = np.array(_BARS, np.uint8)
        self._luma = np.tile(colours[columns, 0], (height, 1))
        half = colours[columns[::2]]
        self._cb, self._cr = (np.tile(half[:, one], (height // 2, 1)) for one in (1, 2))
        self._glyphs = _glyphs(max(height // 8, 10))

    def picture(self, time_ns: int) -> av.VideoFrame:
        """The picture at a time of day, in nanoseconds of UTC."""
        flash = is_flash(time_ns)
        luma = np.full_like(self._luma, _WHITE) if flash else self._luma.copy()
        self._write(luma, clock(time_ns))
        cb, cr = (np.full_like(plane, _NEUTRAL) if flash else plane for plane in (self._cb, self._cr))
        planes = np.concatenate([plane.reshape(-1) for plane in (luma, cb, cr)])
        shape = (self._height * 3 // 2, self._width)
        return av.VideoFrame.from_ndarray(planes.reshape(shape), format="yuv420p")

    def _write(self, luma: Plane, text: str) -> None:
        """Put white letters on a black ground in the middle of the lower half."""
        line = np.concatenate([self._glyphs[letter] for letter in text], axis=1)[:, : self._width]
        top = self._height * 3 // 4 - line.shape[0] // 2
        left = (self._width - line.shape[1]) // 2
        luma[top : top + line.shape[0], left : left + line.shape[1]] = line


def _glyphs(size: int) -> dict[str, Plane]:
    """The letters of a clock, all of one height."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    width = max(round(font.getlength(letter)) for letter in _GLYPHS) + 2
    found: dict[str, Plane] = {}
    for letter in _GLYPHS:
        image = Image.new("L", (width, size * 5 // 4), _BLACK)
        ImageDraw.Draw(image).text((width / 2, size * 5 / 8), letter, fill=_WHITE, font=font, anchor="mm")
        found[letter] = np.asarray(image, np.uint8)
    return found


def is_flash(time_ns: int) -> bool:
    """Whether the picture is white at that time."""
    return time_ns % SECOND_NS < FLASH_NS


def clock(time_ns: int) -> str:
    """A time of day as it is drawn: hours, minutes, seconds and milliseconds."""
    seconds, rest_ns = divmod(time_ns, SECOND_NS)
    minutes, second = divmod(seconds % _DAY_S, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}.{rest_ns // 1_000_000:03}"


def beep(time_ns: int, count: int, rate: int) -> NDArray[np.float32]:
    """``count`` samples from that time on, in both channels: a tone while the picture flashes."""
    at_ns = time_ns + np.arange(count, dtype=np.int64) * SECOND_NS // rate
    phase = (at_ns % SECOND_NS) * (2 * np.pi * BEEP_HZ / SECOND_NS)
    tone = np.where(at_ns % SECOND_NS < FLASH_NS, np.sin(phase) * _LOUDNESS, 0.0)
    return np.repeat(tone[:, None], 2, axis=1).astype(np.float32)
