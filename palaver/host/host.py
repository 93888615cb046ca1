"""Runs one room: the only place that awaits between a decision and its effects."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from palaver.host import journal
from palaver.media.ports import EngineError
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import (
    Action,
    ChangeTogether,
    Close,
    ForgetSinkOrigin,
    Join,
    Leave,
    Mix,
    OpenSink,
    OpenSource,
    ParticipantDropped,
    ParticipantLeft,
    Publish,
    SetLayout,
    SetRegion,
    SetSinkActive,
    SetSinkLayer,
    SetSinkOrigin,
    SetSourceActive,
    SetStreamActive,
    SetSubscriptionActive,
    SetTemplate,
    ShowInRegion,
    SinkLost,
    SourceLost,
    Subscribe,
    Tick,
    UpdateSubscription,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from palaver.media.ports import Engine
    from palaver.room.messages import Command, Event, Input, Outcome, Report
    from palaver.room.room import Room
    from palaver.room.values import ParticipantId, TransportId

ACTIONS_MAX: Final = 1024
"""Undone actions beyond which commands that ask for more work are refused."""
ACTION_TIMEOUT_S: Final = 5.0
"""How long the engine may take to accept one action."""
NEGOTIATION_TIMEOUT_S: Final = 8.0
"""How long an answer may take: clients give up after 10 s."""
CLOSING_TIMEOUT_S: Final = 5.0
"""How long a closed room's last actions may take before the engine is told to release everything."""

# What ends something is never refused: it is bounded by what was admitted.
_MORE_WORK: Final = (
    Join,
    Publish,
    Subscribe,
    SetStreamActive,
    SetSubscriptionActive,
    UpdateSubscription,
    Mix,
    SetRegion,
    ShowInRegion,
    SetLayout,
    SetTemplate,
    ChangeTogether,
)


class RoomHost:
    """Drives one room on one event loop.

    ``Room.handle`` never awaits, so every input is atomic: no lock and no mailbox. Events are told before
    ``submit`` returns; actions wait in one bounded queue and are carried out in order by ``run``. One that
    fails becomes the report that its source or sink is lost: a failing engine costs sessions, not rooms.
    """

    def __init__(
        self,
        room: Room,
        engine: Engine,
        *,
        clock: Callable[[], float],
        empty_timeout_s: float,
        failures: Counter[str],
        ended: Callable[[RoomHost], None],
    ) -> None:
        """``failures`` counts what goes wrong; ``ended`` is called once, when the room closes or breaks."""
        self.room = room
        self.released = asyncio.Event()
        """Set when the engine holds nothing of this room any more."""
        self._engine = engine
        self._clock = clock
        self._empty_timeout_s = empty_timeout_s
        self._failures = failures
        self._on_end = ended
        self._log = structlog.get_logger("palaver.host").bind(room=room.config.id)
        self._listeners: dict[object, Callable[[Event], None]] = {}
        self._untold: deque[Event] = deque()
        self._telling = False
        self._queue: deque[Action | asyncio.Future[None]] = deque()
        self._work = asyncio.Event()
        self._performing = False
        self._barriers = 0
        self._rewind = asyncio.Event()
        self._awaited: float | None = None
        self._empty_since: float | None = clock()
        self._over = False
        self._holders = 0
        self._waiting_for_end: dict[object, Callable[[], None]] = {}

    # ── what comes in ───────────────────────────────────────────────────────────────────────────────

    def submit(self, command: Command) -> None:
        """Apply ``command`` and tell what follows; a RoomError goes straight to the caller.

        Returning means decided, not done. What asks for more work is refused with NOT_AVAILABLE while the
        engine is too far behind. A listener may submit: what follows is told after what it is being told.
        """
        if len(self._queue) >= ACTIONS_MAX and isinstance(command, _MORE_WORK):
            raise RoomError(Fault.NOT_AVAILABLE, self.room.config.id, "the media plane is behind")
        self._apply(command)

    def enter(self, join: Join, first: Publish | Subscribe) -> None:
        """Join, and begin the session for which one comes; or neither, and nobody hears of it. Raises like submit."""
        if len(self._queue) >= ACTIONS_MAX:
            raise RoomError(Fault.NOT_AVAILABLE, self.room.config.id, "the media plane is behind")
        self._apply(join, first)

    def report(self, report: Report) -> None:
        """Apply what the engine says. One that comes too late changes nothing."""
        try:
            self._apply(report)
        except RoomError as refusal:  # the room is over
            self._log.debug("report ignored", report=type(report).__name__, reason=str(refusal))

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``listener`` with every event from now on in order; it must not block. Returns the removal."""
        key = object()
        self._listeners[key] = listener

        def remove() -> None:
            self._listeners.pop(key, None)

        return remove

    def when_over(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` once when the room ends, also by a bug of its own. Returns the removal."""
        key = object()
        self._waiting_for_end[key] = callback

        def remove() -> None:
            self._waiting_for_end.pop(key, None)

        return remove

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within this block the room does not stop for being empty."""
        self._holders += 1
        self._watch_emptiness()
        try:
            yield
        finally:
            self._holders -= 1
            self._watch_emptiness()

    def close(self) -> None:
        """End the conference, whatever state it is in."""
        with suppress(RoomError):  # it was over
            self._apply(Close())

    async def negotiate(self, owner: ParticipantId, transport: TransportId, offer: str) -> str:
        """The answer to ``offer``, made after the engine has accepted all that was decided before.

        Raises NegotiationError if it cannot be answered, EngineError if the engine does not keep up.
        """
        try:
            async with asyncio.timeout(NEGOTIATION_TIMEOUT_S):
                await self._accepted()
                return await self._engine.negotiate(self.room.config.id, owner, transport, offer)
        except TimeoutError:
            raise self._too_slow() from None

    async def add_candidate(self, owner: ParticipantId, transport: TransportId, candidate: str) -> None:
        """Pass on a remote candidate, after all that was decided before. Raises like ``negotiate``."""
        try:
            async with asyncio.timeout(NEGOTIATION_TIMEOUT_S):
                await self._accepted()
                await self._engine.add_candidate(self.room.config.id, owner, transport, candidate)
        except TimeoutError:
            raise self._too_slow() from None

    def _too_slow(self) -> EngineError:
        self._failures["negotiations_timed_out"] += 1
        return EngineError("the media plane did not answer in time")

    async def _accepted(self) -> None:
        """Wait until every action decided so far was accepted. Callers resume in the order they came."""
        if self._over:
            raise EngineError("the room is closed")
        if not (self._queue or self._performing or self._barriers):
            return
        if len(self._queue) >= ACTIONS_MAX:
            raise EngineError("the media plane is behind")
        barrier: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enqueue(barrier)
        self._barriers += 1
        try:
            await barrier
        finally:
            self._barriers -= 1

    # ── what follows ────────────────────────────────────────────────────────────────────────────────

    def _apply(self, incoming: Input, first: Publish | Subscribe | None = None) -> None:
        if self._over:
            raise RoomError(Fault.ROOM_CLOSED, self.room.config.id)
        try:
            outputs = self.room.handle(incoming)
            if first is not None:
                outputs += self._begin(first)
            if self.room.deadline is not None and self.room.deadline <= (now := self._clock()):
                outputs += self.room.handle(Tick(now))
        except RoomError:
            raise
        except Exception as bug:  # ours: this room cannot be trusted any more, the others can
            self._log.exception("room broken", input=type(incoming).__name__)
            self._break()
            raise RoomError(Fault.ROOM_CLOSED, self.room.config.id, "internal error") from bug
        self._settle(outputs)
        self._tell()

    def _begin(self, first: Publish | Subscribe) -> list[Outcome]:
        """What the first session of somebody who just joined leads to; if it is refused, the join never happened."""
        try:
            return self.room.handle(first)
        except RoomError:
            if first.by is not None:
                self.room.handle(Leave(first.by))
            raise

    def _settle(self, outputs: Iterable[Outcome]) -> None:
        """Sort what the room decided into work and news, and look at the time again."""
        for output in outputs:
            if isinstance(output, Action):
                self._enqueue(output)
            else:
                self._untold.append(output)
        self._watch_emptiness()
        if self.room.closed:
            self._end()

    def _watch_emptiness(self) -> None:
        if self._holders or not self.room.empty:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = self._clock()
        if self._due() != self._awaited:
            self._rewind.set()

    def _enqueue(self, item: Action | asyncio.Future[None]) -> None:
        self._queue.append(item)
        self._work.set()

    def _tell(self) -> None:
        """Tell the news in order: all of them to each listener, one listener's failure to nobody else."""
        if self._telling:  # a listener submitted: the outermost call goes on with it
            return
        self._telling = True
        try:
            while self._untold:
                event = self._untold.popleft()
                journal.write(self._log, event)
                for key, listener in list(self._listeners.items()):
                    if key in self._listeners:
                        self._tell_one(listener, event)
        finally:
            self._telling = False

    def _tell_one(self, listener: Callable[[Event], None], event: Event) -> None:
        try:
            listener(event)
        except Exception:  # a bug of one listener
            self._failures["listeners_failed"] += 1
            self._log.exception("listener failed", told=type(event).__name__)

    def _break(self) -> None:
        """Drop everybody without asking the room, which has a bug; the engine releases everything."""
        self._failures["rooms_broken"] += 1
        self._forget_waiting()
        self._end()
        for participant in list(self.room.participants):
            self._untold.extend([ParticipantDropped(participant), ParticipantLeft(participant)])
        self._tell()

    def _end(self) -> None:
        self._over = True
        self._work.set()
        self._rewind.set()
        self._on_end(self)
        for callback in list(self._waiting_for_end.values()):
            callback()

    # ── the host's own tasks ────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Carry out what the room decides and keep its deadlines until it is over; then release it."""
        try:
            await self._drive()
            await self._release()
        except Exception:
            if not self._over:
                self._break()
            raise
        finally:
            self._forget_waiting()
            self.released.set()

    async def _drive(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_time())
                tasks.create_task(self._carry_out())
        except Exception:  # a bug of ours costs this room alone
            self._log.exception("room task failed")
            if not self._over:
                self._break()

    async def _carry_out(self) -> None:
        while not self._over:
            while self._queue and not self._over:
                await self._carry_out_next()
            self._work.clear()
            if not (self._queue or self._over):
                await self._work.wait()

    async def _carry_out_next(self) -> None:
        item = self._queue.popleft()
        if isinstance(item, asyncio.Future):
            if not item.done():
                item.set_result(None)
            return
        self._performing = True
        try:
            await self._perform(item)
        finally:
            self._performing = False

    async def _perform(self, action: Action) -> None:
        try:
            async with asyncio.timeout(ACTION_TIMEOUT_S):
                await self._engine.perform(self.room.config.id, action)
        except EngineError as refusal:
            self._failed(action, str(refusal))
        except TimeoutError:
            self._failed(action, "the media plane did not answer in time")
        except Exception:  # a bug of the engine costs this session
            self._log.exception("engine failed", action=type(action).__name__)
            self._failed(action, "internal error")

    def _failed(self, action: Action, reason: str) -> None:
        self._failures["actions_failed"] += 1
        self._log.warning("action failed", action=type(action).__name__, reason=reason)
        if report := _loss(action, reason):
            self.report(report)

    async def _release(self) -> None:
        """Carry out the last actions, as far as time allows, and let the engine release the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_TIMEOUT_S):
                while self._queue:
                    await self._carry_out_next()
        try:
            async with asyncio.timeout(ACTION_TIMEOUT_S):
                await self._engine.close_room(self.room.config.id)
        except Exception as failure:  # refused, late or a bug: the room is over in any case
            self._failures["actions_failed"] += 1
            self._log.warning("room not released", reason=repr(failure))

    def _forget_waiting(self) -> None:
        for item in self._queue:
            if isinstance(item, asyncio.Future) and not item.done():
                item.set_exception(EngineError("the room is closed"))
        self._queue.clear()

    async def _keep_time(self) -> None:
        while not self._over:
            self._rewind.clear()
            self._awaited = due = self._due()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                    await self._rewind.wait()
            if not self._over:
                self._pass_time()

    def _due(self) -> float | None:
        ends = None if self._empty_since is None else self._empty_since + self._empty_timeout_s
        dues = [due for due in (self.room.deadline, ends) if due is not None]
        return min(dues, default=None)

    def _pass_time(self) -> None:
        now = self._clock()
        if self._empty_since is not None and now >= self._empty_since + self._empty_timeout_s:
            self._log.info("room stops: empty", after_s=self._empty_timeout_s)
            self.close()
        elif self.room.deadline is not None and self.room.deadline <= now:
            with suppress(RoomError):  # broken, which is logged
                self._apply(Tick(now))


def _loss(action: Action, reason: str) -> Report | None:
    """What a failed action means for its object.

    Closing what cannot be closed means nothing to the room. A view stays as it was until its next change,
    which says all.
    """
    match action:
        case OpenSource(stream=stream) | SetSourceActive(stream=stream):
            return SourceLost(stream, reason)
        case OpenSink(subscription=subscription):
            return SinkLost(subscription.id, reason)
        case SetSinkActive() | SetSinkLayer() | SetSinkOrigin() | ForgetSinkOrigin():
            return SinkLost(action.subscription, reason)
        case _:
            return None
