"""Standing people, by the detector of histograms of gradients that travels in OpenCV's wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from msgspec import Meta

from palaver.analytics.algorithms.boxes import Box, overlap, relative
from palaver.analytics.plugin import Analyzer, Frame, Observation, event

if TYPE_CHECKING:
    from collections.abc import Iterator


class People(Analyzer, fps=2, size=(480, 270), pixels="gray"):
    """Tells where people stand whole ("people", with boxes), and when there are none any more.

    ``certainty``: how sure it has to be; more for fewer mistakes.
    """

    certainty: Annotated[float, Meta(ge=0, le=5)] = 0.6

    def start(self) -> None:
        """See Analyzer."""
        import cv2

        cv2.setNumThreads(1)
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
        self._seen = False

    def video(self, frame: Frame) -> Iterator[Observation]:
        """See Analyzer."""
        found, weights = self._hog.detectMultiScale(
            frame.array, hitThreshold=0, winStride=(8, 8), padding=(16, 16), scale=1.05
        )
        boxes: list[Box] = []
        for one, weight in sorted(zip(found, weights, strict=True), key=lambda pair: -float(pair[1])):
            box = relative(one, frame.array.shape)
            if float(weight) >= self.certainty and all(overlap(box, other) < 0.3 for other in boxes):
                boxes.append(box)
        if boxes or self._seen:
            yield event("people", count=len(boxes), boxes=boxes)
        self._seen = bool(boxes)
