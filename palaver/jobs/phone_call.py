"""A call in its room: a participant with a stream, who hears a view or what was asked for."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from palaver.media.formats import format_of
from palaver.room.endpoints import RtpSink, RtpSource
from palaver.room.errors import Fault, RoomError
from palaver.room.ids import view_id
from palaver.room.messages import (
    Join,
    Leave,
    ParticipantLeft,
    Publish,
    SessionFailed,
    SessionReady,
    Subscribe,
    TrackChange,
    UpdateSubscription,
)
from palaver.room.values import (
    AudioFormat,
    ParticipantId,
    Standing,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    VideoFormat,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from palaver.host import RoomHost
    from palaver.jobs.outgoing import WantedPicture, WantedSound
    from palaver.room.messages import Event
    from palaver.room.values import Format, Kind, RoomConfig
    from palaver.sip.lines import CallMedia
    from palaver.sip.negotiation import Negotiation

ROLE: Final = "sip"
SOUND: Final = frozenset({"opus", "g722", "pcmu", "pcma"})
PICTURE: Final = frozenset({"h264", "vp8"})
MAX_NAME: Final = 128


@dataclass(eq=False)
class PhoneCall:
    """One call. ``number`` is the stack's; ``hang_up`` ends it, ``pressed`` hears of keys,
    ``ask_picture`` asks the phone for a key frame."""

    id: str
    number: int
    room: str
    peer: str
    direction: Literal["dial-in", "dial-out"]
    host: RoomHost
    hang_up: Callable[[PhoneCall, str], None]
    pressed: Callable[[PhoneCall, str], None]
    ask_picture: Callable[[PhoneCall], None]
    name: str = ""
    audio: WantedSound | None = None
    video: WantedPicture | None = None
    media: CallMedia | None = None
    negotiation: Negotiation | None = None
    inside: bool = False
    connected: bool = False
    over: bool = False
    live: asyncio.Event = field(default_factory=asyncio.Event)
    """Its stream is there."""
    _removals: list[Callable[[], None]] = field(default_factory=list)

    @property
    def participant(self) -> ParticipantId:
        """Who it is in the room."""
        return ParticipantId(self.id)

    @property
    def stream(self) -> StreamId:
        """What it sends."""
        return StreamId(f"{self.id}-in")

    @property
    def subscription(self) -> SubscriptionId:
        """What it receives."""
        return SubscriptionId(f"{self.id}-out")

    # ── in the room ─────────────────────────────────────────────────────────────────────────────────

    def enter(self) -> None:
        """Become a participant. Raises RoomError."""
        self.host.submit(Join(self.participant, (self.name or self.peer)[:MAX_NAME], ROLE))
        self.inside = True
        self._removals = [
            self.host.listen(self._hear),
            self.host.when_over(lambda: self.hang_up(self, "the room is closed")),
        ]

    def connect(self) -> None:
        """Send and receive what was agreed on: to the first view, and from it. Raises RoomError."""
        assert self.negotiation is not None
        assert self.media is not None
        self.connected = True
        self.media.agree(self.negotiation.sections)
        kinds = self.negotiation.sections
        source = RtpSource(audio="audio" in kinds, video="video" in kinds, call=self.id)
        first = self.host.room.config.views[:1]
        seen = Standing(places=tuple((view.label, None) for view in first))
        self.host.submit(Publish(self.participant, self.stream, source, standing=seen))
        if tracks := self._wanted():
            self.host.submit(Subscribe(self.participant, self.subscription, RtpSink(self.id), tracks))

    def _wanted(self) -> tuple[SubscribedTrack, ...]:
        """What the phone is to receive: what was asked for, else the first view."""
        config, wanted = self.host.room.config, list[SubscribedTrack]()
        view = config.views[0] if config.views else None
        for kind in self.negotiation.sections if self.negotiation else ():
            asked = self.audio if kind == "audio" else self.video
            if asked is not None:
                origin, parameters = StreamId(asked.stream), getattr(asked, "parameters", None)
            elif view is not None and (kind == "audio" or view.video_format is not None):
                origin, parameters = view_id(config.id, view.label), None
            else:
                continue
            form = self.format(kind)
            wanted.append(SubscribedTrack(kind, origin, format=form, parameters=parameters))
        return tuple(wanted)

    def format(self, kind: Kind) -> Format | None:
        """The codec that was agreed on; the profile of a picture is the engine's to fit."""
        section = self.negotiation.sections.get(kind) if self.negotiation else None
        if section is None:
            return None
        return VideoFormat(section.payload.codec) if kind == "video" else format_of(section.payload)

    def received(self) -> tuple[SubscribedTrack, ...]:
        """What the phone receives now."""
        subscription = self.host.room.subscriptions.get(self.subscription)
        return subscription.tracks if subscription is not None else ()

    def change(self, changes: Iterable[TrackChange]) -> None:
        """Receive something else, in the codecs that were agreed on. Raises RoomError."""
        asked = tuple(
            TrackChange(one.kind, one.origin, one.parameters, one.layer, format=self.format(one.kind))
            for one in changes
        )
        self.host.submit(UpdateSubscription(self.participant, self.subscription, asked))

    def leave(self) -> None:
        """Not be in the room any more."""
        for remove in self._removals:
            remove()
        self._removals.clear()
        if self.inside:
            self.inside = False
            with contextlib.suppress(RoomError):  # it was removed, or the room is over
                self.host.submit(Leave(self.participant))

    def _hear(self, event: Event) -> None:
        match event:
            case SessionReady(session=self.stream):
                self.live.set()
            case ParticipantLeft(participant=self.participant):
                self.inside = False
                self.hang_up(self, "removed from the room")
            case SessionFailed(session=(self.stream | self.subscription), reason=reason):
                self.hang_up(self, reason)

    # ── of its packets ──────────────────────────────────────────────────────────────────────────────

    def digit(self, digit: str) -> None:
        """See CallListener."""
        self.pressed(self, digit)

    def silent(self, silent: bool) -> None:
        """See CallListener."""
        if silent and self.media is not None and not self.media.held:
            self.hang_up(self, "no packet came for too long")

    def picture_wanted(self) -> None:
        """See CallListener."""
        self.ask_picture(self)

    def lost(self, reason: str) -> None:
        """See CallListener."""
        self.hang_up(self, reason)


def codecs_of(config: RoomConfig) -> frozenset[str]:
    """The codecs of calls that a room takes and makes."""
    view = config.views[0] if config.views else None
    own: list[AudioFormat | VideoFormat | None] = [view.audio_format, view.video_format] if view else []
    made = {one.codec for one in own if one is not None}
    made |= {one.codec for one in config.out.audio if config.transcoding.audio}
    made |= {one.codec for one in config.out.video if config.transcoding.video_format}
    taken = {one.codec for one in config.audio_in} | {one.codec for one in config.video_in}
    return frozenset(made & taken & (SOUND | PICTURE))


def kinds_of(config: RoomConfig, *, video: bool) -> tuple[Kind, ...]:
    """What calls may bring into a room. Raises RoomError if its definition has no role for them."""
    role = config.role(ROLE)
    if role is None:
        raise RoomError(Fault.UNKNOWN_ROLE, ROLE)
    permission = role.permission
    if not (permission.publish.audio and permission.subscribe.audio):
        raise RoomError(Fault.FORBIDDEN, ROLE, "audio")
    seen = video and permission.publish.video and permission.subscribe.video
    return ("audio", "video") if seen and codecs_of(config) & PICTURE else ("audio",)
