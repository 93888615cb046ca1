"""What a client in service may ask, as commands to its room: parsing and checking, nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from palaver.api.portal.dialects import Dialect, Refusal, WantedTrack, layer, parameters, parse, parse_union
from palaver.api.wire import portal as wire
from palaver.room.endpoints import WebRtcSink, WebRtcSource
from palaver.room.messages import (
    Command,
    Mix,
    Publish,
    SendText,
    SetRegion,
    SetStreamActive,
    SetSubscriptionActive,
    Subscribe,
    TrackChange,
    Unmix,
    Unpublish,
    Unsubscribe,
    UpdateSubscription,
)
from palaver.room.values import (
    KINDS,
    Kind,
    Participant,
    ParticipantId,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    TransportId,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.room.room import Room


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks. ``new_transport`` names a session that begins a transport, ``new_id`` any other."""

    participant: Participant
    dialect: Dialect
    room: Room
    new_transport: Callable[[], str]
    new_id: Callable[[], str]

    @property
    def id(self) -> ParticipantId:
        """The participant's."""
        return self.participant.id


@dataclass(frozen=True, slots=True)
class Submit:
    """A command for the room, and the answer if it is accepted. ``opens``: the transport that it begins."""

    command: Command
    answer: Any = None
    opens: TransportId | None = None


@dataclass(frozen=True, slots=True)
class Negotiate:
    """An SDP offer for the media plane."""

    transport: TransportId
    offer: str


@dataclass(frozen=True, slots=True)
class Trickle:
    """Candidates for the media plane."""

    transport: TransportId
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Known at once."""

    data: Any = None


Plan = Submit | Negotiate | Trickle | Answer


def publish(requester: Requester, data: object) -> Plan:
    """A new stream on a new or an existing transport."""
    wanted = requester.dialect.publication(data)
    session, transport = _session_on(requester, wanted.transport)
    source = WebRtcSource(transport, wanted.tracks)
    command = Publish(requester.id, StreamId(session), source, wanted.attributes)
    return Submit(command, _session_answer(session, transport), None if wanted.transport else transport)


def subscribe(requester: Requester, data: object) -> Plan:
    """A new subscription on a new or an existing transport."""
    wanted = requester.dialect.wanted_subscription(data)
    session, transport = _session_on(requester, wanted.transport)
    tracks = tuple(_subscribed(track) for track in wanted.tracks)
    command = Subscribe(requester.id, SubscriptionId(session), WebRtcSink(transport), tracks)
    return Submit(command, _session_answer(session, transport), None if wanted.transport else transport)


def unpublish(requester: Requester, data: object) -> Plan:
    """The end of an own stream."""
    return Submit(Unpublish(requester.id, StreamId(_id(data, "stream"))))


def unsubscribe(requester: Requester, data: object) -> Plan:
    """The end of an own subscription."""
    return Submit(Unsubscribe(requester.id, SubscriptionId(_id(data, "subscription"))))


def text(requester: Requester, data: object) -> Plan:
    """A message to one participant or to all."""
    to = data.get("to") if isinstance(data, dict) else None
    if not isinstance(to, str) or not to:
        raise Refusal("Invalid receiver")
    if to != "all" and ParticipantId(to) not in requester.room.participants:
        raise Refusal(f"Target participant does NOT exist: {to[:64]}")
    return Submit(SendText(requester.id, to, parse(data, wire.TextRequest).message))


def soac(requester: Requester, data: object) -> Plan:
    """An offer, or candidates, for a transport."""
    transport = data.get("id") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(transport, str) or not transport:
        raise Refusal("Invalid soac id")
    signaling = data.get("signaling")
    if not isinstance(signaling, dict):
        raise Refusal("Invalid signaling object")
    if signaling.get("type") not in ("offer", "candidate", "removed-candidates"):
        raise Refusal("Invalid signaling type")
    match parse(data, wire.SoacRequest).signaling:
        case wire.Offer(sdp=sdp):
            return Negotiate(TransportId(transport), sdp)
        case wire.CandidateSignal(candidate=candidate):
            return Trickle(TransportId(transport), (candidate.candidate,))
        case wire.RemovedCandidates():
            return Answer()  # ICE finds out by itself that they no longer work


def stream_control(requester: Requester, data: object) -> Plan:
    """Muting, mixing and regions of an own stream."""
    _id(data, "stream")
    request: wire.StreamControl = parse_union(data, wire.StreamControl)
    stream = StreamId(request.id)
    match request:
        case wire.PauseStream(data=kinds):
            return Submit(SetStreamActive(requester.id, stream, _kinds(kinds), active=False), "ok")
        case wire.PlayStream(data=kinds):
            return Submit(SetStreamActive(requester.id, stream, _kinds(kinds), active=True), "ok")
        case wire.MixStream(data=view):
            return Submit(Mix(requester.id, stream, view), "ok")
        case wire.UnmixStream(data=view):
            return Submit(Unmix(requester.id, stream, view), "ok")
        case wire.GetRegion(data=view):
            return Answer({"region": requester.room.region_of(requester.id, stream, view)})
        case wire.SetRegion(data=place):
            return Submit(SetRegion(requester.id, stream, place.view, place.region), "ok")


def subscription_control(requester: Requester, data: object) -> Plan:
    """Pausing and changing an own subscription."""
    _id(data, "subscription")
    request: wire.SubscriptionControl = parse_union(data, wire.SubscriptionControl)
    subscription = SubscriptionId(request.id)
    match request:
        case wire.PauseSubscription(data=kinds):
            return Submit(SetSubscriptionActive(requester.id, subscription, _kinds(kinds), active=False))
        case wire.PlaySubscription(data=kinds):
            return Submit(SetSubscriptionActive(requester.id, subscription, _kinds(kinds), active=True))
        case wire.UpdateSubscription(data=data):
            return Submit(UpdateSubscription(requester.id, subscription, _changes(data)))


PLANS: Final[Mapping[str, Callable[[Requester, object], Plan]]] = {
    "publish": publish,
    "subscribe": subscribe,
    "unpublish": unpublish,
    "unsubscribe": unsubscribe,
    "text": text,
    "soac": soac,
    "stream-control": stream_control,
    "subscription-control": subscription_control,
}
"""Requests with one data argument, by event name. Each raises Refusal."""


def _session_on(requester: Requester, given: str | None) -> tuple[str, TransportId]:
    """The ids of a new session and its transport; a new transport is named like its first session."""
    if given is not None:
        return requester.new_id(), TransportId(given)
    session = requester.new_transport()
    return session, TransportId(session)


def _session_answer(session: str, transport: TransportId) -> dict[str, str]:
    return {"id": session, "transportId": transport}


def _subscribed(wanted: WantedTrack) -> SubscribedTrack:
    """``wanted`` for the room, which finds out whether its origin is a stream or a track."""
    return SubscribedTrack(
        wanted.kind,
        StreamId(wanted.origin),
        None,
        wanted.mid,
        wanted.format,
        wanted.parameters,
        layer=wanted.layer,
    )


def _id(data: object, noun: str) -> str:
    identifier = data.get("id") if isinstance(data, dict) else None
    if not isinstance(identifier, str) or not 0 < len(identifier) <= 256:
        raise Refusal(f"Invalid {noun} id")
    return identifier


def _kinds(wanted: wire.Kinds) -> tuple[Kind, ...]:
    return KINDS if wanted == "av" else (wanted,)


def _changes(asked: wire.SubscriptionUpdate) -> tuple[TrackChange, ...]:
    """What to change; wishes without a value are none."""
    changes: list[TrackChange] = []
    if isinstance(asked.audio, wire.UpdateAudio):
        changes.append(TrackChange("audio", _origin(asked.audio)))
    if isinstance(video := asked.video, wire.UpdateVideo):
        wish = layer(video.parameters)
        limits = wish if wish.limited else None
        changes.append(TrackChange("video", _origin(video), parameters(video.parameters), limits))
    return tuple(changes)


def _origin(part: wire.UpdateAudio | wire.UpdateVideo) -> StreamId | None:
    return StreamId(part.from_) if isinstance(part.from_, str) else None
