"""Phones in rooms: accounts are kept registered, calls to them come into their rooms, and rooms call phones."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from palaver.containment import OwnedTasks
from palaver.jobs.kinds import JobFailed
from palaver.jobs.opening import RoomNotFound
from palaver.jobs.phone_call import PhoneCall, codecs_of, kinds_of
from palaver.jobs.sip_accounts import Accounts, Credentials
from palaver.media.ports import EngineError
from palaver.room.errors import Fault, RoomError
from palaver.sip.description import NotAcceptable
from palaver.sip.events import (
    AccountFailed,
    AccountLeft,
    AccountRegistered,
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallIncoming,
    CallInfo,
    CallOffered,
    CallProgress,
    CallRefused,
    CallUpdated,
)
from palaver.sip.negotiation import Negotiation
from palaver.sip.stack import SipStack, StackSettings, open_stack
from palaver.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.host import RoomHost
    from palaver.jobs.opening import RoomOpener
    from palaver.jobs.outgoing import WantedPicture, WantedSound
    from palaver.jobs.sip_accounts import Account
    from palaver.room.messages import TrackChange
    from palaver.sip.events import CallEvent, Event
    from palaver.sip.lines import Lines
    from palaver.store import RoomDefinition, Store

_MARGIN_S: Final = 15.0
"""How much longer than the stack itself to wait for its verdict about a call."""
_READY_S: Final = 5.0
"""How long the stream of a call that was taken may need to be there."""
_STATUS: Final[Mapping[Fault, int]] = {
    Fault.ROOM_FULL: 486,
    Fault.TOO_MANY_INPUTS: 486,
    Fault.FORBIDDEN: 403,
    Fault.UNKNOWN_ROLE: 403,
}
"""What a caller is told when the room refuses."""
_WORDS: Final = {
    404: "there is no such number",
    408: "no answer",
    480: "not available",
    486: "busy",
    487: "the call was given up",
    488: "it takes no sound in a codec that the room has",
    600: "busy",
    603: "the call was refused",
}
_FAST_UPDATE: Final = (
    '<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder><picture_fast_update/>'
    "</to_encoder></vc_primitive></media_control>"
)
_SIGNAL: Final = re.compile(r"\s*(?:Signal\s*=\s*)?([0-9*#A-D])\s*(?:\r?\n.*)?", re.DOTALL)
_SCHEME: Final = re.compile(r"(sips?|tel):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """How calls are made and taken; ``allowed`` and ``denied`` are patterns of callers' addresses.

    Without ``stack`` there are none.
    """

    stack: StackSettings | None
    ring_s: float = 30.0
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()

    def admits(self, caller: str, source: str) -> bool:
        """Whether a call from this address may come in."""
        names = (caller.partition(":")[2].partition(";")[0].lower(), source)
        if any(fnmatchcase(name, one.lower()) for one in self.denied for name in names):
            return False
        return not self.allowed or any(
            fnmatchcase(name, one.lower()) for one in self.allowed for name in names
        )


@dataclass(frozen=True, slots=True)
class Dialling:
    """Whom a room is to call, and what of the room goes there."""

    peer: str
    audio: WantedSound
    video: WantedPicture | None = None


class Phones:
    """All accounts and calls of the node. The SIP stack is opened when a room first uses it."""

    def __init__(self, store: Store, opener: RoomOpener, lines: Lines, settings: PhoneSettings) -> None:
        self._store, self._opener, self._lines, self._settings = store, opener, lines, settings
        self._stack: SipStack | None = None
        self._closed = False
        self._accounts = Accounts(self._opened)
        self._calls: dict[int, PhoneCall] = {}
        self._answers: dict[int, asyncio.Future[str]] = {}
        self._ended: set[int] = set()
        self._taking: set[int] = set()
        self.tasks = OwnedTasks("palaver.sip")
        self._tasks: OwnedTasks | None = None
        self._counts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._pressed: Callable[[str, str, str], None] = lambda _room, _participant, _digit: None
        self._log = structlog.get_logger("palaver.sip")

    # ── life ────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Register the accounts of all rooms, and serve calls until cancelled; then end them."""
        self._tasks = self.tasks
        try:
            await self.tasks.kept(self._read_accounts, "accounts of phones")
            await asyncio.Event().wait()
        finally:
            self._tasks = None
            await asyncio.shield(self.close())
            await self.tasks.close()

    async def _read_accounts(self) -> None:
        for definition in await self._store.rooms.with_sip():
            self.room_changed(definition.id, definition)

    async def close(self) -> None:
        """Hang up, let the accounts go, close the ports. Nothing is called or taken afterwards."""
        self._closed = True
        stack, self._stack = self._stack, None
        if stack is not None:
            await asyncio.to_thread(stack.close)

    def _opened(self) -> SipStack:
        if self._closed or self._settings.stack is None:
            raise RuntimeError("the server is stopping")
        if self._stack is None:
            self._stack = open_stack(self._settings.stack, self._heard)
            self._log.info("sip opened", address=self._stack.address)
        return self._stack

    def watch(self, pressed: Callable[[str, str, str], None]) -> None:
        """Call ``pressed`` with room, participant and digit whenever a phone's key is pressed."""
        self._pressed = pressed

    def room_changed(self, room: str, definition: RoomDefinition | None) -> None:
        """A room was stored so, or deleted."""
        if not self._closed and self._settings.stack is not None:
            self._accounts.set(room, Credentials.of(definition))

    def account(self, room: str) -> Account | None:
        """The account of a room, and how it stands."""
        return self._accounts.of(room)

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        inside = self._stack.stats() if self._stack is not None else {}
        return {
            **self._accounts.stats(),
            "calls": len(self._calls),
            "dialogs": inside.get("dialogs", 0),
            "calls_in_total": self._counts["in"],
            "calls_out_total": self._counts["out"],
            "calls_refused_total": self._counts["refused"],
        }

    # ── calls as others see them ────────────────────────────────────────────────────────────────────

    def of(self, room: str) -> list[PhoneCall]:
        """The calls of a room that go on."""
        return [call for call in self._calls.values() if call.room == room and call.connected]

    def get(self, room: str, call: str) -> PhoneCall | None:
        """One of them."""
        return next((one for one in self.of(room) if one.id == call), None)

    def change(self, call: PhoneCall, changes: tuple[TrackChange, ...]) -> None:
        """Let the phone receive something else. Raises RoomError."""
        call.change(changes)

    def end(self, call: PhoneCall) -> None:
        """Hang up."""
        self._over(call, "ended by the management API")

    async def dial(self, room: str, wanted: Dialling) -> PhoneCall:
        """Call a phone, and return when it is in the room. Raises JobFailed, RoomError, RoomNotFound, StoreError."""
        if self._settings.stack is None:
            raise JobFailed("SIP is switched off on this server")
        account = self._accounts.of(room)
        if account is None or account.number is None:
            raise JobFailed("the room has no SIP account" if account is None else account.reason)
        if account.status != "registered":
            raise JobFailed(f"the room's SIP account is not registered: {account.reason or 'not yet'}")
        peer = address_of(wanted.peer, account.credentials.server)
        host = await self._opener.open(room)
        with host.held():
            return await self._dial(host, account.number, peer, wanted)

    async def _dial(self, host: RoomHost, account: int, peer: str, wanted: Dialling) -> PhoneCall:
        config = host.room.config
        if 0 < config.participant_limit <= len(host.room.participants):
            raise RoomError(Fault.ROOM_FULL, config.id)
        call = self._new(0, str(config.id), peer, host, outgoing=True)
        call.audio, call.video = wanted.audio, wanted.video
        kinds = kinds_of(config, video=wanted.video is not None)
        try:
            call.media = self._lines.open(call.id, kinds, call)
        except EngineError as problem:
            raise JobFailed(str(problem)) from None
        call.negotiation = Negotiation(codecs_of(config), call.media.places)
        try:
            call.number = self._opened().invite(
                account, peer, call.negotiation.offer(), name=config.name, limit_s=self._settings.ring_s
            )
        except (LookupError, ValueError, RuntimeError) as problem:
            self._lines.close(call.id)
            raise JobFailed(f"{peer}: {problem}") from None
        self._counts["out"] += 1
        self._calls[call.number] = call
        try:
            call.negotiation.answered(await self._answer(call.number))
            call.enter()
            call.connect()
            async with asyncio.timeout(_READY_S):
                await call.live.wait()
        except BaseException as problem:
            self._over(call, "it did not come about")
            if isinstance(problem, TimeoutError):
                raise JobFailed(f"{peer}: it did not start in time") from None
            if isinstance(problem, NotAcceptable | ValueError | EngineError):
                raise JobFailed(f"{peer}: {problem}") from None
            raise
        return call

    async def _answer(self, number: int) -> str:
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._settings.ring_s + _MARGIN_S):
                return str(await answer)
        except TimeoutError:
            raise JobFailed("no answer") from None
        finally:
            self._answers.pop(number, None)

    # ── what the stack tells ────────────────────────────────────────────────────────────────────────

    def _heard(self, event: Event) -> None:
        match event:
            case AccountRegistered() | AccountFailed() | AccountLeft():
                self._accounts.hear(event)
            case CallIncoming():
                self._counts["in"] += 1
                if self._tasks is None:
                    self._refuse(event.call, 503, "stopping")
                else:
                    self._taking.add(event.call)
                    self._tasks.start(partial(self._take, event), f"call {event.call}")
            case CallRefused(status=status, source=source, reason=reason):
                self._refused(reason)
                self._log.info("call refused", source=source, status=status, reason=reason)
            case CallEnded() if event.call in self._taking:
                self._ended.add(event.call)
            case _:
                self._of_call(event)

    def _of_call(self, event: CallEvent) -> None:
        call = self._calls.get(event.call)
        if call is None:
            return
        try:
            match event:
                case CallAnswered(answer=answer):
                    if (waiting := self._answers.get(event.call)) is not None and not waiting.done():
                        waiting.set_result(answer)
                case CallConfirmed(answer=answer):
                    self._confirmed(call, answer)
                case CallOffered():
                    self._offered(call, event)
                case CallInfo(kind=kind, body=body):
                    self._informed(call, kind, body)
                case CallEnded(status=status, reason=reason):
                    self._gone(call, status, reason)
                case CallProgress() | CallUpdated():
                    pass
        except Exception:  # one call's failure is no other's
            self._log.exception("call failed", call=call.id, told=type(event).__name__)
            self._over(call, "internal error")

    def _gone(self, call: PhoneCall, status: int, reason: str) -> None:
        """The other side, or the stack, has ended it."""
        self._log.info("call over", call=call.id, room=call.room, status=status, reason=reason)
        waiting = self._answers.get(call.number)
        if waiting is not None and not waiting.done():
            said = _WORDS.get(status)
            words = f"{said} ({reason})" if said and said != reason else reason
            waiting.set_exception(JobFailed(f"{call.peer}: {words}"))
        self._release(call)

    def _over(self, call: PhoneCall, reason: str) -> None:
        """End it from our side."""
        if call.over:
            return
        self._log.info("call ends", call=call.id, room=call.room, reason=reason)
        self._release(call)
        if self._stack is not None:
            with contextlib.suppress(LookupError, RuntimeError):  # it is over already
                self._stack.hang_up(call.number)

    def _release(self, call: PhoneCall) -> None:
        call.over = True
        self._calls.pop(call.number, None)
        call.leave()
        self._lines.close(call.id)

    # ── calls that come in ──────────────────────────────────────────────────────────────────────────

    async def _take(self, incoming: CallIncoming) -> None:
        account = self._accounts.numbered(incoming.account)
        try:
            if account is None:
                self._refuse(incoming.call, 404, "unknown_number")
            elif not self._settings.admits(incoming.caller, incoming.source):
                self._refuse(incoming.call, 403, "denied")
            else:
                host = await self._opener.open(account.room)
                if incoming.call not in self._ended:
                    self._join(host, incoming)
        except (RoomNotFound, StoreError, RoomError) as problem:
            self._refuse(incoming.call, _status(problem), "room")
        except Exception:  # a bug costs this call
            self._log.exception("call failed", call=incoming.call)
            self._refuse(incoming.call, 500, "internal")
        finally:
            self._taking.discard(incoming.call)
            self._ended.discard(incoming.call)

    def _join(self, host: RoomHost, incoming: CallIncoming) -> None:
        config, stack = host.room.config, self._opened()
        call = self._new(incoming.call, str(config.id), incoming.caller, host, name=incoming.name)
        self._calls[call.number] = call
        try:
            seen = bool(config.views) and config.views[0].video_format is not None
            kinds = kinds_of(config, video=seen)
            call.enter()
            stack.ring(call.number)
            call.media = self._lines.open(call.id, kinds, call)
            call.negotiation = Negotiation(codecs_of(config), call.media.places)
            if incoming.offer:
                described = call.negotiation.answer(incoming.offer)
                call.connect()
            else:
                described = call.negotiation.offer()
            stack.answer(call.number, described)
        except (RoomError, NotAcceptable, EngineError, ValueError, LookupError) as problem:
            self._release(call)
            self._log.info("call not taken", room=call.room, caller=call.peer, reason=str(problem))
            self._refuse(
                call.number, _status(problem), "not_acceptable" if _status(problem) == 488 else "room"
            )

    def _refuse(self, number: int, status: int, reason: str) -> None:
        self._refused(reason)
        if self._stack is not None:
            with contextlib.suppress(LookupError, RuntimeError):  # the caller has given up
                self._stack.reject(number, status)

    def _refused(self, reason: str) -> None:
        self._counts["refused"] += 1
        self._refusals[reason] += 1

    # ── calls that go on ────────────────────────────────────────────────────────────────────────────

    def _confirmed(self, call: PhoneCall, answer: str) -> None:
        """The caller has our answer; if that was an offer, its own answer came with it."""
        if call.connected or call.negotiation is None:
            return
        try:
            call.negotiation.answered(answer)
            call.connect()
        except (NotAcceptable, RoomError, ValueError) as problem:
            self._over(call, str(problem))

    def _offered(self, call: PhoneCall, event: CallOffered) -> None:
        """The phone holds, goes on, or wants another codec."""
        stack, negotiation, media = self._opened(), call.negotiation, call.media
        assert negotiation is not None
        assert media is not None
        status, described = 200, negotiation.described
        if event.offer:
            before = dict(negotiation.sections)
            try:
                described = negotiation.answer(event.offer)
                media.agree(negotiation.sections)
            except (NotAcceptable, ValueError) as problem:
                negotiation.sections = before
                status, described = 488, ""
                self._log.info("change of a call refused", call=call.id, reason=str(problem))
        with contextlib.suppress(LookupError):  # it is over
            stack.respond(call.number, event.request, status, described)

    def _informed(self, call: PhoneCall, kind: str, body: str) -> None:
        if kind in ("application/dtmf-relay", "application/dtmf"):
            if found := _SIGNAL.fullmatch(body):
                self._press(call, found[1])
        elif kind == "application/media_control+xml" and "picture_fast_update" in body and call.media:
            call.media.refresh()

    def _press(self, call: PhoneCall, digit: str) -> None:
        self._log.info("digit", call=call.id, room=call.room)
        self._pressed(call.room, call.id, digit)

    def _ask_picture(self, call: PhoneCall) -> None:
        with contextlib.suppress(LookupError, RuntimeError):
            self._opened().info(call.number, "application/media_control+xml", _FAST_UPDATE)

    def _new(self, number: int, room: str, peer: str, host: RoomHost, **given: Any) -> PhoneCall:
        outgoing = given.pop("outgoing", False)
        return PhoneCall(
            f"{'SipOut' if outgoing else 'SipIn'}{secrets.randbelow(10**18):018}",
            number,
            room,
            peer,
            "dial-out" if outgoing else "dial-in",
            host,
            self._over,
            self._press,
            self._ask_picture,
            **given,
        )


def _status(problem: Exception) -> int:
    if isinstance(problem, NotAcceptable):
        return 488
    if isinstance(problem, RoomError):
        return _STATUS.get(problem.fault, 480)
    return 404 if isinstance(problem, RoomNotFound) else 503


def address_of(peer: str, server: str) -> str:
    """The address that is called: a number or a name alone is one of the account's server. Raises JobFailed."""
    scheme = _SCHEME.match(peer)
    domain = _SCHEME.sub("", server).partition(";")[0].rpartition("@")[2]
    if scheme is not None and scheme[1].lower() == "tel":
        number = re.sub(r"[-.() ]", "", peer[4:].partition(";")[0])
        return f"sip:{number}@{domain};user=phone"
    rest = peer[scheme.end() :] if scheme is not None else peer
    whole = rest if "@" in rest or scheme is not None else f"{rest}@{domain}"
    if not whole or any(one.isspace() or one in '<>"' or not one.isprintable() for one in whole):
        raise JobFailed("peerURI: this is no address of SIP")
    return f"{scheme[0] if scheme is not None else 'sip:'}{whole}"
