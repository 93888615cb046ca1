"""What negotiation decides, without I/O: the offer that the core gets to see, and the answer that the client gets.

The client always offers (RFC 8829, section 5.3). Before the core answers, each section is reduced to what may be used:

* a section that a source waits for keeps the first payload type, in the client's order, that the room accepts, and the
  simulcast layers that are offered for it;
* a section that a sink waits for keeps the one that carries the source's own format;
* a section without such a payload type is rejected, the others live;
* every other section becomes ``inactive``: it was never asked for, or what it carried has ended.

What is told by SSRCs alone (Chromium's older simulcast) is taken out, so that one encoding arrives.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from palaver.media.formats import Payload, carries, closeness, format_of, kind_of, made_as, same_stream
from palaver.media.ports import NegotiationError
from palaver.media.webrtc import simulcast
from palaver.media.webrtc.parameters import Parameters, Refusal, Sound, answered, sound_made, sound_of
from palaver.media.webrtc.sdp import Description, Section, parse
from palaver.room.formats import accepts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palaver.room.values import Format, Kind

MAX_CANDIDATE: Final = 512
_HOST: Final = {"udp": 126, "tcp": 90}
"""Type preferences of host candidates: TCP is for whom UDP does not reach."""
_LETTERS: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Incoming:
    """A section through which a source's track shall arrive, in one of the formats that the room accepts."""

    session: str
    kind: Kind
    allowed: tuple[Format, ...]

    def choose(self, payloads: Sequence[Payload]) -> Payload | None:
        """The first acceptable one in the client's order."""
        for payload in payloads:
            offered = format_of(payload)
            if offered is not None and any(accepts(allowed, offered) for allowed in self.allowed):
                return payload
        return None

    def fits(self, direction: str) -> bool:
        """Whether the client means to send here."""
        return direction in ("sendonly", "sendrecv")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A section for a sink's track: it leaves as it was ``published``, or else made in one of ``formats``."""

    session: str
    kind: Kind
    published: Payload | None
    formats: tuple[Format, ...] = ()

    def choose(self, payloads: Sequence[Payload]) -> Payload | None:
        """The one that suits the source's format best, of equals the first; else the best that can be made."""
        if (published := self.published) is not None:
            able = [payload for payload in payloads if carries(payload, published)]
            if able:
                return max(able, key=lambda payload: closeness(payload, published))
        made = [payload for payload in payloads if made_as(payload, self.formats) is not None]
        return next((payload for payload in made if _takes_fragments(payload)), made[0] if made else None)

    def sound(self, payload: Payload) -> Sound | None:
        """What will be heard of it as ``payload``."""
        if self.published is not None and carries(payload, self.published):
            return sound_of(self.published)
        return sound_made(made_as(payload, self.formats))

    def fits(self, direction: str) -> bool:
        """Whether the client means to receive here."""
        return direction in ("recvonly", "sendrecv")


Wanted = Incoming | Outgoing


def _takes_fragments(payload: Payload) -> bool:
    """Pictures that are made are cut into fragments, which mode 0 does not know (RFC 6184, section 6.2)."""
    return payload.codec != "h264" or payload.fmtp.get("packetization-mode") == "1"


@dataclass(frozen=True, slots=True)
class Bound:
    """A section in use: the session it serves, the payload types agreed on in the client's order, and its layers."""

    session: str
    kind: Kind
    mid: str
    payload: Payload
    numbers: tuple[int, ...]
    sends: bool  # from the server's side
    layers: tuple[str, ...] = ()
    sent: Sound | None = None
    """Where the server sends audio: what it is."""

    def fits(self, direction: str) -> bool:
        """Whether the client still means to use the section for it."""
        return direction in ("sendrecv", "recvonly" if self.sends else "sendonly")


@dataclass(slots=True)
class Plan:
    """What becomes of one offer: what the core gets, which sections are newly bound, which cannot be.

    ``rejected`` are the sections without a common codec, each with the session that waited for it; a session with
    nothing else has ``failed``. ``stopped`` are those that were in use and cannot carry anything any more (RFC 8829
    §5.2.2). ``parameters`` are for the answer, by mid.
    """

    offer: str
    bound: list[Bound] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    parameters: dict[str, Parameters | Refusal] = field(default_factory=dict)


def plan(offer: str, wanted: Mapping[str, Wanted], used: Mapping[str, Bound]) -> Plan:
    """Decide about every section of ``offer``; ``wanted`` and ``used`` are by mid. Raises NegotiationError."""
    description = parse(offer)
    result = Plan("")
    shared = description.shared()
    for section in description.sections:
        kind = kind_of(section.kind)
        if kind is None or section.refused:
            continue
        if section.mid not in shared:
            _close(section)
            if (want := wanted.get(section.mid)) is not None:
                result.rejected[section.mid] = want.session
            continue
        if (bound := used.get(section.mid)) is not None:
            _repeat(section, bound, result)
        elif (
            (want := wanted.get(section.mid)) is None or want.kind != kind or not want.fits(section.direction)
        ):
            _close(section)
        elif (payload := want.choose(section.payloads())) is None:
            result.rejected[section.mid] = want.session
            _close(section)
        else:
            _bind(section, want, payload, result)
    _reject(description, result, wanted, used)
    result.stopped = used.keys() - {section.mid for section in description.sections if not section.refused}
    result.offer = str(description)
    return result


def _bind(section: Section, want: Wanted, payload: Payload, result: Plan) -> None:
    numbers = tuple(p.number for p in section.payloads() if p == payload or _accompanies(p, payload.number))
    section.keep(list(numbers))
    outgoing = isinstance(want, Outgoing)
    layers = () if outgoing else simulcast.offered(section, payload.number)
    simulcast.reduce(section, layers)
    section.direction = "recvonly" if outgoing else "sendonly"
    sent = want.sound(payload) if isinstance(want, Outgoing) and want.kind == "audio" else None
    result.bound.append(Bound(want.session, want.kind, section.mid, payload, numbers, outgoing, layers, sent))
    result.parameters[section.mid] = answered(payload, sent)


def _accompanies(payload: Payload, codec: int) -> bool:
    """Whether it repeats what another carries: retransmissions (RFC 4588), or Opus with redundancy (RFC 2198)."""
    if payload.codec == "rtx":
        return payload.fmtp.get("apt") == str(codec)
    return payload.codec == "red" and f"{codec}/{codec}" in payload.fmtp


def _repeat(section: Section, bound: Bound, result: Plan) -> None:
    """A section in use stays what it was agreed to be; only the client's direction may change (RFC 3264 §8)."""
    payloads = {p.number: p for p in section.payloads()}
    if not bound.fits(section.direction):
        _close(section)
    elif (payload := payloads.get(bound.payload.number)) is None or not same_stream(payload, bound.payload):
        raise NegotiationError(f"section {section.mid} changed the payload type of its codec")
    else:
        section.keep([number for number in bound.numbers if number in payloads])
        still = simulcast.offered(section, bound.payload.number)
        simulcast.reduce(section, [rid for rid in bound.layers if rid in still])
        section.direction = "recvonly" if bound.sends else "sendonly"
        result.parameters[section.mid] = answered(payload, bound.sent)


def _reject(
    description: Description, result: Plan, wanted: Mapping[str, Wanted], used: Mapping[str, Bound]
) -> None:
    """Sections without a common codec get port 0, unless nothing at all would be left of the connection."""
    alive = {bound.session for bound in (*result.bound, *used.values())}
    alive |= {want.session for mid, want in wanted.items() if mid not in result.rejected}
    kinds = {mid: wanted[mid].kind for mid in result.rejected}
    for mid, session in result.rejected.items():
        if session not in alive:
            result.failed.setdefault(session, f"No proper {kinds[mid]} codec")
    if len(result.rejected) < sum(not section.refused for section in description.sections):
        description.reject(result.rejected)
        for section in description.sections:
            if section.mid in result.rejected:
                result.parameters[section.mid] = Refusal.of(section)


def _close(section: Section) -> None:
    """Make a section inactive, with one payload type so that it stays well formed."""
    section.direction = "inactive"
    payloads = section.payloads()
    known = [p.number for p in payloads if format_of(p) is not None] or [p.number for p in payloads]
    section.keep(known[:1])
    section.without("ssrc", "ssrc-group", "msid", "rid", "simulcast")


def candidate_line(text: str) -> str | None:
    """A remote candidate without ``a=`` (RFC 8839 §5.1). Raises NegotiationError if it is none.

    None: it says that there are no more (RFC 8838 §8.2), which nothing here waits for.
    """
    line = text.strip().removeprefix("a=")
    if line in ("", "candidate:", "end-of-candidates"):
        return None
    if not line.startswith("candidate:") or len(line) > MAX_CANDIDATE or not line.isprintable():
        raise NegotiationError("the candidate is not of the form candidate:…")
    return line


def new_stream_name() -> str:
    """A name under which a client sees one subscription's tracks: ten random letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(10))


def finish(
    answer: str,
    names: Mapping[str, str],
    public_addresses: Sequence[str] = (),
    parameters: Mapping[str, Parameters | Refusal] | None = None,
) -> str:
    """The answer as the client gets it.

    ``names`` maps each sending section's mid to the stream name of its subscription: clients pair audio and video by
    it. Every section in use carries every candidate; ``public_addresses`` stand for this machine behind a 1:1 NAT.
    ``parameters`` of the codecs, and how sections are refused, are by mid.
    """
    description = parse(answer)
    found = [
        line for section in description.sections for line in section.lines if line.startswith("a=candidate:")
    ]
    candidates = _candidates(list(dict.fromkeys(found)), public_addresses)
    description.session = [_origin(line) for line in description.session]
    for section in description.sections:
        if parameters and section.mid in parameters:
            parameters[section.mid].write(section)
        section.without("candidate", "end-of-candidates")
        if not section.refused:
            section.lines += [*candidates, "a=end-of-candidates"]
        if section.kind != "application":
            _name(section, names.get(section.mid))
    return str(description)


def _origin(line: str) -> str:
    """The o= line without the name of the library that made it (RFC 8866, section 5.2)."""
    return "o=- " + line.split(" ", 1)[-1] if line.startswith("o=") else line


def _candidates(lines: list[str], public_addresses: Sequence[str]) -> list[str]:
    """The host candidates, before them the same ports at the public addresses (RFC 8839, section 5.1)."""
    public = []
    found = [fields for fields in (line.split(" ") for line in lines) if len(fields) > 7]
    ends = dict.fromkeys((fields[2].lower(), fields[5]) for fields in found)
    for number, address in enumerate(public_addresses):
        for protocol, port in ends:
            # the highest host priority of its kind (RFC 8445, section 5.1.2.1), with a falling local preference
            priority = (_HOST[protocol] << 24) | ((65535 - number) << 8) | 255
            passive = " tcptype passive" if protocol == "tcp" else ""
            public.append(
                f"a=candidate:{protocol}{number} 1 {protocol} {priority} {address} {port} typ host{passive}"
            )
    return public + lines


def _name(section: Section, name: str | None) -> None:
    """Write the stream name of a sending section; others have none."""
    if name is None or section.direction not in ("sendonly", "sendrecv"):
        section.without("msid", "ssrc", "ssrc-group")
        return
    track = "a0" if section.kind == "audio" else "v0"
    ssrcs = dict.fromkeys(
        line[len("a=ssrc:") :].split(" ", 1)[0] for line in section.lines if line.startswith("a=ssrc:")
    )
    groups = [line for line in section.lines if line.startswith("a=ssrc-group:")]
    section.without("msid", "ssrc", "ssrc-group")
    section.lines += [f"a=msid:{name} {track}", *groups]
    for ssrc in ssrcs:
        section.lines += [
            f"a=ssrc:{ssrc} cname:{name}",
            f"a=ssrc:{ssrc} msid:{name} {track}",
            f"a=ssrc:{ssrc} mslabel:{name}",
            f"a=ssrc:{ssrc} label:{name}{track}",
        ]
