"""QR codes and bar codes, read by ZXing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta

from palaver.analytics.plugin import Analyzer, Frame, Observation, event

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CHARACTERS = 2000


class Codes(Analyzer, fps=4, size=(960, 540), pixels="gray"):
    """Tells what codes say ("code", with text, format and box): once, and again if they were away for ``again_s``."""

    again_s: Annotated[float, Meta(ge=0, le=3600)] = 5.0

    def start(self) -> None:
        """See Analyzer."""
        import zxingcpp

        self._reader: Any = zxingcpp
        self._seen: dict[tuple[str, str], float] = {}

    def video(self, frame: Frame) -> Iterator[Observation]:
        """See Analyzer."""
        now, (height, width) = frame.time, frame.array.shape
        self._seen = {code: at for code, at in self._seen.items() if now - at < self.again_s}
        for one in self._reader.read_barcodes(np.ascontiguousarray(frame.array)):
            form, text = str(one.format).rpartition(".")[2], one.text[:_MOST_CHARACTERS]
            is_new = (form, text) not in self._seen
            self._seen[form, text] = now
            if is_new:
                at = one.position
                corners = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
                xs, ys = [corner.x / width for corner in corners], [corner.y / height for corner in corners]
                box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
                yield event("code", text=text, format=form, box=[round(value, 4) for value in box])
