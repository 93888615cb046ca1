"""/v1/rooms/{room}/streams and streaming-ins: shapes of both versions, muting, views, ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from palaver.room.values import StreamId
from tests.compat.rest_house import House, live
from tests.room.scenes import publish, ready

NOT_FOUND = (404, 1004, "Stream not found")


def replaced(path: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": path, "value": value}]


def mixed_into(label: str, op: str = "add") -> list[dict[str, Any]]:
    return [{"op": op, "path": "/info/inViews", "value": label}]


async def test_a_mixed_stream_is_shown_as_owt_shows_it_in_1_1(house: House) -> None:
    room = await house.room()
    await house.open(room, "ann")
    (mixed,) = await house.ok("GET", f"/v1.1/rooms/{room}/streams")
    audio_options = mixed["media"]["audio"].pop("optional")
    video_options = mixed["media"]["video"].pop("optional")
    assert mixed == {
        "id": f"{room}-common",
        "type": "mixed",
        "media": {
            "audio": {"status": "active", "format": {"codec": "opus", "sampleRate": 48000, "channelNum": 2}},
            "video": {
                "status": "active",
                "original": [
                    {
                        "format": {"codec": "vp8"},
                        "parameters": {
                            "resolution": {"width": 640, "height": 480},
                            "framerate": 24,
                            "keyFrameInterval": 100,
                        },
                    }
                ],
            },
        },
        "data": None,
        "info": {
            "label": "common",
            "activeInput": "unknown",
            "layout": [],
            "origin": {"isp": "isp", "region": "region"},
        },
    }
    assert len(audio_options["format"]) == 9
    assert video_options["format"] == [
        {"codec": "h264", "profile": "CB"},
        {"codec": "h264", "profile": "B"},
        {"codec": "vp9"},
    ]
    assert video_options["parameters"] == {
        "resolution": [
            {"width": 480, "height": 360},
            {"width": 426, "height": 320},
            {"width": 320, "height": 240},
            {"width": 212, "height": 160},
            {"width": 160, "height": 120},
            {"width": 352, "height": 288},
        ],
        "framerate": [6, 12, 15],
        "bitrate": ["x0.8", "x0.6", "x0.4", "x0.2"],
        "keyFrameInterval": [100, 30, 5, 2, 1],
    }


async def test_a_forward_stream_is_shown_as_owt_shows_it_in_1_0(house: House) -> None:
    room = await house.room()
    live(await house.open(room, "ann"), "cam", "ann")
    cam = (await house.ok("GET", f"/v1/rooms/{room}/streams"))[1]
    assert cam == await house.ok("GET", f"/v1/rooms/{room}/streams/cam")
    for kind in ("audio", "video"):
        assert cam["media"][kind].pop("optional")["format"]
    assert cam == {
        "id": "cam",
        "type": "forward",
        "media": {
            "audio": {
                "status": "active",
                "source": "mic",
                "format": {"codec": "opus", "sampleRate": 48000, "channelNum": 2},
            },
            "video": {"status": "active", "source": "camera", "format": {"codec": "vp8"}, "parameters": {}},
        },
        "info": {"owner": "ann", "type": "webrtc", "inViews": []},
    }


async def test_version_1_1_shows_the_forms_of_video_in_a_list(house: House) -> None:
    room = await house.room()
    live(await house.open(room, "ann"), "cam", "ann")
    video = (await house.ok("GET", f"/v1.1/rooms/{room}/streams/cam"))["media"]["video"]
    assert video["original"] == [{"format": {"codec": "vp8"}, "parameters": {}}]
    assert "format" not in video


async def test_an_absent_kind_is_false(house: House) -> None:
    room = await house.room(views=[{"label": "radio", "video": False}])
    live(await house.open(room, "ann"), "picture", "ann", kinds=("video",))
    for version in ("/v1", "/v1.1"):
        radio, picture = await house.ok("GET", f"{version}/rooms/{room}/streams")
        assert radio["media"]["video"] is False
        assert picture["media"]["audio"] is False


async def test_views_come_first_then_forward_streams_by_age(house: House) -> None:
    room = await house.room(views=[{"label": "z"}, {"label": "a"}])
    host = await house.open(room, "ann", "ben")
    live(host, "second", "ben")
    live(host, "first", "ann")
    streams = await house.ok("GET", f"/v1/rooms/{room}/streams")
    assert [one["id"] for one in streams] == [f"{room}-z", f"{room}-a", "second", "first"]


async def test_what_is_still_negotiated_is_not_there(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    host.submit(publish("ann"))  # type: ignore[arg-type]  # an id is text
    assert [one["type"] for one in await house.ok("GET", f"/v1/rooms/{room}/streams")] == ["mixed"]
    assert await house.refused("GET", f"/v1/rooms/{room}/streams/cam") == NOT_FOUND
    assert await house.refused("DELETE", f"/v1/rooms/{room}/streams/cam") == NOT_FOUND


@pytest.mark.parametrize("resource", ["streams", "streaming-ins"])
async def test_an_unknown_stream_is_not_found(house: House, resource: str) -> None:
    room = await house.room()
    for running in (False, True):
        if running:
            await house.open(room, "ann")
        path = f"/v1.1/rooms/{room}/{resource}/nothing"
        assert await house.refused("GET", path) == NOT_FOUND
        assert await house.refused("DELETE", path) == NOT_FOUND
        assert await house.refused("PATCH", path, mixed_into("common")) == NOT_FOUND
        assert (await house.refused("PATCH", path, [{}]))[:2] == (400, 1301)


async def test_a_stream_can_be_muted_and_unmuted(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    live(host, "cam", "ann")
    path = f"/v1/rooms/{room}/streams/cam"
    after = await house.ok("PATCH", path, replaced("/media/audio/status", "inactive"))
    assert (after["media"]["audio"]["status"], after["media"]["video"]["status"]) == ("inactive", "active")
    assert await house.ok("GET", path) == after
    both = replaced("/media/audio/status", "active") + replaced("/media/video/status", "inactive")
    after = await house.ok("PATCH", path, both)
    assert (after["media"]["audio"]["status"], after["media"]["video"]["status"]) == ("active", "inactive")


async def test_leaving_a_view_that_it_is_not_in_changes_nothing(house: House) -> None:
    room = await house.room()
    live(await house.open(room, "ann"), "cam", "ann")
    path = f"/v1/rooms/{room}/streams/cam"
    before = await house.ok("GET", path)
    assert await house.ok("PATCH", path, mixed_into("common", "remove")) == before
    assert await house.ok("PATCH", path, []) == before


async def test_a_stream_is_put_into_views_and_taken_out(house: House) -> None:
    room = await house.room(views=[{"label": "one"}, {"label": "two"}])
    host = await house.open(room, "ann")
    live(host, "cam", "ann")
    live(host, "sound", "ann", kinds=("audio",))
    path = f"/v1.1/rooms/{room}/streams"
    after = await house.ok("PATCH", f"{path}/cam", mixed_into("one") + mixed_into("two"))
    assert after["info"]["inViews"] == ["one", "two"]
    assert await house.ok("PATCH", f"{path}/cam", mixed_into("two")) == after
    await house.ok("PATCH", f"{path}/sound", mixed_into("one"))
    (one, two, *_) = await house.ok("GET", path)
    whole = {"left": "0/1", "top": "0/1", "width": "1/1", "height": "1/1"}
    shown = [{"stream": "cam", "region": {"id": "1", "shape": "rectangle", "area": whole}}]
    assert (one["info"]["layout"], two["info"]["layout"]) == (shown, shown), (
        "what has no picture has no region"
    )
    after = await house.ok("PATCH", f"{path}/cam", mixed_into("one", "remove"))
    assert after["info"]["inViews"] == ["two"]
    assert (await house.ok("GET", f"{path}/{room}-one"))["info"]["layout"] == []
    await house.call("DELETE", f"{path}/cam")
    assert (await house.ok("GET", f"{path}/{room}-two"))["info"]["layout"] == []


async def test_a_layout_is_given_and_its_places_are_exchanged(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    for stream in ("one", "two", "three"):
        live(host, stream, "ann")
        await house.ok("PATCH", f"/v1/rooms/{room}/streams/{stream}", mixed_into("common"))
    path = f"/v1/rooms/{room}/streams/{room}-common"

    def streams(shown: Any) -> list[str | None]:
        return [place.get("stream") for place in shown["info"]["layout"]]

    assert streams(await house.ok("GET", path)) == ["one", "two", "three", None]
    assert streams(await house.ok("PATCH", path, replaced("/info/layout/3/stream", "one"))) == [
        None, "two", "three", "one",
    ]  # fmt: skip
    assert streams(await house.ok("PATCH", path, replaced("/info/layout/1/stream", "one"))) == [
        None, "one", "three", "two",
    ]  # fmt: skip
    left = {"left": "0/1", "top": "0/1", "width": "1/2", "height": "1/1"}
    right = left | {"left": "1/2"}
    given = [
        {"stream": "three", "region": {"id": "l", "shape": "rectangle", "area": left}},
        {"region": {"id": "r", "shape": "rectangle", "area": right}},
    ]
    after = await house.ok("PATCH", path, replaced("/info/layout", given))
    assert streams(after)[0] == "three"
    assert [place["region"]["area"] for place in after["info"]["layout"]] == [left, right]
    await house.call("DELETE", f"/v1/rooms/{room}/streams/three")
    assert len((await house.ok("GET", path))["info"]["layout"]) == 2, "a given layout stays"


AREA = {"left": "0", "top": "0", "width": "1", "height": "1/2"}
LAYOUT = [{"stream": "cam", "region": {"id": "1", "shape": "rectangle", "area": AREA}}]


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        ("cam", mixed_into("unknown view")),
        ("cam", mixed_into("unknown view", "remove")),
        ("{room}-common", mixed_into("common")),
        ("{room}-common", replaced("/media/audio/status", "inactive")),
        ("sound", replaced("/media/video/status", "inactive")),
        ("cam", replaced("/info/layout", LAYOUT)),
        ("{room}-common", replaced("/info/layout", LAYOUT)),
        ("{room}-common", replaced("/info/layout/0/stream", "cam")),
        ("{room}-common", replaced("/info/layout", [{"region": LAYOUT[0]["region"]}]) + mixed_into("common")),
        ("cam", mixed_into("common") + mixed_into("unknown view")),
    ],
)
async def test_what_the_room_refuses_is_500_1201_and_changes_nothing(
    house: House, stream: str, body: list[Any]
) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    live(host, "cam", "ann")
    live(host, "sound", "ann", kinds=("audio",))
    before = dict(host.room.streams)
    path = f"/v1/rooms/{room}/streams/{stream.format(room=room)}"
    muting = [] if stream.startswith("{") else replaced("/media/audio/status", "inactive")
    status, code, message = await house.refused("PATCH", path, body)
    assert (status, code) == (500, 1201)
    assert message
    await house.refused("PATCH", path, muting + body)
    assert dict(host.room.streams) == before


def layout(**area: str) -> list[Any]:
    return [{"region": {"id": "1", "area": AREA | area}}]


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        [5],
        [{}],
        mixed_into("common", "replace"),
        mixed_into("common", "move"),
        mixed_into(""),
        [{"op": "add", "path": "/info/inViews"}],
        [{"op": "add", "path": "/info/inViews", "value": ["common"]}],
        [{"op": "add", "path": "/media/audio/status", "value": "active"}],
        replaced("/media/audio/status", "paused"),
        replaced("/media/audio/status", True),
        replaced("/media/text/status", "active"),
        replaced("/info/layout", "x"),
        replaced("/info/layout/x/stream", "cam"),
        replaced("/info/layout/-1/stream", "cam"),
        replaced("/info/layout/0/stream", ""),
        replaced("/info/layout", layout(left="2")),
        replaced("/info/layout", layout(left="3/2")),
        replaced("/info/layout", layout(left="1/0")),
        replaced("/info/layout", layout(left="0.5")),
        replaced("/info/layout", [{"stream": "cam"}]),
        replaced("/info/layout", LAYOUT + LAYOUT),
        replaced("/info/layout", [*LAYOUT, {"stream": "cam", "region": {"id": "2", "area": AREA}}]),
        replaced("/info/layout", [*layout(), {"stream": "cam", "region": {"id": "2", "area": AREA}}]),
        replaced("/unknown", "x"),
        [{"op": "replace", "path": "/media/audio/status", "value": "active", "extra": 1}],
    ],
)
async def test_a_malformed_change_is_a_bad_request(house: House, body: Any) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    live(host, "cam", "ann")
    before = dict(host.room.streams)
    if isinstance(body, list):
        body = replaced("/media/video/status", "inactive") + body
    for stream in ("cam", f"{room}-common", "unknown"):
        answer = await house.refused("PATCH", f"/v1/rooms/{room}/streams/{stream}", body)
        assert answer[:2] == (400, 1301)
    assert dict(host.room.streams) == before


@pytest.mark.parametrize("resource", ["streams", "streaming-ins"])
async def test_a_deleted_stream_is_gone(house: House, resource: str) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    live(host, "cam", "ann")
    answer = await house.call("DELETE", f"/v1.1/rooms/{room}/{resource}/cam")
    assert (answer.status_code, answer.content) == (200, b"")
    assert StreamId("cam") not in host.room.streams
    assert await house.refused("GET", f"/v1/rooms/{room}/streams/cam") == NOT_FOUND


async def test_a_mixed_stream_cannot_be_deleted(house: House) -> None:
    room = await house.room()
    await house.open(room, "ann")
    status, code, _ = await house.refused("DELETE", f"/v1/rooms/{room}/streams/{room}-common")
    assert (status, code) == (500, 1201)


async def test_attributes_of_the_application_are_shown(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    host.submit(replace(publish("ann"), attributes={"name": "Ann", "n": [1, None]}))  # type: ignore[arg-type]  # an id is text
    host.report(ready())
    cam = await house.ok("GET", f"/v1/rooms/{room}/streams/cam")
    assert cam["info"]["attributes"] == {"name": "Ann", "n": [1, None]}
