"""Who spoke in a recorded view, as WebVTT: a text beside the picture with the name of whoever speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from palaver.recording.index import Entry, Part

_SHORTEST_S: Final = 0.05


def webvtt(entry: Entry, number: int) -> str:
    """The names for a part, counted from 1. Pauses are cut out as they are in the file."""
    part = entry.parts[number - 1]
    before_s = sum(one.seconds for one in entry.parts[: number - 1])
    clock = _Clock(entry, part, before_s)
    times = [clock.file_s(entry.started_ms + at_ms) for at_ms, _ in entry.spoken] + [part.seconds]
    cues = ["WEBVTT"]
    for (_, who), start_s, end_s in zip(entry.spoken, times, times[1:], strict=False):
        if end_s - start_s >= _SHORTEST_S:
            name = _escaped(entry.speakers[who])
            cues.append(f"{_stamp(start_s)} --> {_stamp(end_s)}\n<v {name}>{name}")
    return "\n\n".join(cues) + "\n"


class _Clock:
    """Where in a part's file a moment of the wall clock is."""

    def __init__(self, entry: Entry, part: Part, before_s: float) -> None:
        self._whole_s = part.seconds
        began_ms = part.zero_ms or part.started_ms
        self._points: list[tuple[int, float, bool]] = [(began_ms, 0.0, True)]
        for mark in entry.marks:
            file_s = mark.seconds - before_s
            if mark.at_ms >= began_ms and 0 <= file_s <= part.seconds:
                self._points.append((mark.at_ms, file_s, mark.what == "resumed"))

    def file_s(self, at_ms: int) -> float:
        """Seconds into the file; before it begins 0, after its end all of it."""
        seconds = 0.0
        for point_ms, point_s, runs in self._points:
            if at_ms < point_ms:
                break
            seconds = point_s + ((at_ms - point_ms) / 1000 if runs else 0.0)
        return min(max(seconds, 0.0), self._whole_s)


def _stamp(seconds: float) -> str:
    whole_ms = round(seconds * 1000)
    minutes, ms = divmod(whole_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"


def _escaped(name: str) -> str:
    """A name as text, and as the annotation of a tag: neither has line breaks or what begins and ends tags."""
    plain = " ".join(name.split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") or "?"
