"""What clients hear, and that it is what the schema says."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest

from palaver.api.portal import notify, packets
from palaver.api.portal.dialects import DIALECTS
from palaver.api.portal.outbox import Notification
from palaver.api.wire import portal as wire
from palaver.room.messages import (
    Event,
    LayerChanged,
    ParticipantDropped,
    ParticipantJoined,
    ParticipantLeft,
    RecordingChanged,
    SessionFailed,
    SessionReady,
    StreamAdded,
    StreamMuted,
    StreamRemoved,
    StreamUpdated,
    TextSent,
    TransportFailed,
    TransportUp,
)
from palaver.room.values import (
    AudioFormat,
    Grant,
    MediaOut,
    Participant,
    ParticipantId,
    Permission,
    Resolution,
    RoomConfig,
    RoomId,
    Stream,
    StreamId,
    SubscriptionId,
    Track,
    TrackId,
    TransportId,
    VideoFormat,
    VideoParameters,
    View,
)
from palaver.room.views import mixed_streams

CONFIG = RoomConfig(
    RoomId("room"),
    "room",
    (),
    views=(View("common", AudioFormat("opus", 48000, 2), VideoFormat("vp8")),),
    out=MediaOut(
        (AudioFormat("pcmu"),),
        (VideoFormat("h264", "CB"),),
        ("x3/4", "cif"),
        (15, 30),
        ("x0.8", "x0.2"),
        (2, 5),
    ),
)
ANN = ParticipantId("ann")
PARTICIPANT = Participant(ANN, "Ann", "presenter", Permission(Grant(), Grant()))
STREAM = Stream(
    StreamId("s"),
    ANN,
    transport=TransportId("t"),
    tracks=(
        Track("audio", AudioFormat("opus", 48000, 2), "mic", id=TrackId("t-0"), mid="0"),
        Track(
            "video",
            VideoFormat("vp8"),
            "camera",
            VideoParameters(Resolution(640, 480)),
            id=TrackId("t-1"),
            mid="1",
        ),
    ),
    attributes={"a": [1]},
)
LAYERED = replace(
    STREAM,
    tracks=tuple(replace(STREAM.tracks[1], id=TrackId(f"t-1:{rid}"), rid=rid) for rid in ("q", "h", "f")),
)

EVENTS: list[Event] = [
    ParticipantJoined(PARTICIPANT),
    ParticipantLeft(ANN),
    ParticipantDropped(ANN),
    TransportUp(ANN, TransportId("t")),
    TransportFailed(ANN, TransportId("t"), "Ice procedure failed."),
    SessionReady(ANN, TransportId("t"), StreamId("s")),
    SessionFailed(ANN, TransportId("t"), SubscriptionId("b"), "Source stream loss"),
    StreamAdded(STREAM),
    StreamAdded(next(iter(mixed_streams(CONFIG).values()))),
    StreamRemoved(StreamId("s")),
    StreamMuted(StreamId("s"), "video", active=False),
    StreamUpdated(STREAM),
    StreamUpdated(LAYERED),
    LayerChanged(ANN, SubscriptionId("b"), "1", "q"),
    LayerChanged(ANN, SubscriptionId("b"), "1", None),
    RecordingChanged("recording"),
    RecordingChanged("paused"),
    RecordingChanged(None),
    TextSent(ANN, "all", "hello"),
    TextSent(ANN, "bob", "hello"),
]


def told(event: Event, protocol: str = "1.2", config: RoomConfig = CONFIG) -> notify.Notice:
    notice = notify.notice(event, config, DIALECTS[protocol])
    assert notice is not None
    return notice


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_notification_of_1_2_is_as_the_schema_says(event: Event) -> None:
    notification = told(event).notification
    shape = {
        "participant": wire.ParticipantNotification,
        "text": wire.TextNotification,
        "stream": wire.StreamNotification,
        "progress": wire.ProgressNotification,
        "subscription": wire.SubscriptionChange,
        "recording": wire.RecordingNotification,
        "drop": None,
    }[notification.event]
    parsed = msgspec.convert(notification.data, shape)
    assert strip(msgspec.to_builtins(parsed)) == strip(
        notification.data
    )  # nothing beside the schema's members


def strip(data: object) -> object:
    """``data`` without members that are null."""
    if isinstance(data, dict):
        return {key: strip(value) for key, value in data.items() if value is not None}
    return [strip(value) for value in data] if isinstance(data, list | tuple) else data


def test_a_newcomer_is_announced_to_everybody_else() -> None:
    notice = told(ParticipantJoined(PARTICIPANT))
    assert (notice.to, notice.but) == (None, ANN)
    assert notice.notification == Notification(
        "participant", {"action": "join", "data": {"id": "ann", "user": "Ann", "role": "presenter"}}
    )


def test_a_ready_session_is_told_by_transport_and_session_and_in_older_dialects_by_session() -> None:
    event = SessionReady(ANN, TransportId("t"), StreamId("s"))
    assert told(event).notification == Notification(
        "progress", {"id": "t", "sessionId": "s", "status": "ready"}
    )
    for protocol in ("1.0", "1.1"):
        assert told(event, protocol).notification == Notification(
            "session-progress", {"id": "s", "status": "ready"}
        )


def test_a_stream_is_added_for_everybody_with_a_delay_after_ready() -> None:
    notice = told(StreamAdded(STREAM))
    assert (notice.to, notice.but, notice.settle) == (None, None, True)


def test_a_private_text_says_me() -> None:
    notice = told(TextSent(ANN, "bob", "hi"))
    assert notice.to == "bob"
    assert notice.notification.data == {"from": "ann", "to": "me", "message": "hi"}


def test_what_a_room_has_switched_off_is_not_told() -> None:
    quiet = replace(CONFIG, notify_participants=False, notify_streams=False)
    told_names = {
        notice.notification.event
        for event in EVENTS
        if (notice := notify.notice(event, quiet, DIALECTS["1.2"])) is not None
    }
    assert told_names == {"progress", "subscription", "recording", "text", "drop"}


def test_older_dialects_see_streams_in_their_own_shape() -> None:
    media = {
        protocol: told(StreamAdded(STREAM), protocol).notification.data["data"]["media"]
        for protocol in DIALECTS
    }
    assert "format" in media["1.0"]["video"]
    assert "original" in media["1.1"]["video"]
    assert len(media["1.2"]["tracks"]) == 2


def test_a_packet_carries_the_event_and_its_data_if_it_has_any() -> None:
    assert packets.event("drop", None) == '2["drop"]'
    assert packets.event("text", {"to": "all"}) == '2["text",{"to":"all"}]'


@pytest.mark.parametrize(
    "packet",
    [
        "51-[\"login\",{\"_placeholder\":true,\"num\":0}]",
        "2",
        "2{}",
        "2[]",
        "2[5]",
        '2["disconnect"]',
        '2["connect"]',
        '2["login",NaN]',
        "2" + "[" * 100_000,
        '2["a"',
        b"2[]",
    ],
)  # fmt: skip
def test_packets_that_are_not_the_protocols_are_refused(packet: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is nobody's business: the packet is dropped
        packets.TextPacket(encoded_packet=packet)


def test_the_written_schema_is_the_one_of_the_code() -> None:
    from tools import wire_schema

    assert wire_schema.TARGET.read_text() == wire_schema.text()
    assert json.loads(wire_schema.text())["$ref"] == "#/$defs/PortalProtocol"
