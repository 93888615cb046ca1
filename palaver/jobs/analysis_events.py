"""Tells rooms what analyses see, so that clients hear of it; not more often than clients can be expected to listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.analytics.names import FAILURE
from palaver.room.messages import AnalysisObserved
from palaver.room.values import RoomId, SubscriptionId

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.analytics.results import AnalysisLog, SeenEvent
    from palaver.host import RoomHost


class AnalysisListener:
    """``per_s`` events of one analysis are told in a second, the first ones of each; REST knows all of them."""

    def __init__(self, room_of: Callable[[RoomId], RoomHost | None], per_s: float) -> None:
        self._room_of, self._per_s = room_of, per_s
        self._untold = 0

    def tell(self, log: AnalysisLog, seen: SeenEvent) -> None:
        """Something was seen. Why an algorithm failed is for whoever runs it, and not told to the room."""
        host = self._room_of(RoomId(log.room))
        if host is None:
            return
        if seen.name != FAILURE and not log.tellable(seen.time, self._per_s):
            self._untold += 1
            return
        data = seen.data if seen.name != FAILURE else {}
        host.report(AnalysisObserved(SubscriptionId(log.analysis), log.algorithm, seen.name, data, seen.time))

    def stats(self) -> dict[str, float]:
        """Counters by metric name without prefix."""
        return {"analysis_events_untold_total": self._untold}
