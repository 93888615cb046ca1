"""What analyses have seen: a bounded list of events for each, from its first start until a while after its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
import structlog
from msgspec import Struct

from palaver.analytics.names import FAILURE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Status: TypeAlias = Literal["starting", "running", "restarting", "stopped", "ended"]
MAX_BYTES: Final = 1 << 20
"""Bytes of the events that are kept of one analysis, as JSON."""
ENDED_KEPT: Final = 64
"""Analyses that have ended whose events can still be read."""


class SeenEvent(Struct, kw_only=True):
    """Something that was seen. ``time``: milliseconds since the epoch, when what was seen was captured.

    ``id`` counts the events of an analysis from 1; ``session`` counts how often the algorithm was started.
    """

    id: int
    session: int
    time: int
    name: str
    data: dict[str, Any]


@dataclass(eq=False, slots=True)
class AnalysisLog:
    """What is known of one analysis."""

    analysis: str
    room: str
    algorithm: str
    source: str
    limit: int
    session: int = 0
    status: Status = "starting"
    error: str = ""
    events: deque[SeenEvent] = field(default_factory=deque)
    counters: dict[str, float] = field(default_factory=dict)
    shows: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the algorithm has shown a first picture."""
    given_up: str = ""
    """Why it is not started again."""
    _last: int = 0
    _told: tuple[int, int] = (0, 0)
    _sizes: deque[int] = field(default_factory=deque)
    _bytes: int = 0
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def last(self) -> int:
        """The id of the newest event; 0: there was none."""
        return self._last

    def add(self, name: str, data: dict[str, Any], time_ms: int) -> SeenEvent:
        """Another event; the oldest go where they are too many or too large."""
        self._last += 1
        seen = SeenEvent(id=self._last, session=self.session, time=time_ms, name=name, data=data)
        size = len(msgspec.json.encode(seen))
        self.events.append(seen)
        self._sizes.append(size)
        self._bytes += size
        while len(self.events) > self.limit or self._bytes > MAX_BYTES:
            self.events.popleft()
            self._bytes -= self._sizes.popleft()
        self.wake()
        return seen

    def after(self, last: int) -> list[SeenEvent]:
        """Those with a greater id than ``last``, of what is kept."""
        return [one for one in self.events if one.id > last]

    async def newer(self, last: int, within_s: float) -> Sequence[SeenEvent]:
        """Wait for events after ``last``; none if there were none in this time, or nothing follows any more."""
        if not (found := self.after(last)) and not self.over:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(within_s):
                        await waiting
            finally:
                self._waiting.discard(waiting)
            found = self.after(last)
        return found

    def tellable(self, time_ms: int, per_s: float) -> bool:
        """Whether one more event may be told to clients, of ``per_s`` in a second; it is counted."""
        second = time_ms // 1000
        told = self._told[1] if self._told[0] == second else 0
        if told >= per_s:
            return False
        self._told = (second, told + 1)
        return True

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self.status in ("stopped", "ended")

    def wake(self) -> None:
        """Let those look who wait."""
        for one in self._waiting:
            if not one.done():
                one.set_result(None)


class Results:
    """The logs of a node. ``clock`` tells seconds since the epoch; ``tell`` hears of each event of an analysis."""

    def __init__(self, clock: Callable[[], float], *, kept: int = 1000) -> None:
        self._clock, self._kept = clock, kept
        self._logs: dict[str, AnalysisLog] = {}
        self._ended: OrderedDict[str, AnalysisLog] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self.tell: Callable[[AnalysisLog, SeenEvent], None] = lambda log, seen: None
        self._log = structlog.get_logger("palaver.analytics")

    def begin(self, analysis: str, room: str, algorithm: str, source: str) -> AnalysisLog:
        """An analysis starts, for the first time or again: a new session, which shares nothing with those before."""
        log = self._logs.get(analysis) or self._ended.pop(analysis, None)
        if log is None:
            log = AnalysisLog(analysis, room, algorithm, source, self._kept)
        self._logs[analysis] = log
        log.session += 1
        log.status, log.source = "starting", source
        log.shows.clear()  # the same event: somebody may wait for it since an earlier session
        return log

    def seen(self, log: AnalysisLog, name: str, data: dict[str, Any], age_s: float = 0.0) -> None:
        """The algorithm has seen something, ``age_s`` after it was captured."""
        self._counts["events"] += 1
        event = log.add(name, data, int((self._clock() - age_s) * 1000))
        self.tell(log, event)

    def failed(self, log: AnalysisLog, error: str, traceback: str, again_s: float | None) -> None:
        """The algorithm does not go on; it is started again in ``again_s``, or not at all."""
        self._counts["failures"] += 1
        log.status, log.error = "restarting" if again_s is not None else "stopped", error
        data: dict[str, Any] = {"error": error, "traceback": traceback}
        if again_s is not None:
            data["restart_s"] = again_s
        self._log.warning(
            "analysis failed",
            analysis=log.analysis,
            room=log.room,
            algorithm=log.algorithm,
            reason=error,
            again_s=again_s,
            traceback=traceback,
        )
        self.tell(log, log.add(FAILURE, data, int(self._clock() * 1000)))

    def end(self, log: AnalysisLog) -> None:
        """It does not run any more. Its events can be read for a while."""
        if self._logs.pop(log.analysis, None) is None:
            return
        log.status = "stopped" if log.given_up else "ended"
        log.wake()
        self._ended[log.analysis] = log
        while len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)

    def given_up(self, analysis: str) -> str:
        """Why an analysis must not be started again; empty: it may."""
        log = self._logs.get(analysis) or self._ended.get(analysis)
        return log.given_up if log is not None else ""

    def of(self, room: str, analysis: str) -> AnalysisLog | None:
        """What is known of an analysis of the room, also of one that has ended."""
        log = self._logs.get(analysis) or self._ended.get(analysis)
        return log if log is not None and log.room == room else None

    def stats(self) -> dict[str, float]:
        """Gauges and counters by metric name without prefix."""
        sums: dict[str, float] = dict.fromkeys(("analyses_handled", "analyses_skipped"), 0.0)
        for log in self._logs.values():
            for name in ("handled", "skipped"):
                sums[f"analyses_{name}"] += log.counters.get(name, 0.0)
        return {
            "analyses": len(self._logs),
            "analysis_events_total": self._counts["events"],
            "analysis_failures_total": self._counts["failures"],
            **sums,
        }
