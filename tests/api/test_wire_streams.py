"""One stream in the four shapes that clients know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import msgspec
import pytest

from palaver.api.wire.stream_info import StreamInfo
from palaver.api.wire.streams import Dialect, stream_info
from palaver.room.values import (
    MediaOut,
    Placement,
    Region,
    Stream,
    StreamState,
    Track,
    TrackId,
    Transcoding,
    VideoFormat,
    VideoParameters,
)
from tests.room.scenes import ANN, CAM, CONFIG, OPUS, VGA, tracks_of

OUT = MediaOut((OPUS,), (VideoFormat("h264", "CB"),), ("x1/2",), (15.0, 30.0, 60.0), ("x0.8",), (100.0, 1.0))
ROOM = replace(CONFIG, out=OUT)
FORWARD = Stream(CAM, ANN, state=StreamState.LIVE, tracks=tracks_of(), in_views=("common",))
REGION = Region("1", "0/1", "0/1", "1/1", "1/1")
MIXED = Stream(
    CAM,
    state=StreamState.LIVE,
    tracks=(Track("audio", OPUS), Track("video", VideoFormat("vp8"), parameters=VideoParameters(VGA, 24.0))),
    label="common",
    layout=(Placement(REGION, CAM), Placement(replace(REGION, id="2"))),
)


def shown(
    stream: Stream, dialect: Dialect = "1.2", *, rest: bool = False, room: Any = ROOM
) -> dict[str, Any]:
    return stream_info(stream, room, dialect, rest=rest)


def test_1_2_lists_tracks() -> None:
    audio, video = shown(FORWARD)["media"]["tracks"]
    assert audio == {
        "type": "audio",
        "id": "anns-0",
        "mid": "0",
        "source": "mic",
        "format": {"codec": "opus", "sampleRate": 48000, "channelNum": 2},
        "optional": {},
        "status": "active",
    }
    assert video["optional"] == {
        "format": [{"codec": "h264", "profile": "CB"}],
        "parameters": {
            "resolution": [{"width": 320, "height": 240}],
            "framerate": [15],
            "bitrate": ["x0.8"],
            "keyFrameInterval": [100, 1],
        },
    }


def test_tracks_of_a_mixed_stream_have_no_ids() -> None:
    for track in shown(MIXED)["media"]["tracks"]:
        assert not track.keys() & {"id", "mid", "source"}


def test_1_1_and_1_0_have_one_object_per_kind() -> None:
    newer, older = shown(FORWARD, "1.1")["media"]["video"], shown(FORWARD, "1.0")["media"]["video"]
    assert newer["original"] == [{"format": {"codec": "vp8"}, "parameters": {}}]
    assert older["format"] == {"codec": "vp8"}
    assert "original" not in older
    assert newer["optional"] == older["optional"]


def test_layers_of_a_simulcast_stream_are_listed_in_1_1_and_the_first_is_shown_in_1_0() -> None:
    small, big = (
        replace(
            FORWARD.tracks[1],
            id=TrackId(f"anns-1:{rid}"),
            parameters=VideoParameters(replace(VGA, width=width)),
            rid=rid,
        )
        for rid, width in (("q", 320), ("f", 1280))
    )
    stream = replace(FORWARD, tracks=(FORWARD.tracks[0], small, big))
    newer, older = shown(stream, "1.1")["media"]["video"], shown(stream, "1.0")["media"]["video"]
    assert [(one["simulcastRid"], one["parameters"]["resolution"]["width"]) for one in newer["original"]] == [
        ("q", 320),
        ("f", 1280),
    ]
    assert older["parameters"]["resolution"]["width"] == 320
    for video in (newer, older):
        assert "optional" not in video, "a simulcast stream is had in its layers"
    _, *layers = shown(stream)["media"]["tracks"]
    assert [(one["id"], one["mid"], one["rid"]) for one in layers] == [
        ("anns-1:q", "1", "q"),
        ("anns-1:f", "1", "f"),
    ]
    assert not [one for one in layers if "optional" in one]
    assert shown(stream)["media"]["tracks"][0]["optional"] == {}


@pytest.mark.parametrize("dialect", ["1.0", "1.1"])
def test_an_absent_kind_is_false_to_rest_and_left_out_for_the_portal(dialect: Dialect) -> None:
    silent = replace(FORWARD, tracks=FORWARD.tracks[1:])
    assert shown(silent, dialect, rest=True)["media"]["audio"] is False
    assert "audio" not in shown(silent, dialect)["media"]


def test_all_four_lists_of_parameters_are_there_or_none() -> None:
    """OWT's JavaScript SDK throws otherwise."""
    only_bitrates = replace(ROOM, out=MediaOut(bitrates=("x0.5",)))
    parameters = shown(FORWARD, room=only_bitrates)["media"]["tracks"][1]["optional"]["parameters"]
    assert parameters == {"resolution": [], "framerate": [], "bitrate": ["x0.5"], "keyFrameInterval": []}
    nothing = Transcoding(False, False, False, False, False, False)
    optional = shown(FORWARD, room=replace(ROOM, transcoding=nothing))["media"]["tracks"][1]["optional"]
    assert optional == {}


def test_a_layout_shows_what_is_where() -> None:
    area = {"left": "0/1", "top": "0/1", "width": "1/1", "height": "1/1"}
    assert shown(MIXED)["info"] == {
        "label": "common",
        "activeInput": "unknown",
        "layout": [
            {"stream": "cam", "region": {"id": "1", "shape": "rectangle", "area": area}},
            {"region": {"id": "2", "shape": "rectangle", "area": area}},
        ],
    }


def test_a_stream_of_the_server_belongs_to_admin() -> None:
    assert shown(replace(FORWARD, owner=None, origin="streaming"))["info"] == {
        "owner": "admin",
        "type": "streaming",
        "inViews": ["common"],
    }


def test_a_muted_kind_is_inactive() -> None:
    muted = replace(FORWARD, tracks=(replace(FORWARD.tracks[0], active=False), FORWARD.tracks[1]))
    assert [track["status"] for track in shown(muted)["media"]["tracks"]] == ["inactive", "active"]
    assert shown(muted, "1.0")["media"]["audio"]["status"] == "inactive"


@pytest.mark.parametrize("stream", [FORWARD, MIXED])
def test_1_2_is_what_the_portals_schema_says(stream: Stream) -> None:
    info = shown(replace(stream, attributes={"any": ["thing"]}))
    typed = msgspec.convert(info, StreamInfo)
    assert typed.id == stream.id


def test_whole_numbers_are_written_without_a_fraction() -> None:
    for dialect in get_args(Dialect):
        text = msgspec.json.encode(shown(MIXED, dialect)).decode()
        assert ".0" not in text.replace('"1.0"', "")
