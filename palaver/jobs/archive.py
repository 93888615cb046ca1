"""Recordings that have ended: deleted when somebody says so, or when they are too old or too many."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import structlog

from palaver.recording.storage import Kept, OutsideError
from palaver.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.recording.index import Entry
    from palaver.recording.storage import Retention, Storage
    from palaver.store import Store

_LOOK_S: Final = 60.0


class Archive:
    """Owns the files of ended recordings. ``clock`` tells seconds since the epoch."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        retention: Retention,
        clock: Callable[[], float],
        *,
        needed: Callable[[Entry], bool] = lambda _: False,
    ) -> None:
        """What is ``needed`` still, say because it is not uploaded yet, does not expire."""
        self._needed = needed
        self._store, self._storage, self._retention, self._clock = store, storage, retention, clock
        self._expired = 0
        self._log = structlog.get_logger("palaver.recordings")

    def stats(self) -> dict[str, float]:
        """Counters by metric name without prefix."""
        return {"expired_total": self._expired}

    async def delete(self, entry: Entry) -> None:
        """Remove the files of a recording that has ended, then what is known of it. Raises OSError, StoreError."""
        for part in entry.parts:
            with contextlib.suppress(OutsideError):
                await asyncio.to_thread(self._storage.resolve(part.file).unlink, missing_ok=True)
        await self._store.recordings.delete(entry.id)

    async def run(self) -> None:
        """Delete what is kept no longer, until cancelled."""
        while True:
            try:
                await self.expire()
            except (OSError, StoreError) as failure:
                self._log.error("old recordings are not deleted", error=str(failure))
            await asyncio.sleep(_LOOK_S)

    async def expire(self) -> None:
        """Delete what is kept no longer. Raises OSError, StoreError."""
        if not (self._retention.days or self._retention.total_gb):
            return
        entries = {entry.id: entry for entry in await self._store.recordings.ended()}
        kept = [Kept(one.id, (one.ended_ms or 0) / 1000, one.size) for one in entries.values()]
        for recording in self._retention.expired(kept, self._clock()):
            if self._needed(entries[recording]):
                continue
            await self.delete(entries[recording])
            self._expired += 1
            self._log.info("recording deleted: kept no longer", recording=recording)
