"""Streaming-outs by REST, on the fake engine: started, shown, changed, ended."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.rest_house import House

URL = "rtmp://user:secret@192.0.2.7/live/streamkey"


def request(room: str, **more: Any) -> dict[str, Any]:
    return {
        "url": URL,
        "media": {"audio": {"from": f"{room}-common"}, "video": {"from": f"{room}-common"}},
        **more,
    }


async def test_it_is_shown_as_the_guide_says_and_without_secrets(house: House) -> None:
    room = await house.room()
    path = f"/v1/rooms/{room}/streaming-outs"
    made = await house.ok("POST", path, request(room))
    assert made["id"].isdecimal()
    assert made["protocol"] == "rtmp"
    assert made["url"] == "rtmp://user:***@192.0.2.7/live/***"
    assert made["media"]["audio"] == {
        "from": f"{room}-common",
        "format": {"codec": "aac", "sampleRate": 48000, "channelNum": 2},
        "status": "active",
    }
    video = made["media"]["video"]
    assert video["format"]["codec"] == "h264"
    assert video["parameters"]["resolution"] == {"width": 640, "height": 480}
    assert video["parameters"]["keyFrameInterval"] == 2
    assert await house.ok("GET", path) == [made]
    assert await house.ok("GET", f"{path}/{made['id']}") == made
    assert (await house.call("DELETE", f"{path}/{made['id']}")).status_code == 200
    assert await house.ok("GET", path) == []


@pytest.mark.parametrize(
    ("protocol", "given", "shown"),
    [
        ("hls", {}, {"method": "PUT", "hlsTime": 2, "hlsListSize": 5}),
        (
            "dash",
            {"method": "POST", "dashSegDuration": 4},
            {"method": "POST", "dashSegDuration": 4, "dashWindowSize": 5},
        ),
    ],
)
async def test_parameters_are_returned_with_their_defaults(
    house: House, protocol: str, given: dict[str, Any], shown: dict[str, Any]
) -> None:
    room = await house.room()
    body = request(room, url="http://192.0.2.7/up/x.mpd", protocol=protocol, parameters=given)
    made = await house.ok("POST", f"/v1/rooms/{room}/streaming-outs", body)
    assert made["parameters"] == shown


async def test_without_a_url_the_server_serves_it_itself(house: House) -> None:
    room = await house.room()
    body = {"protocol": "hls", "media": request(room)["media"]}
    made = await house.ok("POST", f"/v1/rooms/{room}/streaming-outs", body)
    assert "/live/" in made["url"]
    assert made["url"].endswith("/index.m3u8")


async def test_it_is_changed_whole_or_not_at_all(house: House) -> None:
    room = await house.room()
    path = f"/v1/rooms/{room}/streaming-outs"
    made = await house.ok("POST", path, request(room))
    one = f"{path}/{made['id']}"
    changes = [
        {"op": "replace", "path": "/media/video/parameters/framerate", "value": 12},
        {"op": "replace", "path": "/media/audio/status", "value": "inactive"},
    ]
    changed = await house.ok("PATCH", one, changes)
    assert changed["media"]["video"]["parameters"]["framerate"] == 12
    assert changed["media"]["audio"]["status"] == "inactive"
    unknown = [*changes, {"op": "replace", "path": "/media/video/from", "value": "nowhere"}]
    refused = await house.call("PATCH", one, unknown)
    assert refused.status_code == 500
    assert await house.ok("GET", one) == changed


async def test_a_stream_that_is_not_there_is_refused_and_nothing_remains(house: House) -> None:
    room = await house.room()
    body = {"url": URL, "media": {"audio": False, "video": {"from": "nowhere"}}}
    answer = await house.call("POST", f"/v1/rooms/{room}/streaming-outs", body)
    assert answer.status_code == 500, answer.text
    assert await house.ok("GET", f"/v1/rooms/{room}/jobs") == []
