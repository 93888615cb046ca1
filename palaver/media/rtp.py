"""Plain RTP: ports of a range, and what is agreed on for each. Signalling uses it; the core moves the packets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from palaver.media import _core
from palaver.media.ports import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palaver.media.backlog import Backlog
    from palaver.media.formats import Payload
    from palaver.room.values import Kind

Direction: TypeAlias = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Feedback: TypeAlias = Literal["nack", "pli", "fir"]
Suite: TypeAlias = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"]

SECTION: Final = "rtp"
"""What the core calls the one section of an RTP transport."""
KEY_BYTES: Final = 30
"""Of a master key of 16 bytes with its salt of 14 (RFC 4568, section 6.2)."""


@dataclass(frozen=True, slots=True)
class RtpSettings:
    """Where RTP transports listen: two ports each of ``first`` to ``last`` on ``address``.

    Peers are told to send to ``public_address``, which is the same where no NAT is between.
    """

    address: str
    first: int
    last: int
    public_address: str


@dataclass(frozen=True, slots=True)
class Srtp:
    """Keys of SDES (RFC 4568): ours, which seals what we send, and the peer's; each with its salt."""

    suite: Suite
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RtpSection:
    """What was agreed on for one media section of a call.

    ``payload`` is what we send, by the number under which the peer receives it; its codec is also what we receive, as
    ``receives`` where that is another number. ``direction`` is ours. ``remote`` is by the peer's description; RTCP
    goes to its port ``rtcp_port``, if that is not the one above, or with ``mux`` to the same. ``events`` are the
    payload types of telephone-event that we receive, each with its clock rate; ``sends_events`` is the one that we
    send, ``comfort_noise`` that of comfort noise (RFC 3389). After ``timeout_s`` without a packet of a peer that is
    to send, the listener is told.
    """

    payload: Payload
    remote: tuple[str, int]
    direction: Direction = "sendrecv"
    receives: int | None = None
    rtcp_port: int | None = None
    mux: bool = False
    events: tuple[tuple[int, int], ...] = ()
    sends_events: tuple[int, int] | None = None
    comfort_noise: int | None = None
    feedback: tuple[Feedback, ...] = ()
    srtp: Srtp | None = None
    timeout_s: float = 0.0

    @property
    def kind(self) -> Kind:
        """Of its codec."""
        return "audio" if self.payload.codec in ("opus", "pcmu", "pcma", "g722") else "video"

    def for_core(self) -> _core.RtpSection:
        """The same, checked. Raises ValueError that names what is wrong."""
        srtp = self.srtp
        return _core.RtpSection(
            self.payload.codec,
            self.payload.number,
            *self.remote,
            receive_payload_type=self.receives,
            direction=self.direction,
            rtcp_port=self.rtcp_port,
            mux=self.mux,
            packetization_mode=int(self.payload.fmtp.get("packetization-mode", "0")),
            events=self.events,
            send_events=self.sends_events,
            comfort_noise=self.comfort_noise,
            feedback=self.feedback,
            srtp=None if srtp is None else (srtp.suite, srtp.ours, srtp.theirs),
            timeout_s=self.timeout_s,
        )


class RtpListener(Protocol):
    """Hears what happens on an RTP transport. Called in the event loop; must not block."""

    def latched(self, address: str, port: int) -> None:
        """The first packet came, from there."""
        ...

    def digit(self, digit: str) -> None:
        """The peer presses a key: one of ``0123456789*#ABCD``."""
        ...

    def silent(self, silent: bool) -> None:
        """Nothing came for the section's ``timeout_s``; or it comes again."""
        ...

    def picture_wanted(self) -> None:
        """A key frame of the peer is needed, and it takes neither PLI nor FIR."""
        ...

    def lost(self, reason: str) -> None:
        """The core cannot go on with it."""
        ...


@dataclass(eq=False, slots=True)
class RtpTransport:
    """Two ports and what is agreed on for them: one media section of a call. Close it when the section ends."""

    handle: int
    address: str
    port: int
    listener: RtpListener
    _ports: RtpPorts
    section: RtpSection | None = None
    producer: int | None = None
    consumer: int | None = None
    closed: bool = False

    @property
    def rtcp_port(self) -> int:
        """Where RTCP is expected that does not come to ``port``."""
        return self.port + 1

    def configure(self, section: RtpSection) -> None:
        """Say what was agreed on, or has changed: the remote address, numbers, direction, keys.

        Raises ValueError for a section that cannot be. Another codec ends what is received and sent: begin both anew.
        """
        checked = section.for_core()
        self.section = section
        self._ports.do(partial(self._ports.core.set_rtp, self.handle, checked))

    def send_digits(self, digits: str) -> None:
        """Press keys. Raises ValueError for what is none; nothing is sent if the peer takes no telephone-event."""
        self._ports.core.send_digits(self.handle, digits)

    def refresh(self) -> None:
        """The peer asked for a key frame in its signalling."""
        if self.consumer is not None:
            self._ports.do(partial(self._ports.core.refresh, self.consumer))

    def published(self, producer: int) -> None:
        """What comes on it is called so by the core."""
        self._ports.published(self, producer)

    def stats(self) -> Mapping[str, int]:
        """Figures of the core; none once it is closed."""
        return self._ports.core.transport_stats(self.handle) or {}

    def close(self) -> None:
        """Give the ports back; what it received and sent ends."""
        if not self.closed:
            self.closed = True
            self._ports.forget(self)
            self._ports.do(partial(self._ports.core.close_transport, self.handle))


class RtpPorts:
    """The RTP transports of a node."""

    def __init__(self, core: _core.Core, backlog: Backlog, settings: RtpSettings) -> None:
        self.core, self._backlog, self._settings = core, backlog, settings
        self._transports: dict[int, RtpTransport] = {}
        self._producers: dict[int, RtpTransport] = {}

    def __len__(self) -> int:
        return len(self._transports)

    def open(
        self, listener: RtpListener, *, thread: int = 0, beside: RtpTransport | None = None
    ) -> RtpTransport:
        """Take two ports; ``beside`` is the transport of another section of the same call.

        Raises EngineError if all ports of the range are taken.
        """
        one = self._settings
        try:
            handle, port = self.core.open_rtp(
                thread, one.address, one.first, one.last, 0 if beside is None else beside.handle
            )
        except OSError as error:
            raise EngineError(f"no RTP port is free: {error}") from error
        transport = RtpTransport(handle, one.public_address, port, listener, self)
        self._transports[handle] = transport
        return transport

    def narrow(self, first: int, last: int) -> None:
        """Take ports of another range from now on."""
        self._settings = replace(self._settings, first=first, last=last)

    def do(self, command: partial[None]) -> None:
        """Tell the core, now or as soon as it listens."""
        self._backlog.do(command)

    def forget(self, transport: RtpTransport) -> None:
        """It is closed."""
        self._transports.pop(transport.handle, None)
        if transport.producer is not None:
            self._producers.pop(transport.producer, None)

    def published(self, transport: RtpTransport, producer: int) -> None:
        """What comes on ``transport`` is called so by the core."""
        if transport.producer is not None:
            self._producers.pop(transport.producer, None)
        transport.producer = producer
        self._producers[producer] = transport

    def take(self, event: object) -> bool:
        """Pass on an event of the core; False if it is none of an RTP transport."""
        match event:
            case _core.PictureWanted(producer):
                if found := self._producers.get(producer):
                    found.listener.picture_wanted()
            case _core.Latched(handle) | _core.Digit(handle) | _core.Silent(handle):
                if found := self._transports.get(handle):
                    _tell(found.listener, event)
            case _core.Lost(handle, reason) | _core.Refused(_, handle, reason):
                if (found := self._transports.get(handle)) is None:
                    return False
                found.closed = True
                self.forget(found)
                found.listener.lost(reason)
            case _:
                return False
        return True


def _tell(listener: RtpListener, event: _core.Latched | _core.Digit | _core.Silent) -> None:
    match event:
        case _core.Latched(_, address, port):
            listener.latched(address, port)
        case _core.Digit(_, digit):
            listener.digit(digit)
        case _core.Silent(_, silent):
            listener.silent(silent)
