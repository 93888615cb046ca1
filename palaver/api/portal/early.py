"""Sessions that have not logged in: who holds them, and how many there may be."""

from __future__ import annotations

from palaver.api.sources import Sources, Tally


class EarlySessions:
    """Counts Engine.IO sessions from their beginning to their login or end, per source and overall."""

    def __init__(self, limit: int, per_source: int, sources: Sources) -> None:
        self._limit, self._sources = limit, sources
        self._tally = Tally(per_source)
        self._held: dict[str, str | None] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._held)

    def admit(self, address: str) -> bool:
        """Whether one more may begin from ``address``."""
        if len(self._held) < self._limit and not self._tally.full(self._sources.of(address)):
            return True
        self.refused += 1
        return False

    def begin(self, sid: str, address: str) -> None:
        """A session begins."""
        source = self._sources.of(address)
        self._held[sid] = source
        self._tally.take(source)

    def end(self, sid: str) -> None:
        """It logged in, or ended."""
        if sid in self._held:
            self._tally.give(self._held.pop(sid))
