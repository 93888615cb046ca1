"""A room as a bot is in it: who is there, what they send, and what one may send."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import structlog
from aiortc.mediastreams import MediaStreamError
from av import AudioResampler

from palaver.bot.hearing import TurnFinder
from palaver.bot.portal import BotError, Portal
from palaver.bot.speaking import Screen, ScreenTrack, SpokenTrack, Voice
from palaver.bot.values import RATE, Participant, Picture, RoomChange, Sound, Stream, Text, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiortc.mediastreams import MediaStreamTrack
    from av import AudioFrame, VideoFrame

    from palaver.bot.portal import Connection
    from palaver.bot.values import Pixels, Samples

T = TypeVar("T")
_KEPT: Final = 500
"""What waits for a loop that is slow; of more the oldest is forgotten."""
_PICTURES_KEPT: Final = 2
_SILENCE_S: Final = 0.1
_log = structlog.get_logger("palaver.bot")


class _Inbox(Generic[T]):
    """What waits for one loop: bounded, the newest stay."""

    def __init__(self, kept: int = _KEPT) -> None:
        self._items: deque[T] = deque(maxlen=kept)
        self._news = asyncio.Event()
        self.skipped = 0

    def put(self, item: T) -> None:
        self.skipped += len(self._items) == self._items.maxlen
        self._items.append(item)
        self._news.set()

    async def get(self) -> T:
        while not self._items:
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()


class Room:
    """What ``join`` gives. All loops end with BotError when the server ends the session."""

    def __init__(self, url: str, tasks: asyncio.TaskGroup) -> None:
        self._portal, self._tasks = Portal(url, self._hear, self._end), tasks
        self.id = ""
        self.me = Participant("", "", "")
        self.participants: dict[str, Participant] = {}
        """Everybody who is there, by id, this bot included."""
        self.streams: dict[str, Stream] = {}
        self._changes: list[_Inbox[RoomChange | BotError]] = []
        self._texts: list[_Inbox[Text | BotError]] = []
        self._sounds: list[_Inbox[Sound | BotError]] = []
        self._turns: list[_Inbox[Turn | BotError]] = []
        self._pictures: list[_Inbox[Picture | BotError]] = []
        self._subscribed: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._voices: list[Voice] = []
        self._screens: list[Screen] = []
        self._lost: BotError | None = None

    # ── who and what is there ───────────────────────────────────────────────────────────────────────

    async def enter(self, token: str) -> None:
        """Log in; see join. Raises BotError."""
        answer = await self._portal.enter(token)
        self.id = answer["room"]["id"]
        self.me = Participant(answer["id"], answer["user"], answer["role"])
        for one in answer["room"]["participants"]:
            self.participants[one["id"]] = _participant(one)
        for one in answer["room"]["streams"]:
            self.streams[one["id"]] = _stream(one)

    def _hear(self, name: str, data: Any) -> None:
        match name, data:
            case "participant", {"action": "join", "data": who}:
                joined = self.participants[who["id"]] = _participant(who)
                self._tell(RoomChange("joined", joined))
            case "participant", {"action": "leave", "data": who}:
                if (gone := self.participants.pop(who, None)) is not None:
                    self._tell(RoomChange("left", gone))
            case "stream", {"status": "add", "data": info}:
                added = self.streams[info["id"]] = _stream(info)
                self._tell(RoomChange("added", self.participants.get(added.owner), added))
                self._follow()
            case "stream", {"status": "remove", "id": stream}:
                if (removed := self.streams.pop(stream, None)) is not None:
                    self._tell(RoomChange("removed", self.participants.get(removed.owner), removed))
            case "text", {"from": sender, "message": message, "to": to}:
                if sender != self.me.id and (who := self.participants.get(sender)) is not None:
                    for inbox in self._texts:
                        inbox.put(Text(who, message, to == "all"))
            case _:
                pass

    def _tell(self, change: RoomChange) -> None:
        for inbox in self._changes:
            inbox.put(change)

    def _end(self, reason: str) -> None:
        """The session is over: every loop ends."""
        self._lost = BotError(reason)
        for inboxes in (self._changes, self._texts, self._sounds, self._turns, self._pictures):
            for inbox in inboxes:
                inbox.put(self._lost)
        for voice in self._voices:
            voice.stop()

    async def changes(self) -> AsyncIterator[RoomChange]:
        """Who comes and goes, and what they begin and cease to send, from now on."""
        async for one in self._each(self._changes):
            yield one

    async def texts(self) -> AsyncIterator[Text]:
        """What others write, from now on."""
        async for one in self._each(self._texts):
            yield one

    async def _each(self, inboxes: list[_Inbox[T | BotError]], kept: int = _KEPT) -> AsyncIterator[T]:
        inbox: _Inbox[T | BotError] = _Inbox(kept)
        inboxes.append(inbox)
        self._follow()
        try:
            while True:
                if self._lost is not None:
                    raise self._lost
                one = await inbox.get()
                if isinstance(one, BotError):
                    raise one
                yield one
        finally:
            inboxes.remove(inbox)

    async def send_text(self, message: str, to: str = "all") -> None:
        """Write to everybody, or to a participant by id. Raises BotError."""
        await self._portal.request("text", {"to": to, "message": message})

    # ── what one hears and sees ─────────────────────────────────────────────────────────────────────

    async def sounds(self) -> AsyncIterator[Sound]:
        """What everybody else says, as it comes, from now on; of a loop that is slow the oldest is forgotten."""
        async for one in self._each(self._sounds):
            yield one

    async def turns(self) -> AsyncIterator[Turn]:
        """Whenever somebody has spoken: who, and all of it."""
        async for one in self._each(self._turns):
            yield one

    async def pictures(self) -> AsyncIterator[Picture]:
        """What everybody else shows. A loop that is slow gets the newest pictures."""
        async for one in self._each(self._pictures, _PICTURES_KEPT):
            yield one

    def _follow(self) -> None:
        """Subscribe to what is listened for and not subscribed yet."""
        listened = {"audio": self._sounds or self._turns or self._voices, "video": self._pictures}
        wanted = [kind for kind, loops in listened.items() if loops]
        for stream in self.streams.values():
            for kind in wanted:
                if stream.mixed or stream.owner == self.me.id or kind not in stream.kinds:
                    continue
                if (stream.id, kind) not in self._subscribed:
                    task = self._tasks.create_task(self._take(stream, kind))
                    self._subscribed[stream.id, kind] = task

    async def _take(self, stream: Stream, kind: str) -> None:
        """Receive one kind of a stream until it ends; what goes wrong is the end of this subscription alone."""
        connection: Connection | None = None
        try:
            connection = await self._portal.connect(
                "subscribe",
                lambda peer: [{"type": kind, "mid": _mid(peer, kind), "from": stream.id}],
                lambda peer: peer.addTransceiver(kind, "recvonly"),
            )
            track = connection.peer.getReceivers()[0].track
            await (self._listen(stream, track) if kind == "audio" else self._watch(stream, track))
        except (BotError, MediaStreamError) as error:
            _log.info(
                "a stream is not received", stream=stream.id, kind=kind, reason=str(error) or "it ended"
            )
        except Exception:
            _log.exception("a stream is not received", stream=stream.id, kind=kind)
        finally:
            self._subscribed.pop((stream.id, kind), None)
            if connection is not None:
                await connection.close()

    async def _listen(self, stream: Stream, track: MediaStreamTrack) -> None:
        resampler = AudioResampler("flt", "mono", RATE)
        finder, loop = TurnFinder(), asyncio.get_running_loop()
        at = loop.time()
        while stream.id in self.streams:
            who = self.participants.get(stream.owner) or Participant(stream.owner, "", "")
            try:
                async with asyncio.timeout(_SILENCE_S):
                    frame = await track.recv()
            except TimeoutError:
                now = loop.time()
                self._spoke(who, finder.silent(now - at))
                at = now
                continue
            at = loop.time()
            for one in resampler.resample(cast("AudioFrame", frame)):
                samples = cast("Samples", one.to_ndarray().reshape(-1))
                for inbox in self._sounds:
                    inbox.put(Sound(who, samples, at))
                before = finder.speaking
                self._spoke(who, finder.hear(samples))
                if finder.speaking and not before:
                    for voice in self._voices:
                        voice.interrupt()

    def _spoke(self, who: Participant, samples: Samples | None) -> None:
        if samples is not None:
            for inbox in self._turns:
                inbox.put(Turn(who, samples))

    async def _watch(self, stream: Stream, track: MediaStreamTrack) -> None:
        while stream.id in self.streams:
            frame = cast("VideoFrame", await track.recv())
            who = self.participants.get(stream.owner) or Participant(stream.owner, "", "")
            array = cast("Pixels", frame.to_ndarray(format="bgr24"))
            for inbox in self._pictures:
                inbox.put(Picture(who, array, asyncio.get_running_loop().time()))

    # ── what one sends ──────────────────────────────────────────────────────────────────────────────

    async def publish_audio(self, rate: int = RATE) -> Voice:
        """A voice, silent until it plays something; ``rate`` in samples a second. Raises BotError."""
        track = SpokenTrack(rate)
        voice = Voice(await self._publish("audio", track), track, rate)
        self._voices.append(voice)
        self._follow()  # to hear who interrupts
        return voice

    async def publish_video(self, size: tuple[int, int] = (640, 360), fps: float = 15) -> Screen:
        """A picture, black until it shows something; ``size`` is (width, height). Raises BotError."""
        track = ScreenTrack(size, fps)
        screen = Screen(await self._publish("video", track), track)
        self._screens.append(screen)
        return screen

    async def _publish(self, kind: str, track: MediaStreamTrack) -> Connection:
        source = "mic" if kind == "audio" else "camera"
        return await self._portal.connect(
            "publish",
            lambda peer: [{"type": kind, "mid": _mid(peer, kind), "source": source}],
            lambda peer: peer.addTransceiver(track, "sendonly"),
        )

    async def leave(self) -> None:
        """End everything that was published and subscribed, and say goodbye."""
        try:
            published: list[Voice | Screen] = [*self._voices, *self._screens]
            for one in published:
                await one.close()
            receiving = list(self._subscribed.values())
            for task in receiving:
                task.cancel()
            await asyncio.gather(*receiving, return_exceptions=True)  # while the server still answers them
        finally:
            await self._portal.leave()


@asynccontextmanager
async def join(url: str, token: str) -> AsyncIterator[Room]:
    """Be in the room of a token (``palaver token``, or ``POST /v1/rooms/{room}/tokens``) within the block.

    ``url`` is that of the server. Raises BotError if it does not admit.
    """
    failure: BaseException | None = None
    async with asyncio.TaskGroup() as tasks:
        room = Room(url, tasks)
        try:
            await room.enter(token)
            yield room
        except BaseException as error:  # raised below, as it is: not in a group
            failure = error
        finally:
            await room.leave()
    if failure is not None:
        raise failure


def _participant(info: dict[str, Any]) -> Participant:
    return Participant(info["id"], info["user"], info["role"])


def _stream(info: dict[str, Any]) -> Stream:
    kinds = frozenset(track["type"] for track in info["media"]["tracks"])
    return Stream(info["id"], info["info"].get("owner", ""), kinds, info["type"] == "mixed")


def _mid(peer: Any, kind: str) -> str:
    """The section of the connection's offer that carries this kind."""
    return next(str(one.mid) for one in peer.getTransceivers() if one.kind == kind)
