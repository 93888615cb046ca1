from __future__ import annotations

import pytest

from palaver.room.errors import Fault
from palaver.room.messages import Join, Mix, Unmix
from palaver.room.values import StreamId, StreamState, VideoFormat, VideoParameters, View
from tests.room.scenes import (
    ANN,
    BEN,
    CAM,
    COMMON,
    EVE,
    OPUS,
    VGA,
    VP8,
    ann_publishes,
    open_room,
    refuse,
)


def test_a_view_has_a_live_stream_from_the_start() -> None:
    room = open_room()
    (stream,) = room.live_streams()
    assert (stream.id, stream.label, stream.state, stream.owner) == (COMMON, "common", StreamState.LIVE, None)
    assert stream.mixed
    audio, video = stream.tracks
    assert (audio.kind, audio.format, audio.active) == ("audio", OPUS, True)
    assert (video.kind, video.format) == ("video", VP8)
    assert video.parameters == VideoParameters(VGA, 24, None, 100)


def test_an_audio_only_view_has_no_video() -> None:
    room = open_room(views=(View("talk", OPUS, None),))
    (stream,) = room.live_streams()
    assert [track.kind for track in stream.tracks] == ["audio"]


def test_views_come_first_in_their_order_and_the_first_of_a_label_counts() -> None:
    views = (View("b", OPUS, VP8), View("a", OPUS, VP8), View("b", OPUS, VideoFormat("vp9")))
    room = ann_publishes(open_room(ANN, views=views))
    assert [stream.id for stream in room.live_streams()] == ["room1-b", "room1-a", CAM]
    assert room.streams[StreamId("room1-b")].tracks[1].format == VP8


def test_a_room_without_views_has_no_mixed_stream() -> None:
    assert open_room(views=()).live_streams() == []


@pytest.mark.parametrize("command", [Mix, Unmix])
def test_only_known_views_take_streams(command: type[Mix | Unmix]) -> None:
    room = ann_publishes(open_room(ANN))
    refuse(room, command(None, CAM, "other"), Fault.VIEW_NOT_FOUND, "other")


@pytest.mark.parametrize("command", [Mix, Unmix])
def test_only_known_forward_streams_are_mixed(command: type[Mix | Unmix]) -> None:
    room = open_room(ANN)
    refuse(room, command(None, CAM, "common"), Fault.STREAM_NOT_FOUND, CAM)
    refuse(room, command(None, COMMON, "common"), Fault.STREAM_IS_MIXED, COMMON)


@pytest.mark.parametrize("command", [Mix, Unmix])
def test_only_the_owner_mixes_and_who_may_everything(command: type[Mix | Unmix]) -> None:
    room = ann_publishes(open_room(ANN, BEN))
    room.handle(Join(EVE, "Eve", "admin"))
    refuse(room, command(BEN, CAM, "common"), Fault.FORBIDDEN, CAM)
    assert room.handle(Unmix(EVE, CAM, "common")) == []


def test_mixing_says_that_it_is_not_there_yet() -> None:
    room = ann_publishes(open_room(ANN))
    refuse(room, Mix(ANN, CAM, "common"), Fault.NOT_AVAILABLE, "common", "mixing is not there yet")


def test_taking_a_stream_out_of_a_view_it_is_not_in_changes_nothing() -> None:
    room = ann_publishes(open_room(ANN))
    assert room.handle(Unmix(ANN, CAM, "common")) == []
