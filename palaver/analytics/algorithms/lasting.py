"""Something that is told when it has lasted for a while, and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palaver.analytics.plugin import Observation, event

if TYPE_CHECKING:
    from collections.abc import Iterator


class Lasting:
    """Tells ``name`` once it has lasted ``least_s``, and ``name``-over when it has not been so for ``gap_s``."""

    def __init__(self, name: str, least_s: float, gap_s: float = 0.0) -> None:
        self._name, self._least_s, self._gap_s = name, least_s, gap_s
        self._since: float | None = None
        self._last = float("-inf")
        self._told = False

    def note(self, is_so: bool, time: float, **data: Any) -> Iterator[Observation]:
        """How it is at ``time``."""
        if is_so:
            self._last = time
            if self._since is None:
                self._since = time
            if not self._told and time - self._since >= self._least_s:
                self._told = True
                yield event(self._name, **data)
        elif self._since is not None and time - self._last >= self._gap_s:
            since, self._since = self._since, None
            if self._told:
                self._told = False
                yield event(f"{self._name}-over", seconds=round(self._last - since, 3))
