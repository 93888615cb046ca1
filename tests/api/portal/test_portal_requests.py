"""From what clients send to commands, in every dialect, and the texts of refusals."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.api.portal import faults
from palaver.api.portal.dialects import DIALECTS, Refusal
from palaver.api.portal.requests import PLANS, Answer, Negotiate, Plan, Requester, Submit, Trickle
from palaver.room.endpoints import PublishedTrack, WebRtcSink, WebRtcSource
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import Join, Publish, SetStreamActive, Subscribe, TrackChange, UpdateSubscription
from palaver.room.room import Room
from palaver.room.values import (
    AudioFormat,
    Grant,
    LayerPreference,
    ParticipantId,
    Permission,
    Resolution,
    Role,
    RoomConfig,
    RoomId,
    StreamId,
    SubscribedTrack,
    SubscriptionId,
    TransportId,
    VideoFormat,
    VideoParameters,
)

ANN = ParticipantId("ann")
ALL = Permission(Grant(audio=True, video=True), Grant(audio=True, video=True))
CONFIG = RoomConfig(
    RoomId("room"),
    "room",
    (Role("presenter", ALL),),
    audio_in=(AudioFormat("opus"),),
    video_in=(VideoFormat("vp8"),),
)
NEW, OTHER = "a" * 32, "b" * 32


def requester(protocol: str = "1.2") -> Requester:
    room = Room(CONFIG)
    room.handle(Join(ANN, "Ann", "presenter"))
    return Requester(room.participants[ANN], DIALECTS[protocol], room, lambda: NEW, lambda: OTHER)


def plan(name: str, data: object, protocol: str = "1.2") -> Plan:
    return PLANS[name](requester(protocol), data)


def refusal(name: str, data: object, protocol: str = "1.2") -> str:
    with pytest.raises(Refusal) as caught:
        plan(name, data, protocol)
    return str(caught.value)


MIC = {"type": "audio", "mid": "0", "source": "mic"}
CAMERA = {"type": "video", "mid": "1", "source": "camera"}


def test_the_first_session_of_a_transport_gives_it_its_id() -> None:
    assert plan("publish", {"media": {"tracks": [MIC, CAMERA]}, "transport": {"type": "webrtc"}}) == Submit(
        Publish(
            ANN,
            StreamId(NEW),
            WebRtcSource(
                TransportId(NEW),
                (PublishedTrack("audio", "0", "mic"), PublishedTrack("video", "1", "camera")),
            ),
        ),
        {"id": NEW, "transportId": NEW},
        opens=TransportId(NEW),
    )


def test_a_later_session_is_on_the_transport_that_it_names() -> None:
    request = {"media": {"tracks": [MIC]}, "transport": {"type": "webrtc", "id": "t"}, "attributes": {"x": 1}}
    source = WebRtcSource(TransportId("t"), (PublishedTrack("audio", "0", "mic"),))
    assert plan("publish", request) == Submit(
        Publish(ANN, StreamId(OTHER), source, {"x": 1}), {"id": OTHER, "transportId": "t"}
    )


def test_a_subscription_carries_its_wishes() -> None:
    video = {
        "type": "video", "mid": "1", "from": "s", "unknown": "kept out",
        "parameters": {"resolution": {"width": 320, "height": 240}, "framerate": 15, "bitrate": "x0.8",
                       "keyFrameInterval": 2},
    }  # fmt: skip
    request = {"media": {"tracks": [{"type": "audio", "mid": "0", "from": "s"}, video]}}
    assert plan("subscribe", request) == Submit(
        Subscribe(
            ANN,
            SubscriptionId(NEW),
            WebRtcSink(TransportId(NEW)),
            (
                SubscribedTrack("audio", StreamId("s"), mid="0"),
                SubscribedTrack(
                    "video",
                    StreamId("s"),
                    mid="1",
                    parameters=VideoParameters(Resolution(320, 240), 15, "x0.8", 2),
                ),
            ),
        ),
        {"id": NEW, "transportId": NEW},
        opens=TransportId(NEW),
    )


@pytest.mark.parametrize("bitrate", ["x1", "x1.0"])
def test_a_bitrate_of_once_the_original_is_no_wish(bitrate: str) -> None:
    video = {"type": "video", "mid": "1", "from": "s", "parameters": {"bitrate": bitrate}}
    planned = plan("subscribe", {"media": {"tracks": [video]}})
    assert isinstance(planned, Submit)
    assert isinstance(planned.command, Subscribe)
    assert planned.command.tracks[0].parameters is None


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"media": {"tracks": [MIC]}, "extra": 1}, "request Object contains unknown field `extra`"),
        ({"media": {"tracks": [MIC], "extra": 1}}, "request.media Object contains unknown field `extra`"),
        (
            {"media": {"tracks": [MIC]}, "transport": {"type": "webrtc", "extra": 1}},
            "request.transport Object contains unknown field `extra`",
        ),
        ({"media": {"tracks": []}}, "request.media.tracks Expected `array` of length >= 1"),
        ({"media": {"tracks": [MIC, MIC]}}, "request.media.tracks[1].mid is used twice"),
        (
            {"media": {"tracks": [{"type": "smell", "mid": "0"}]}},
            "request.media.tracks[0].type Invalid enum value 'smell'",
        ),
        ({}, "request Object missing required field `media`"),
        ("nonsense", "request Expected `object`, got `str`"),
        (None, "request Expected `object`, got `null`"),
    ],
)
def test_a_malformed_request_is_refused_by_the_member_that_is_wrong(request_: object, text: str) -> None:
    assert refusal("publish", request_).replace("[...]", "[0]") == text


@pytest.mark.parametrize("name", ["publish", "subscribe"])
@pytest.mark.parametrize(
    "request_",
    [
        {"media": None, "data": True, "transport": {"type": "quic", "id": "t"}},
        {"media": None},
        {"media": {"tracks": [MIC]}, "transport": {"type": "quic"}},
        {"media": {"tracks": [MIC]}, "data": {"from": "s"}},
    ],
)
def test_data_streams_are_refused(name: str, request_: object) -> None:
    assert "WebTransport are not supported" in refusal(name, request_)


def test_large_attributes_are_refused() -> None:
    request = {"media": {"tracks": [MIC]}, "attributes": {"x": "y" * 20_000}}
    assert refusal("publish", request).startswith("request.attributes")


@pytest.mark.parametrize("protocol", ["1.0", "1.1"])
def test_older_dialects_publish_kinds_on_a_transport_per_session(protocol: str) -> None:
    request = {"media": {"audio": {"source": "mic"}, "video": {"source": "camera"}}, "attributes": {"a": 1}}
    source = WebRtcSource(
        TransportId(NEW), (PublishedTrack("audio", "0", "mic"), PublishedTrack("video", "1", "camera"))
    )
    assert plan("publish", request, protocol) == Submit(
        Publish(ANN, StreamId(NEW), source, {"a": 1}),
        {"id": NEW, "transportId": NEW},
        opens=TransportId(NEW),
    )


@pytest.mark.parametrize("protocol", ["1.0", "1.1"])
def test_older_dialects_subscribe_to_kinds(protocol: str) -> None:
    video = {"from": "s", "format": {"codec": "h264", "profile": "CB"}, "parameters": {"framerate": 15}}
    planned = plan("subscribe", {"media": {"audio": False, "video": video}}, protocol)
    assert isinstance(planned, Submit)
    assert isinstance(planned.command, Subscribe)
    assert planned.command.tracks == (
        SubscribedTrack(
            "video",
            StreamId("s"),
            mid="0",
            format=VideoFormat("h264", "CB"),
            parameters=VideoParameters(framerate=15),
        ),
    )


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"media": {"audio": True}}, "request.media.audio must be an object or false"),
        ({"media": {"audio": False, "video": False}}, "request.media must have audio or video"),
        ({"media": {"tracks": [MIC]}}, "request.media Object contains unknown field `tracks`"),
        (
            {"media": {"audio": {"source": "mic", "x": 1}}},
            "request.media.audio Object contains unknown field `x`",
        ),
    ],
)
def test_older_dialects_refuse_what_is_not_theirs(request_: object, text: str) -> None:
    assert refusal("publish", request_, "1.0") == text


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (None, "Invalid soac id"),
        ({}, "Invalid soac id"),
        ({"id": 5, "signaling": {"type": "offer", "sdp": ""}}, "Invalid soac id"),
        ({"id": "t"}, "Invalid signaling object"),
        ({"id": "t", "signaling": "offer"}, "Invalid signaling object"),
        ({"id": "t", "signaling": {}}, "Invalid signaling type"),
        ({"id": "t", "signaling": {"type": "answer", "sdp": ""}}, "Invalid signaling type"),
        (
            {"id": "t", "signaling": {"type": "offer"}},
            "request.signaling Object missing required field `sdp`",
        ),
    ],
)
def test_wrong_signalling_is_refused_in_owts_words(request_: object, text: str) -> None:
    assert refusal("soac", request_) == text


def test_signalling_goes_to_the_transport_that_it_names() -> None:
    candidate = {"candidate": "a=candidate:1", "sdpMid": "0", "sdpMLineIndex": 0}
    assert plan("soac", {"id": "t", "signaling": {"type": "offer", "sdp": "v=0"}}) == Negotiate(
        TransportId("t"), "v=0"
    )
    assert plan("soac", {"id": "t", "signaling": {"type": "candidate", "candidate": candidate}}) == Trickle(
        TransportId("t"), ("a=candidate:1",)
    )
    removed = {"type": "removed-candidates", "candidates": [candidate]}
    assert plan("soac", {"id": "t", "signaling": removed}) == Answer()


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"to": "", "message": "x"}, "Invalid receiver"),
        ({"to": 7, "message": "x"}, "Invalid receiver"),
        (["all", "x"], "Invalid receiver"),
        ({"to": "bob", "message": "x"}, "Target participant does NOT exist: bob"),
        ({"to": "all", "message": "x" * 2049}, "request.message Expected `str` of length <= 2048"),
        ({"to": "all"}, "request Object missing required field `message`"),
    ],
)
def test_wrong_texts_are_refused(request_: object, text: str) -> None:
    assert refusal("text", request_) == text


LIMITS = {"maxResolution": {"width": 640, "height": 360}, "maxFramerate": 15}


def test_limits_are_a_wish_for_a_layer_and_not_parameters() -> None:
    video = {"type": "video", "mid": "1", "from": "s", "parameters": LIMITS}
    planned = plan("subscribe", {"media": {"tracks": [video]}})
    assert isinstance(planned, Submit)
    assert isinstance(planned.command, Subscribe)
    wish = LayerPreference(max_width=640, max_height=360, max_framerate=15)
    assert planned.command.tracks == (SubscribedTrack("video", StreamId("s"), mid="1", layer=wish),)


@pytest.mark.parametrize("protocol", ["1.0", "1.1"])
def test_older_dialects_name_a_layer(protocol: str) -> None:
    request = {"media": {"audio": False, "video": {"from": "s", "simulcastRid": "h"}}}
    planned = plan("subscribe", request, protocol)
    assert isinstance(planned, Submit)
    assert isinstance(planned.command, Subscribe)
    assert planned.command.tracks == (
        SubscribedTrack("video", StreamId("s"), mid="0", layer=LayerPreference("h")),
    )


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        ({}, ()),
        ({"video": {}}, (TrackChange("video"),)),
        ({"audio": {"from": "s"}}, (TrackChange("audio", StreamId("s")),)),
        ({"video": {"from": "t-1:q"}}, (TrackChange("video", StreamId("t-1:q")),)),
        (
            {"video": {"parameters": {"resolution": {"width": 4, "height": 3}, "bitrate": "x1"}}},
            (TrackChange("video", parameters=VideoParameters(Resolution(4, 3))),),
        ),
        (
            {"video": {"parameters": LIMITS}},
            (TrackChange("video", layer=LayerPreference(None, 640, 360, 15)),),
        ),
    ],
)
def test_an_update_says_only_what_changes(data: object, changes: tuple[TrackChange, ...]) -> None:
    request = {"id": "s", "operation": "update", "data": data}
    assert plan("subscription-control", request) == Submit(
        UpdateSubscription(ANN, SubscriptionId("s"), changes)
    )


def test_pausing_av_means_both_kinds() -> None:
    request = {"id": "s", "operation": "pause", "data": "av"}
    assert plan("stream-control", request) == Submit(
        SetStreamActive(ANN, StreamId("s"), ("audio", "video"), active=False), "ok"
    )


@pytest.mark.parametrize(
    ("name", "request_", "text"),
    [
        ("unpublish", {}, "Invalid stream id"),
        ("unpublish", {"id": 3}, "Invalid stream id"),
        ("unsubscribe", None, "Invalid subscription id"),
        ("stream-control", {"operation": "pause"}, "Invalid stream id"),
        ("subscription-control", {"operation": "update", "data": {}}, "Invalid subscription id"),
        (
            "subscription-control",
            {"id": "s", "operation": "update", "data": {"video": {"parameters": {"maxFramerate": 0}}}},
            "request.data.video.parameters.maxFramerate Expected `float` > 0.0",
        ),
        (
            "subscription-control",
            {"id": "s", "operation": "querybwe"},
            "request.operation Invalid value 'querybwe'",
        ),
    ],
)
def test_wrong_controls_are_refused(name: str, request_: object, text: str) -> None:
    assert refusal(name, request_) == text


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "media", "tracks", "transport", "signaling", "type", "to", "data", "operation"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(PLANS)), st.sampled_from(sorted(DIALECTS)), JSON)
def test_no_request_does_worse_than_being_refused(name: str, protocol: str, data: object) -> None:
    with contextlib.suppress(Refusal):
        assert isinstance(plan(name, data, protocol), Plan)


def test_every_fault_has_a_text() -> None:
    assert set(faults.TEXTS) == set(Fault)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RoomError(Fault.FORBIDDEN, "s", "only its owner may"), "unauthorized"),
        (RoomError(Fault.TOO_MANY_INPUTS, "r"), "Too many inputs"),
        (RoomError(Fault.AUDIO_NOT_ACCEPTED, "r"), "Audio is forbiden"),
        (
            RoomError(Fault.UNSATISFIABLE_VIDEO, "s", "Resolution is not acceptable"),
            "Target video stream does NOT satisfy:Resolution is not acceptable",
        ),
        (RoomError(Fault.SUBSCRIPTION_EXISTS, "s"), "Subscription exists"),
        (RoomError(Fault.BAD_REQUEST, "tracks[0].mid", "section 0 is in use"),
         "Invalid request: tracks[0].mid (section 0 is in use)"),
        (RoomError(Fault.STREAM_IS_MIXED, "s"), "Stream is Mixed"),
    ],
)  # fmt: skip
def test_refusals_of_the_room_are_told_in_owts_words(error: RoomError, text: str) -> None:
    assert faults.text(error) == text


def test_a_login_says_only_what_owts_logins_say() -> None:
    texts = {faults.login_text(RoomError(fault, "x")) for fault in Fault}
    assert texts == {"Room is full", "Invalid role", "Joining room failed"}
