"""What the page's own endpoints ask of everybody who comes without a key: patience, and a name that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from palaver.api.demo_answers import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

_PER_MINUTE: Final = 60
_SOURCES: Final = 10_000
# Not "printable", yet part of how Persian, Hindi and emoji are written.
_JOINERS: Final = dict.fromkeys((0x200C, 0x200D))


class Visitors:
    """Counts attempts by source; the sources that came last are remembered. ``clock``: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._visits: LRUCache[str, list[float]] = LRUCache(_SOURCES)

    def come(self, source: str) -> None:
        """One more attempt. Raises Refused where there were too many in a minute."""
        now = self._clock()
        visits = [t for t in self._visits.pop(source, []) if now - t < 60]
        self._visits[source] = [*visits, now]
        if len(visits) >= _PER_MINUTE:
            self._visits[source] = visits
            raise Refused(429, 1301, "Too many joins from your address; wait a minute.")


def printable(field: str, text: str) -> None:
    """Raise Refused unless people can read the text of a field."""
    visible = text.translate(_JOINERS)
    if not visible.strip() or not visible.isprintable():
        raise Refused(400, 1301, f"{field}: expected 1 to 64 printable characters")
