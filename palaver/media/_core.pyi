"""The packet core: ICE-lite, DTLS, SRTP and the forwarding of RTP, in Rust threads of its own.

No packet passes through Python. Calls return at once: they queue a command for the thread that owns the object, and
whatever follows arrives later from :meth:`Core.events`. An id carries its thread in its top byte and is never used twice.
Calls may come from any Python thread; the interpreter lock is released wherever Rust could wait.
"""

from collections.abc import Callable, Sequence
from typing import final

__all__ = [
    "AudioLevel",
    "Connected",
    "Core",
    "CoreBusy",
    "Digit",
    "Latched",
    "Layer",
    "Lost",
    "NamePainter",
    "Negotiated",
    "PictureWanted",
    "PipelineLost",
    "Refused",
    "Resolution",
    "RtpSection",
    "Silent",
    "SipStack",
    "Stalled",
    "Unroutable",
    "__version__",
]

__version__: str

class CoreBusy(RuntimeError):
    """The command queue of a thread is full: nothing was queued. Try again, or refuse the caller."""

@final
class SipStack:
    """A SIP user agent in a thread of its own. Commands never wait; what comes of them are events, in order.

    Commands raise LookupError for an account or call that there is not (any more), ValueError for what does not read,
    RuntimeError when the stack is closed or has as many calls as it may.
    """

    def __new__(
        cls,
        bind: str,
        on_event: Callable[[str, tuple[object, ...]], None],
        *,
        public: str | None = None,
        tcp: bool = True,
        agent: str = "Palaver",
        max_calls: int = 500,
        max_calls_per_source: int = 100,
        tries_per_source: int = 100,
        tls_roots: bytes | None = None,
        tls_certificate: bytes | None = None,
        tls_key: bytes | None = None,
        tls_bind: str | None = None,
    ) -> SipStack:
        """Listen on ``bind`` ("address:port"), by UDP and TCP. Raises OSError.

        ``on_event`` is called from another thread, with an event's name and fields (``palaver/sip/events.py``).
        ``public``: what others are told instead of ``bind``.
        ``tries_per_source``: calls that an address may try at once, and each ten seconds.
        Certificates are PEM; without ``tls_roots`` TLS reaches no server.
        """
    @property
    def address(self) -> str:
        """Where others reach it."""
    def register(
        self, server: str, user: str, password: str, *, expires_s: int = 300, limit_s: float = 8.0
    ) -> int:
        """Keep an account registered; ``limit_s``: how long the registrar may take to answer. Returns its number."""
    def unregister(self, account: int) -> None:
        """Let it go; ``AccountLeft`` follows."""
    def invite(
        self,
        account: int,
        peer: str,
        offer: str,
        *,
        name: str = "",
        limit_s: float = 45.0,
        first_limit_s: float = 8.0,
    ) -> int:
        """Call ``peer`` through the account's server. Returns the call's number.

        ``limit_s``: how long it may ring; ``first_limit_s``: how long there may be no answer at all.
        """
    def ring(self, call: int) -> None:
        """Tell the caller that it rings."""
    def answer(self, call: int, description: str) -> None:
        """Take a call."""
    def reject(self, call: int, status: int) -> None:
        """Refuse a call that was not taken yet; ``status`` is 300 to 699."""
    def hang_up(self, call: int) -> None:
        """End a call, whatever its state."""
    def update(self, call: int, description: str) -> None:
        """Offer the peer another session; ``CallUpdated`` follows."""
    def respond(self, call: int, request: int, status: int, description: str = "") -> None:
        """Answer ``CallOffered``: from 300 on it is a refusal."""
    def info(self, call: int, kind: str, body: str) -> None:
        """Send a message of a media type within the call."""
    def stats(self) -> dict[str, int]:
        """How many accounts, calls, dialogs and transactions there are."""
    def close(self) -> None:
        """Hang up, unregister and close the ports; takes at most a few seconds."""

@final
class NamePainter:
    """Draws names: shaping, right-to-left, font fallback and line breaks. Calls of several threads wait for each other."""

    def __new__(cls, fonts: Sequence[str]) -> NamePainter:
        """``fonts``: files; those that cannot be read are left out. One font is built in."""
    def paint(self, name: str, width: int, height: int, ground: tuple[int, int, int]) -> bytes | None:
        """Rows of red, green and blue: ``name`` over ``ground``, on lines of its own, cut at the end if it is very long.

        None if the library that lays text out failed on it.
        """
    def draws(self, text: str) -> bool:
        """Whether there is a glyph for every character."""

@final
class Negotiated:
    """The answer to one offer (RFC 8829, section 5.3)."""

    __match_args__ = ("request", "transport", "answer")
    @property
    def request(self) -> int:
        """The number that was given to :meth:`Core.negotiate`."""
    @property
    def transport(self) -> int: ...
    @property
    def answer(self) -> str:
        """The whole SDP answer, candidates included."""

@final
class Refused:
    """A command could not be carried out; nothing has changed. ``request`` is 0 for commands that carry no number."""

    __match_args__ = ("request", "subject", "reason")
    @property
    def request(self) -> int: ...
    @property
    def subject(self) -> int:
        """Id of the transport, producer or consumer concerned."""
    @property
    def reason(self) -> str: ...

@final
class Connected:
    """ICE and DTLS are up: media can flow. Said once per transport."""

    __match_args__ = ("transport",)
    @property
    def transport(self) -> int: ...

@final
class Unroutable:
    """Media arrives of which no section can be told (RFC 8843, section 9.2). Said once per transport."""

    __match_args__ = ("transport", "ssrc", "payload_type")
    @property
    def transport(self) -> int: ...
    @property
    def ssrc(self) -> int: ...
    @property
    def payload_type(self) -> int: ...

@final
class Lost:
    """A transport is gone, with all its producers and consumers. Not said after :meth:`Core.close_transport`."""

    __match_args__ = ("transport", "reason")
    @property
    def transport(self) -> int: ...
    @property
    def reason(self) -> str:
        """``ice timeout``, ``dtls failed: …``, ``closed by peer``, ``never connected`` or ``panic: …``."""

@final
class Resolution:
    """The picture size that a key frame of a producer, or of one of its layers, showed: said for the first and at each change."""

    __match_args__ = ("producer", "rid", "width", "height")
    @property
    def producer(self) -> int: ...
    @property
    def rid(self) -> str | None:
        """The layer's name (RFC 8852); None for a producer that is not simulcast."""
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...

@final
class Layer:
    """What a video consumer is sent has changed: said when its first packet leaves, at each switch of layers, and when it pauses.

    Not said for temporal and spatial layers within one stream (SVC).
    """

    __match_args__ = ("consumer", "rid")
    @property
    def consumer(self) -> int: ...
    @property
    def rid(self) -> str | None:
        """Name of the layer that is sent from now on, empty if the producer is not simulcast. None: nothing is sent, because either side
        is inactive, the section does not receive, or there is not enough bandwidth."""

@final
class AudioLevel:
    """Loudness of an audio producer (RFC 6464), at most ten times a second and only when it changed by 3 dB or more."""

    __match_args__ = ("producer", "level_dbov", "voice")
    @property
    def producer(self) -> int: ...
    @property
    def level_dbov(self) -> int:
        """0 (loudest) down to -127 (silence)."""
    @property
    def voice(self) -> bool: ...

@final
class Stalled:
    """Nothing of a producer's peer arrived for 5 s (``stalled``), or its packets came back (not ``stalled``)."""

    __match_args__ = ("producer", "stalled")
    @property
    def producer(self) -> int: ...
    @property
    def stalled(self) -> bool: ...

@final
class Latched:
    """The peer of an RTP transport sends from there: said with its first authentic packet. What we send goes there from now on."""

    __match_args__ = ("transport", "address", "port")
    @property
    def transport(self) -> int: ...
    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...

@final
class Digit:
    """The peer of an RTP transport presses a key (RFC 4733). Said once for each, when it begins."""

    __match_args__ = ("transport", "digit")
    @property
    def transport(self) -> int: ...
    @property
    def digit(self) -> str:
        """One of ``0123456789*#ABCD``."""

@final
class Silent:
    """Nothing has come to an RTP transport for its ``timeout_s``, although the peer is to send (``silent``); or it comes again."""

    __match_args__ = ("transport", "silent")
    @property
    def transport(self) -> int: ...
    @property
    def silent(self) -> bool: ...

@final
class PictureWanted:
    """A key frame of a producer is needed, and its peer takes neither PLI nor FIR: it has to be asked some other way."""

    __match_args__ = ("producer",)
    @property
    def producer(self) -> int: ...

@final
class RtpSection:
    """What was agreed on for an RTP transport, which carries one section. Immutable and checked."""

    def __new__(
        cls,
        codec: str,
        payload_type: int,
        address: str,
        port: int,
        *,
        receive_payload_type: int | None = None,
        direction: str = "sendrecv",
        rtcp_port: int | None = None,
        mux: bool = False,
        packetization_mode: int = 1,
        events: Sequence[tuple[int, int]] = ...,
        send_events: tuple[int, int] | None = None,
        comfort_noise: int | None = None,
        feedback: Sequence[str] = ...,
        srtp: tuple[str, bytes, bytes] | None = None,
        timeout_s: float = 0.0,
    ) -> RtpSection:
        """Raises ValueError that names the argument.

        ``codec``: "opus", "pcmu", "pcma", "g722", "vp8" or "h264"; ``payload_type`` is that of what we send, and of what we receive as
        well, unless ``receive_payload_type`` is another. ``address`` and ``port`` are the peer's by its description, port 0: not known yet.
        ``direction`` is ours: "sendrecv", "sendonly", "recvonly" or "inactive". RTCP goes to ``rtcp_port``, usually the one above
        ``port``, or with ``mux`` to ``port``. ``events``: payload types and clock rates of telephone-event that we receive;
        ``send_events``: of those that we send. ``feedback``: of "nack", "pli" and "fir" those that both sides take. ``srtp``: suite
        ("AES_CM_128_HMAC_SHA1_80" or "AES_CM_128_HMAC_SHA1_32"), our key with its salt and the peer's, 30 bytes each.
        ``timeout_s``: :class:`Silent` is said after it; 0: never.
        """

@final
class PipelineLost:
    """A pipeline is gone: the other side closed its socket, or wrote what is no message. Not said after :meth:`Core.close_pipeline`."""

    __match_args__ = ("pipeline", "reason")
    @property
    def pipeline(self) -> int: ...
    @property
    def reason(self) -> str: ...

@final
class Core:
    """All media transports of a node: ``threads`` threads, each with its own sockets and its own objects.

    Thread ``i`` listens on ``port + i`` at every address, for UDP and TCP; with ``port=0`` each takes a free port, the same at all its addresses.
    The threads start at construction and end with :meth:`close` or when the object is collected.
    """

    def __new__(
        cls,
        addresses: Sequence[str],
        port: int,
        threads: int = 1,
        *,
        tcp: bool = True,
        connect_timeout_s: float = 30.0,
    ) -> Core:
        """Bind and start.

        ``addresses`` are IP literals (v4 or v6) of this machine, each becomes a host candidate; none may be a wildcard.
        ``tcp``: listen for TCP on the same ports, and offer passive candidates (RFC 6544).
        ``connect_timeout_s``: a transport that has not connected by then is reported as lost.
        Raises OSError (with errno, protocol, address and port in its text) if a socket cannot be bound, ValueError for a bad argument.
        """
    @property
    def ports(self) -> list[int]:
        """The port of each thread, for UDP and TCP."""
    def fileno(self) -> int:
        """A descriptor that is readable while events wait; for ``loop.add_reader``."""
    def events(
        self,
    ) -> list[
        Negotiated
        | Refused
        | Connected
        | Lost
        | Resolution
        | Layer
        | AudioLevel
        | Stalled
        | PipelineLost
        | Latched
        | Digit
        | Silent
        | PictureWanted
    ]:
        """Everything that happened since the last call, in order per thread. Never blocks.

        The queue is bounded: AudioLevel events are dropped first, and counted; the others are bounded by the commands and objects alive.
        """
    def create_transport(self, thread: int, group: int = 0) -> int:
        """Name a new transport on ``thread``; it exists from its first offer on. Raises ValueError for an unknown thread.

        Transports of one ``group`` hear each other: what one says on a data channel is repeated on those channels of the others that
        carry the same label, at most 16 KiB at a time. In group 0 nobody hears anybody.
        """
    def negotiate(self, transport: int, request: int, offer: str) -> None:
        """Apply an SDP offer; answered by :class:`Negotiated` or :class:`Refused` with the same ``request`` (not 0).

        The first offer creates the transport; later ones may add sections, change directions or restart ICE.
        A refused offer leaves the transport as it was (a refused first one leaves none); should one break the session
        half-way all the same, :class:`Refused` is followed by :class:`Lost`.
        """
    def add_candidate(self, transport: int, candidate: str) -> None:
        """Add a remote candidate, as in an ``a=candidate`` line without ``a=``. Unusable ones (mDNS, TCP active) are ignored."""
    def open_rtp(
        self, thread: int, address: str, first_port: int, last_port: int, beside: int = 0
    ) -> tuple[int, int]:
        """Open an RTP transport on two free ports of the range, an even one and the next for RTCP; returns its id and the even port.

        It carries nothing before :meth:`set_rtp`. What it publishes is played together with what the transport ``beside`` publishes.
        Raises OSError if no two ports are free, ValueError for a bad argument.
        """
    def set_rtp(self, transport: int, section: RtpSection) -> None:
        """Say what was agreed on, or has changed. The section is called "rtp" in :meth:`publish` and :meth:`subscribe`.

        Numbers go on, whatever changes. The same ``srtp`` as before goes on with its rollover counters. Another ``address`` or ``port``
        than before lets the transport latch anew, once. Refused with the transport as its subject if there is no such RTP transport.
        """
    def send_digits(self, transport: int, digits: str) -> None:
        """Send keys, one after the other, 100 ms each. Raises ValueError for what is no key; without ``send_events`` it does nothing."""
    def refresh(self, consumer: int) -> None:
        """Its peer has asked for a key frame, some other way than by RTCP."""
    def publish(self, transport: int, mid: str) -> int:
        """Forward what arrives on section ``mid`` to whoever subscribes; returns the producer's id. May be Refused.

        Its format is the first codec of the section. Each subscriber gets one layer of a simulcast section: see :meth:`set_layer`.
        """
    def unpublish(self, producer: int) -> None:
        """End a producer and all consumers to it. Unknown ids are ignored, here and below: they may just have been lost."""
    def subscribe(self, producer: int, transport: int, mid: str) -> int:
        """Send a producer on section ``mid`` of ``transport``; returns the consumer's id. May be Refused.

        The two may live on different threads. A key frame is asked for at once, or as soon as the transport connects.
        The section must have negotiated the producer's codec (for H264 with the same profile and packetization mode).
        """
    def open_pipeline(self, thread: int, fd: int) -> int:
        """Exchange frames with a process over a Unix stream socket, as ``docs/protocol/frames.md`` says; returns the pipeline's id.

        The descriptor belongs to the core from now on. When the other side ends, or breaks the form, :class:`PipelineLost` follows.
        Raises ValueError for an unknown thread, OSError for no descriptor.
        """
    def close_pipeline(self, pipeline: int) -> None:
        """End its taps and close its socket; its outputs wait for another pipeline."""
    def create_output(self, thread: int, codec: str, *, fragments: bool = True) -> int:
        """A producer that a pipeline will make, in ``codec`` ("opus", "vp8", …); returns its id. End it with :meth:`unpublish`.

        Not ``fragments``: H264 in packetization mode 0, one NAL unit to a packet, so that the encoder has to make them short.

        Raises ValueError for a codec that cannot be sent.
        """
    def connect_output(self, producer: int, pipeline: int, track: int) -> None:
        """Make an output of what the pipeline writes for ``track`` from now on. Both have to be on one thread.

        Its subscribers see one stream go on; a key frame is asked for.
        """
    def tap(self, producer: int, pipeline: int, track: int) -> int:
        """Give a producer's frames to a pipeline as ``track``; returns a consumer's id, for :meth:`set_layer` too. May be Refused."""
    def unsubscribe(self, consumer: int) -> None: ...
    def set_producer_active(self, producer: int, active: bool) -> None:
        """While inactive nothing of it is forwarded; resuming asks for a key frame. Sequence numbers have no hole."""
    def set_consumer_active(self, consumer: int, active: bool) -> None:
        """While inactive nothing is sent to this subscriber; resuming asks for a key frame. Sequence numbers have no hole."""
    def set_layer(
        self,
        consumer: int,
        rid: str | None,
        max_width: int = 0,
        max_height: int = 0,
        max_framerate: float = 0.0,
    ) -> None:
        """Say which layer of a simulcast or SVC producer this subscriber gets; until then, and with ``rid`` None, the best there is.

        ``rid`` names a layer; the limits (0: none) choose the largest picture within them, and leave out temporal layers above
        ``max_framerate``. What is not there, or has stopped arriving, is replaced by the nearest below, else by the lowest; it
        is taken as soon as it (or it again) arrives. Lack of bandwidth can choose a lower one, never a higher one.
        The change happens at a key frame, which is asked for if need be; until it comes, the old layer is sent. :class:`Layer` tells it.
        A name that has not been seen counts as none. Raises ValueError for one that cannot be (1 to 8 ASCII letters and digits) and
        for negative limits.
        """
    def close_transport(self, transport: int) -> None:
        """Close it with a DTLS close_notify, and all it publishes and subscribes."""
    def stats(self) -> list[dict[str, int]]:
        """Counters of each thread since the start, and gauges of what is alive.

        Counters: ``packets_received``, ``packets_sent``, ``bytes_received``, ``bytes_sent``, ``packets_forwarded``,
        ``packets_dropped`` (full queue or socket), ``packets_unknown`` (nobody's), ``keyframe_requests``, ``keyframe_requests_refused`` (beyond a subscriber's share), ``receive_calls``,
        ``send_calls``, ``panics``, ``events_dropped``, ``channel_messages`` (per listener), ``channel_dropped`` (beyond a bound),
        ``channels_refused``, ``stun_forged`` (names a peer, not signed by it), ``tcp_accepted``,
        ``tcp_refused`` (too many strangers, no descriptors), ``tcp_rejected`` (garbage, forged or silent), ``tcp_stuck`` (took nothing
        any more), ``tcp_dropped`` (packets for slow readers), ``probes`` (bursts that try whether more gets through),
        ``padding_bytes`` (sent for them), ``pacing_dropped`` (would have waited too long), ``layer_switches``,
        ``catch_ups`` (subscribers given the key frame that had just come). Gauges: ``transports``, ``producers``,
        ``consumers``, ``tcp_connections``, ``videos_paused`` (not sent for want of bandwidth).
        """
    def transport_stats(self, transport: int) -> dict[str, int] | None:
        """Figures of one transport, or None if it is unknown.

        Counters: ``packets_received``, ``packets_sent``, ``bytes_received``, ``bytes_sent``, ``probes``. Gauges: ``target_bps`` (what
        may be sent to it; 0: nothing limits it), ``videos_paused`` (not sent for want of bandwidth). Of RTP transports besides:
        ``packets_lost``, ``packets_late`` (after their turn), ``packets_refused`` (from elsewhere, forged or of another payload type);
        ``jitter_us``, and what the peer reports of us: ``reported_lost`` (256ths of the last interval), ``round_trip_us``.
        """
    def close(self) -> None:
        """Close every transport, stop and join the threads. Waits at most 2 s; other calls after it raise RuntimeError."""
