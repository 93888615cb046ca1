"""People, formats and commands that room tests are told with."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from palaver.room.endpoints import PublishedTrack, WebRtcSink, WebRtcSource
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import Command, Join, Mix, Outcome, Publish, SinkReady, SourceReady, Subscribe
from palaver.room.room import Room
from palaver.room.values import (
    KINDS,
    AudioFormat,
    Grant,
    Kind,
    ParticipantId,
    Permission,
    Resolution,
    Role,
    RoomConfig,
    RoomId,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    Track,
    TrackId,
    TransportId,
    VideoFormat,
    VideoParameters,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ANN, BEN, CID, EVE = (ParticipantId(name) for name in ("ann", "ben", "cid", "eve"))
CAM, SCREEN = StreamId("cam"), StreamId("screen")
SUB, SUB2 = SubscriptionId("sub"), SubscriptionId("sub2")
ANNS, BENS = TransportId("anns"), TransportId("bens")
COMMON = StreamId("room1-common")

OPUS, VP8 = AudioFormat("opus", 48_000, 2), VideoFormat("vp8")
VGA = Resolution(640, 480)

BOTH, NEITHER = Grant(True, True), Grant()
ROLES = (
    Role("presenter", Permission(BOTH, BOTH)),
    Role("viewer", Permission(NEITHER, BOTH)),
    Role("listener", Permission(NEITHER, Grant(audio=True))),
    Role("speaker", Permission(Grant(audio=True), BOTH)),
    Role("admin", Permission(BOTH, BOTH)),
)
CONFIG = RoomConfig(
    RoomId("room1"),
    "a room",
    ROLES,
    views=(View("common", OPUS, VP8, VideoParameters(VGA, 24, None, 100)),),
    audio_in=(OPUS,),
    video_in=(VP8,),
)


def open_room(*members: ParticipantId, role: str = "presenter", **changes: Any) -> Room:
    """A room as ``CONFIG`` with ``changes``, where ``members`` have joined."""
    room = Room(replace(CONFIG, **changes))
    for member in members:
        room.handle(Join(member, f"user of {member}", role))
    return room


def publish(
    by: ParticipantId,
    stream: StreamId = CAM,
    transport: TransportId = ANNS,
    *,
    kinds: Sequence[Kind] = KINDS,
    first_mid: int = 0,
) -> Publish:
    sources = {"audio": "mic", "video": "camera"}
    tracks = tuple(PublishedTrack(kind, str(mid), sources[kind]) for mid, kind in enumerate(kinds, first_mid))
    return Publish(by, stream, WebRtcSource(transport, tracks))


def tracks_of(
    transport: TransportId = ANNS, *, kinds: Sequence[Kind] = KINDS, first_mid: int = 0
) -> tuple[Track, ...]:
    """What the engine makes of the sections that ``publish`` with the same arguments names."""
    return tuple(
        Track("audio", OPUS, "mic", id=TrackId(f"{transport}-{mid}"), mid=str(mid))
        if kind == "audio"
        else Track("video", VP8, "camera", id=TrackId(f"{transport}-{mid}"), mid=str(mid))
        for mid, kind in enumerate(kinds, first_mid)
    )


def ready(stream: StreamId = CAM, transport: TransportId = ANNS, **shape: Any) -> SourceReady:
    return SourceReady(stream, tracks_of(transport, **shape))


def subscribe(
    by: ParticipantId,
    subscription: SubscriptionId = SUB,
    stream: StreamId = CAM,
    transport: TransportId = BENS,
    *,
    kinds: Sequence[Kind] = KINDS,
    first_mid: int = 10,
    **wishes: Any,
) -> Subscribe:
    tracks = tuple(
        SubscribedTrack(kind, stream, mid=str(mid), **wishes) for mid, kind in enumerate(kinds, first_mid)
    )
    return Subscribe(by, subscription, WebRtcSink(transport), tracks)


def ann_publishes(room: Room) -> Room:
    """Ann's camera is live."""
    room.handle(publish(ANN))
    room.handle(ready())
    return room


def streams_go_live(room: Room, by: ParticipantId, *streams: StreamId, kinds: Sequence[Kind] = KINDS) -> None:
    """``by`` publishes these, each on a transport of its own."""
    for stream in streams:
        transport = TransportId(f"of-{stream}")
        room.handle(publish(by, stream, transport, kinds=kinds))
        room.handle(ready(stream, transport, kinds=kinds))


def mixed(room: Room, by: ParticipantId, *streams: StreamId, view: str = "common") -> Room:
    """These are live and in the view."""
    streams_go_live(room, by, *streams)
    for stream in streams:
        room.handle(Mix(None, stream, view))
    return room


def shown(room: Room, view: StreamId = COMMON) -> list[StreamId | None]:
    """What is seen in a mixed stream, region by region."""
    return [placement.stream for placement in room.streams[view].layout]


def ben_watches(room: Room) -> Room:
    """Ann's camera is live and Ben receives it."""
    ann_publishes(room).handle(subscribe(BEN))
    room.handle(SinkReady(SUB))
    return room


def snapshot(room: Room) -> dict[str, Any]:
    """All that a room remembers, detached from it."""
    return copy.deepcopy({name: value for name, value in vars(room).items() if name != "_config"})


def refuse(room: Room, command: Command, fault: Fault, subject: str, detail: str | None = None) -> None:
    """The room refuses ``command`` for this reason and is exactly as before."""
    before = snapshot(room)
    with pytest.raises(RoomError) as refusal:
        room.handle(command)
    assert (refusal.value.fault, refusal.value.subject) == (fault, subject)
    if detail is not None:
        assert refusal.value.detail == detail
    assert snapshot(room) == before


def of(outputs: list[Outcome], *types: type) -> list[Outcome]:
    """Those outputs that are of ``types``, in order."""
    return [output for output in outputs if isinstance(output, types)]
