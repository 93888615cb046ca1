"""The media of calls: an RTP transport for each section, and the source and sink of a room at its ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from palaver.media.endpoints import EndpointKind, EndpointLost
from palaver.media.ports import EngineError
from palaver.room.endpoints import RtpSink, RtpSource
from palaver.room.messages import ForgetSinkOrigin, OpenSink, OpenSource, SetSinkActive, SetSinkOrigin
from palaver.sip.negotiation import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from palaver.media.endpoints import Endpoint, RoomMedia, Sending
    from palaver.media.rtp import RtpPorts, RtpSection, RtpTransport
    from palaver.room.messages import Action
    from palaver.room.values import Kind, SubscribedTrack

NO_MEDIA = "the call has no media"


class CallListener(Protocol):
    """Hears what comes with the packets of a call."""

    def digit(self, digit: str) -> None:
        """A key was pressed."""
        ...

    def silent(self, silent: bool) -> None:
        """Nothing comes, or something again."""
        ...

    def picture_wanted(self) -> None:
        """The phone has to be asked for a key frame by signalling."""
        ...

    def lost(self, reason: str) -> None:
        """A transport cannot go on."""
        ...


@dataclass(eq=False, slots=True)
class _Ear:
    """Listens to one transport; only a call's sound tells that it is silent."""

    kind: Kind
    listener: CallListener

    def latched(self, address: str, port: int) -> None:
        """See RtpListener."""

    def digit(self, digit: str) -> None:
        """See RtpListener."""
        self.listener.digit(digit)

    def silent(self, silent: bool) -> None:
        """See RtpListener."""
        if self.kind == "audio":
            self.listener.silent(silent)

    def picture_wanted(self) -> None:
        """See RtpListener."""
        self.listener.picture_wanted()

    def lost(self, reason: str) -> None:
        """See RtpListener."""
        self.listener.lost(reason)


@dataclass(eq=False, slots=True)
class CallMedia:
    """The transports of one call, and what of the room is at its ends."""

    id: str
    transports: dict[Kind, RtpTransport]
    sections: dict[Kind, RtpSection] = field(default_factory=dict)
    source: PhoneSource | None = None
    sink: PhoneSink | None = None

    @property
    def places(self) -> Mapping[Kind, Place]:
        """Where each kind is taken."""
        return {kind: Place(one.address, one.port, one.rtcp_port) for kind, one in self.transports.items()}

    @property
    def held(self) -> bool:
        """Whether the phone holds the call: what it sends meanwhile, such as music, is not for the room."""
        return "audio" in self.sections and self.sections["audio"].direction != "sendrecv"

    def agree(self, sections: Mapping[Kind, RtpSection]) -> None:
        """From now on media flow like this; a kind that is left out rests. Raises ValueError."""
        before, self.sections = self.sections, dict(sections)
        for kind, transport in self.transports.items():
            if (section := sections.get(kind)) is not None:
                transport.configure(section)
            elif (former := before.get(kind)) is not None:
                transport.configure(replace(former, direction="inactive"))
        changed = [
            kind
            for kind, section in sections.items()
            if kind in before and before[kind].payload.codec != section.payload.codec
        ]
        if self.source is not None:
            self.source.agreed(changed)
        if self.sink is not None:
            self.sink.agreed(changed)

    def press(self, digits: str) -> None:
        """Send digits to the phone. Raises ValueError for what are none."""
        self.transports["audio"].send_digits(digits)

    def refresh(self) -> None:
        """The phone asks for a key frame."""
        if (video := self.transports.get("video")) is not None:
            video.refresh()

    def close(self) -> None:
        """Give its ports back."""
        for transport in self.transports.values():
            transport.close()


class PhoneSource:
    """What a phone sends, as a room's source."""

    def __init__(self, media: RoomMedia, call: CallMedia) -> None:
        self._media, self._call = media, call
        self._interrupted = False
        self._ready = False

    async def run(self) -> None:
        """See Endpoint."""
        tracks = [self._media.receive(self._call.transports[kind]) for kind in self._call.sections]
        self._media.ready(tuple(track.described() for track in tracks))
        self._ready = True
        self.agreed(())
        await asyncio.Event().wait()

    def change(self, action: Action) -> None:
        """See Endpoint: muting is the engine's."""

    def agreed(self, changed: Iterable[Kind]) -> None:
        """Something was agreed on anew; of the kinds ``changed`` the codec is another."""
        if not self._ready:
            return
        tracks = tuple(self._media.receive(self._call.transports[kind]).described() for kind in changed)
        if self._call.held and not self._interrupted:
            self._interrupted = True
            self._media.interrupted("on hold")
        elif tracks or (self._interrupted and not self._call.held):
            self._interrupted = False
            self._media.resumed(tracks)


class PhoneSink:
    """What a phone receives, as a room's sink."""

    def __init__(self, action: OpenSink, media: RoomMedia, call: CallMedia) -> None:
        self._media, self._call = media, call
        self._tracks: dict[Kind, SubscribedTrack] = {one.kind: one for one in action.subscription.tracks}
        self._sent: dict[Kind, Sending] = {}

    async def run(self) -> None:
        """See Endpoint."""
        for kind in self._tracks:
            self._send(kind)
        self._media.ready()
        await asyncio.Event().wait()

    def change(self, action: Action) -> None:
        """See Endpoint."""
        match action:
            case SetSinkOrigin(track=track):
                self._tracks[track.kind] = track
                self._send(track.kind)
            case ForgetSinkOrigin(kind=kind):
                if (sending := self._sent.pop(kind, None)) is not None:
                    sending.close()
            case SetSinkActive(kind=kind, active=active) if kind in self._sent:
                self._sent[kind].set_active(active)

    def agreed(self, changed: Iterable[Kind]) -> None:
        """The codec of these kinds is another."""
        for kind in changed:
            if kind in self._tracks:
                self._send(kind)

    def _send(self, kind: Kind) -> None:
        transport = self._call.transports.get(kind)
        if transport is None or kind not in self._call.sections:
            return
        sending = self._media.send(self._tracks[kind], transport)
        if sending is None and kind == "audio":
            raise EndpointLost("the sound cannot be sent in the codec of the call")
        if sending is not None:
            self._sent[kind] = sending
            if not self._tracks[kind].active:
                sending.set_active(False)


class Lines:
    """The media of all calls. ``ports`` are the engine's, once there is one."""

    def __init__(self) -> None:
        self.ports: RtpPorts | None = None
        self._calls: dict[str, CallMedia] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def kinds(self) -> dict[type, EndpointKind]:
        """How rooms reach phones."""
        return {RtpSource: EndpointKind(self._source), RtpSink: EndpointKind(self._sink)}

    def open(self, call: str, kinds: Iterable[Kind], listener: CallListener) -> CallMedia:
        """Take the ports of a call. Raises EngineError if there are none."""
        if self.ports is None:
            raise EngineError("this server has no ports for calls")
        transports: dict[Kind, RtpTransport] = {}
        try:
            for kind in kinds:
                beside = next(iter(transports.values()), None)
                transports[kind] = self.ports.open(_Ear(kind, listener), beside=beside)
        except EngineError:
            for transport in transports.values():
                transport.close()
            raise
        self._calls[call] = media = CallMedia(call, transports)
        return media

    def close(self, call: str) -> None:
        """A call is over."""
        if (media := self._calls.pop(call, None)) is not None:
            media.close()

    def _source(self, action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        assert isinstance(action, OpenSource)
        assert isinstance(action.source, RtpSource)
        call = self._call(action.source.call)
        call.source = source = PhoneSource(media, call)
        return source

    def _sink(self, action: OpenSource | OpenSink, media: RoomMedia) -> Endpoint:
        assert isinstance(action, OpenSink)
        assert isinstance(action.sink, RtpSink)
        call = self._call(action.sink.call)
        call.sink = sink = PhoneSink(action, media, call)
        return sink

    def _call(self, call: str) -> CallMedia:
        if (media := self._calls.get(call)) is None or not media.sections:
            raise EndpointLost(NO_MEDIA)
        return media
