"""Simulcast: a track for each layer, and which of them a subscriber gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from palaver.room.errors import Fault
from palaver.room.messages import (
    CloseSink,
    CloseSource,
    LayerChanged,
    LayerSeen,
    OpenSink,
    ResolutionSeen,
    SetSinkLayer,
    SetSinkOrigin,
    SetStreamActive,
    SetSubscriptionActive,
    SinkReady,
    SourceReady,
    StreamMuted,
    StreamUpdated,
    TrackChange,
    Unpublish,
    UpdateSubscription,
)
from palaver.room.room import Room
from palaver.room.values import (
    ANY_LAYER,
    LayerPreference,
    ParticipantId,
    Resolution,
    StreamId,
    SubscribedTrack,
    Track,
    TrackId,
    VideoFormat,
    VideoParameters,
)
from tests.room.scenes import (
    ANN,
    BEN,
    CAM,
    CID,
    SCREEN,
    SUB,
    VGA,
    VP8,
    of,
    open_room,
    publish,
    ready,
    refuse,
    subscribe,
    tracks_of,
)

SIZES = {"q": Resolution(320, 180), "h": Resolution(640, 360), "f": Resolution(1280, 720)}
LIMITS = LayerPreference(max_width=640, max_height=480, max_framerate=15)


def layers(mid: str = "1") -> tuple[Track, ...]:
    whole = Track("video", VP8, "camera", mid=mid)
    return tuple(replace(whole, id=layer(rid, mid), rid=rid) for rid in SIZES)


def layer(rid: str, mid: str = "1") -> TrackId:
    return TrackId(f"anns-{mid}:{rid}")


def ann_sends_layers(*members: ParticipantId, seen: bool = True) -> Room:
    """Ann's camera is live in three layers whose sizes are known if they were ``seen``."""
    room = open_room(ANN, *members)
    room.handle(publish(ANN))
    room.handle(SourceReady(CAM, (tracks_of()[0], *layers())))
    if seen:
        for rid, size in SIZES.items():
            room.handle(ResolutionSeen(CAM, layer(rid), size))
    return room


def wish(room: Room) -> LayerPreference:
    """What Ben's subscription wishes for its picture."""
    return next(track.layer for track in room.subscriptions[SUB].tracks if track.kind == "video")


def ben_gets(room: Room, stream: str = CAM, **wishes: Any) -> LayerPreference:
    (opened,) = room.handle(subscribe(BEN, stream=StreamId(stream), kinds=("video",), **wishes))
    assert isinstance(opened, OpenSink)
    assert opened.subscription.tracks[0].stream == CAM
    return opened.subscription.tracks[0].layer


def update(origin: str | None = None, **changes: Any) -> UpdateSubscription:
    change = TrackChange("video", None if origin is None else StreamId(origin), **changes)
    return UpdateSubscription(BEN, SUB, (change,))


# ── the stream ──────────────────────────────────────────────────────────────────────────────────────


def test_the_size_of_a_layer_belongs_to_its_track() -> None:
    room = ann_sends_layers(seen=False)
    (updated,) = room.handle(ResolutionSeen(CAM, layer("h"), SIZES["h"]))
    assert isinstance(updated, StreamUpdated)
    known = [track.parameters for track in updated.stream.tracks if track.kind == "video"]
    assert known == [None, VideoParameters(SIZES["h"]), None]
    assert room.handle(ResolutionSeen(CAM, layer("x"), VGA)) == []


def test_muting_the_picture_mutes_every_layer() -> None:
    room = ann_sends_layers()
    assert StreamMuted(CAM, "video", active=False) in room.handle(
        SetStreamActive(ANN, CAM, ("video",), active=False)
    )
    assert [track.active for track in room.streams[CAM].tracks] == [True, False, False, False]


# ── which layer a subscription begins with ──────────────────────────────────────────────────────────


def test_a_stream_s_id_leaves_the_layer_open() -> None:
    assert ben_gets(ann_sends_layers(BEN)) == ANY_LAYER


def test_a_layer_s_track_id_pins_it() -> None:
    room = ann_sends_layers(BEN)
    assert ben_gets(room, layer("h")) == LayerPreference("h")
    assert room.subscriptions[SUB].tracks[0].track == layer("h")


def test_a_layer_s_name_pins_it() -> None:
    assert ben_gets(ann_sends_layers(BEN, seen=False), layer=LayerPreference("f")) == LayerPreference("f")


@pytest.mark.parametrize("rid", SIZES)
def test_a_layer_s_size_pins_it(rid: str) -> None:
    room = ann_sends_layers(BEN)
    assert ben_gets(room, parameters=VideoParameters(SIZES[rid])) == LayerPreference(rid)


def test_limits_pin_nothing_and_are_never_refused() -> None:
    assert ben_gets(ann_sends_layers(BEN), layer=LIMITS) == LIMITS
    plain = open_room(ANN, BEN)
    plain.handle(publish(ANN))
    plain.handle(ready())
    assert ben_gets(plain, layer=LIMITS) == LIMITS


def test_a_size_that_no_layer_has_is_refused() -> None:
    command = subscribe(BEN, kinds=("video",), parameters=VideoParameters(VGA))
    refuse(ann_sends_layers(BEN), command, Fault.UNSATISFIABLE_VIDEO, CAM, "Resolution is not acceptable")


@pytest.mark.parametrize("stream", [CAM, StreamId("anns-1")])
def test_a_layer_that_does_not_exist_is_refused(stream: StreamId) -> None:
    command = subscribe(BEN, stream=stream, kinds=("video",), layer=LayerPreference("x"))
    refuse(ann_sends_layers(BEN), command, Fault.UNSATISFIABLE_VIDEO, stream, "Requested video stream")


def test_a_stream_without_layers_has_none_by_any_name() -> None:
    room = open_room(ANN, BEN)
    room.handle(publish(ANN))
    room.handle(ready())
    command = subscribe(BEN, kinds=("video",), layer=LayerPreference("q"))
    refuse(room, command, Fault.UNSATISFIABLE_VIDEO, CAM, "Requested video stream")


def test_a_size_is_looked_for_in_the_section_that_is_meant() -> None:
    room = open_room(ANN, BEN)
    room.handle(publish(ANN, kinds=("video", "video")))
    room.handle(SourceReady(CAM, (*layers("0"), *layers("1"))))
    room.handle(ResolutionSeen(CAM, layer("h", "1"), SIZES["h"]))
    command = subscribe(BEN, kinds=("video",), parameters=VideoParameters(SIZES["h"]))
    refuse(room, command, Fault.UNSATISFIABLE_VIDEO, CAM, "Resolution is not acceptable")


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────


def ben_watches_layers(**wishes: Any) -> Room:
    room = ann_sends_layers(BEN, CID)
    room.handle(subscribe(BEN, **wishes))
    room.handle(SinkReady(SUB))
    return room


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (update(layer("h")), LayerPreference("h")),
        (update(parameters=VideoParameters(SIZES["f"])), LayerPreference("f")),
        (update(CAM, parameters=VideoParameters(SIZES["f"])), LayerPreference("f")),
        (update(layer=LIMITS), LIMITS),
        (update(CAM, layer=LIMITS), LIMITS),
        (update(CAM), ANY_LAYER),
    ],
)
def test_an_update_chooses_the_layer_anew(command: UpdateSubscription, wanted: LayerPreference) -> None:
    room = ben_watches_layers(parameters=VideoParameters(SIZES["q"]))
    assert room.handle(command) == [SetSinkLayer(SUB, "11", wanted)]
    assert wish(room) == wanted
    assert room.handle(command) == [], "nothing changes twice"


@pytest.mark.parametrize(
    "command",
    [
        UpdateSubscription(BEN, SUB, ()),
        update(),
        update(layer("q")),
        update(parameters=VideoParameters(SIZES["q"])),
        update(parameters=VideoParameters(bitrate="x1")),
        UpdateSubscription(BEN, SUB, (TrackChange("audio", CAM),)),
    ],
)
def test_an_update_that_changes_nothing_is_fine(command: UpdateSubscription) -> None:
    room = ben_watches_layers(parameters=VideoParameters(SIZES["q"]))
    assert room.handle(command) == []
    assert wish(room) == LayerPreference("q")


def test_a_pinned_layer_is_kept_though_its_size_changes() -> None:
    room = ben_watches_layers(parameters=VideoParameters(SIZES["q"]))
    room.handle(ResolutionSeen(CAM, layer("q"), Resolution(160, 90)))
    assert room.handle(update()) == []
    assert wish(room) == LayerPreference("q")


def test_a_change_keeps_what_is_paused() -> None:
    room = ben_watches_layers()
    room.handle(SetSubscriptionActive(BEN, SUB, ("video",), active=False))
    room.handle(update(layer("h")))
    assert [track.active for track in room.subscriptions[SUB].tracks] == [True, False]


def test_a_layer_may_be_chosen_before_the_sink_is_ready() -> None:
    room = ann_sends_layers(BEN)
    room.handle(subscribe(BEN))
    assert room.handle(update(layer("h"))) == [SetSinkLayer(SUB, "11", LayerPreference("h"))]
    assert not of(room.handle(SinkReady(SUB)), SetSinkLayer)


@pytest.mark.parametrize(
    ("command", "fault", "subject", "detail"),
    [
        (update(layer("x")), Fault.UNSATISFIABLE_VIDEO, layer("x"), "Requested video stream"),
        (update("nothing"), Fault.UNSATISFIABLE_VIDEO, "nothing", "Requested video stream"),
        (
            update(parameters=VideoParameters(VGA)),
            Fault.UNSATISFIABLE_VIDEO,
            CAM,
            "Resolution is not acceptable",
        ),
        (
            update(parameters=VideoParameters(framerate=5)),
            Fault.UNSATISFIABLE_VIDEO,
            CAM,
            "Framerate is not acceptable",
        ),
        (update(SCREEN), Fault.CANNOT_UPDATE, SUB, "its section carries another format"),
    ],
)
def test_an_update_that_cannot_be_had_is_refused(
    command: UpdateSubscription, fault: Fault, subject: str, detail: str
) -> None:
    room = ben_watches_layers()
    room.handle(publish(ANN, SCREEN, kinds=("video",), first_mid=5))
    (screen,) = tracks_of(kinds=("video",), first_mid=5)
    room.handle(SourceReady(SCREEN, (replace(screen, format=VideoFormat("h264", "CB")),)))
    refuse(room, command, fault, subject, detail)


def test_another_stream_of_the_same_format_takes_the_place() -> None:
    room = ben_watches_layers(parameters=VideoParameters(SIZES["q"]))
    room.handle(SetSubscriptionActive(BEN, SUB, ("video",), active=False))
    room.handle(publish(ANN, SCREEN, kinds=("video",), first_mid=5))
    room.handle(ready(SCREEN, kinds=("video",), first_mid=5))
    (moved,) = room.handle(update(SCREEN))
    assert moved == SetSinkOrigin(SUB, room.subscriptions[SUB].tracks[1])
    assert moved.track == SubscribedTrack(
        "video", SCREEN, TrackId("anns-5"), "11", VP8, active=False, layer=ANY_LAYER, formats=(VP8,)
    )
    assert room.handle(update(SCREEN)) == []
    assert CloseSink(SUB) in room.handle(Unpublish(ANN, SCREEN)), "it draws from the new stream"


def test_a_kind_that_is_not_received_cannot_be_changed() -> None:
    room = ann_sends_layers(BEN)
    room.handle(subscribe(BEN, kinds=("audio",)))
    refuse(room, update(CAM), Fault.CANNOT_UPDATE, SUB, "it has no video")


def test_only_the_owner_may_change_it() -> None:
    refuse(ben_watches_layers(), replace(update(layer("h")), by=CID), Fault.FORBIDDEN, SUB)
    assert ben_watches_layers().handle(replace(update(layer("h")), by=None))


# ── what is sent ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rid", ["h", "", None])
def test_the_owner_hears_what_is_sent(rid: str | None) -> None:
    assert ben_watches_layers().handle(LayerSeen(SUB, "11", rid)) == [LayerChanged(BEN, SUB, "11", rid)]


def test_what_was_sent_before_it_was_ready_or_after_its_end_is_no_news() -> None:
    room = ann_sends_layers(BEN)
    room.handle(subscribe(BEN))
    assert room.handle(LayerSeen(SUB, "11", "q")) == []
    room.handle(SinkReady(SUB))
    assert CloseSource(CAM) in room.handle(Unpublish(ANN, CAM))
    assert room.handle(LayerSeen(SUB, "11", "q")) == []
