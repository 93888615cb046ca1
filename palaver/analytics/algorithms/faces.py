"""Faces, by the Haar cascade that travels in OpenCV's wheel; told as boxes, or framed in the pictures themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from palaver.analytics.algorithms.boxes import Box, framed, relative
from palaver.analytics.plugin import Analyzer, Frame, Observation, event

if TYPE_CHECKING:
    from collections.abc import Iterator


class Faces(Analyzer, fps=5, size=(320, 180), pixels="gray"):
    """Tells where faces are ("faces", with boxes), and when there are none any more.

    ``smallest`` is the least height of a face as a part of the picture's; ``neighbours``: how many detections have to
    agree, more for fewer mistakes. Faces have to look at the camera.
    """

    smallest: Annotated[float, Meta(ge=0.05, le=1)] = 0.2
    neighbours: Annotated[int, Meta(ge=1, le=20)] = 6

    def start(self) -> None:
        """See Analyzer."""
        import cv2

        cv2.setNumThreads(1)
        self._cv: Any = cv2
        folder = Path(cv2.__file__).parent / "data"
        self._cascade = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_default.xml"))
        self._seen = False

    def video(self, frame: Frame) -> Iterator[Observation | Frame]:
        """See Analyzer."""
        yield from self._told(self._found(frame))

    def _found(self, frame: Frame) -> list[Box]:
        gray = (
            frame.array if frame.array.ndim == 2 else self._cv.cvtColor(frame.array, self._cv.COLOR_BGR2GRAY)
        )
        least = round(self.smallest * gray.shape[0])
        found = self._cascade.detectMultiScale(
            self._cv.equalizeHist(gray), 1.2, self.neighbours, minSize=(least, least)
        )
        return [relative(one, gray.shape) for one in found]

    def _told(self, boxes: list[Box]) -> Iterator[Observation]:
        if boxes or self._seen:
            yield event("faces", count=len(boxes), boxes=boxes)
        self._seen = bool(boxes)


class FacesFramed(Faces, name="faces-framed", fps=15, size=(640, 360), pixels="bgr"):
    """Shows the stream with the faces framed, and tells where they are, as ``faces`` does.

    Faces are looked for in every ``every``-th picture.
    """

    every: Annotated[int, Meta(ge=1, le=60)] = 3

    def start(self) -> None:
        """See Analyzer."""
        super().start()
        self._count = 0
        self._boxes: list[Box] = []

    def video(self, frame: Frame) -> Iterator[Observation | Frame]:
        """See Analyzer."""
        if self._count % self.every == 0:
            half = self._cv.resize(frame.array, None, fx=0.5, fy=0.5, interpolation=self._cv.INTER_AREA)
            self._boxes = self._found(Frame(half))
            yield from self._told(self._boxes)
        self._count += 1
        yield Frame(framed(frame.array, self._boxes))
