"""Recordings as OWT's clients start, change and end them, and what is known of them afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from palaver.room.messages import Join, Leave, SetSinkActive, SetSinkOrigin
from palaver.room.values import ParticipantId
from tests.compat.rest_house import ANNA, BERT, House, live

SOUND = {"audio": {"from": "s"}, "video": False}
BOTH = {"audio": {"from": "s"}, "video": {"from": "s"}}


async def on_air(house: House, **options: Any) -> str:
    """A room in which ``s`` is published."""
    room = await house.room(**options)
    live(await house.open(room, "ann"), "s", "ann")
    return room


async def recorded(house: House, room: str, **request: Any) -> dict[str, Any]:
    body = {"media": BOTH, **request}
    answer: dict[str, Any] = await house.ok("POST", f"/v1/rooms/{room}/recordings", body)
    return answer


@pytest.mark.parametrize("version", ["/v1", "/v1.1"])
async def test_a_recording_is_answered_as_the_guide_shows_it(house: House, version: str) -> None:
    room = await on_air(house)
    answer = await house.ok("POST", f"{version}/rooms/{room}/recordings", {"media": BOTH})
    assert answer["media"] == {
        "audio": {
            "from": "s",
            "status": "active",
            "format": {"codec": "opus", "sampleRate": 48000, "channelNum": 2},
        },
        "video": {"from": "s", "status": "active", "format": {"codec": "vp8"}, "parameters": {}},
    }
    assert answer["storage"]["host"] == "10.0.0.5"
    assert answer["storage"]["file"].startswith(f"/recordings/{room}/")
    assert answer["storage"]["file"].endswith(f"{answer['id']}.mkv")
    assert answer["id"].isdigit()
    assert await house.ok("GET", f"{version}/rooms/{room}/recordings") == [answer]
    assert await house.ok("GET", f"{version}/rooms/{room}/recordings/{answer['id']}") == answer


async def test_a_bitrate_multiplier_comes_back_as_it_was_sent(house: House) -> None:
    room = await on_air(house)
    video = {"from": "s", "parameters": {"bitrate": "x0.2"}}
    answer = await recorded(house, room, media={"audio": False, "video": video})
    assert answer["media"]["audio"] is False
    assert answer["media"]["video"]["parameters"]["bitrate"] == "x0.2"


async def test_a_room_that_nobody_is_in_is_recorded(house: House) -> None:
    room = await house.room()
    view = f"{room}-common"
    answer = await recorded(house, room, media={"audio": {"from": view}, "video": {"from": view}})
    assert answer["media"]["video"]["from"] == view
    assert house.rooms.running() != []


@pytest.mark.parametrize(
    ("request_", "extension"),
    [
        ({}, "mkv"),
        ({"container": "mkv"}, "mkv"),
        ({"container": "mp4"}, "mp4"),
        ({"container": "ts"}, "ts"),
        ({"container": "ogg", "media": SOUND}, "ogg"),
        ({"container": "m4a", "media": SOUND}, "m4a"),
        (
            {
                "media": {
                    "audio": {"from": "s", "format": {"codec": "aac"}},
                    "video": {"from": "s", "format": {"codec": "h264"}},
                }
            },
            "mp4",
        ),
    ],
)
async def test_a_container_takes_what_it_holds(
    house: House, request_: dict[str, Any], extension: str
) -> None:
    room = await on_air(house)
    answer = await recorded(house, room, **request_)
    assert answer["storage"]["file"].endswith(f".{extension}")


async def test_what_the_room_does_not_have_is_refused(house: House) -> None:
    room = await on_air(house)
    path, media = f"/v1/rooms/{room}/recordings", {"audio": {"from": "nothing"}, "video": False}
    status, code, _ = await house.refused("POST", path, {"media": media})
    assert (status, code) == (500, 1201)
    assert await house.ok("GET", path) == []


async def test_a_deleted_recording_has_ended_and_is_listed_as_such(house: House) -> None:
    room = await on_air(house)
    answer = await recorded(house, room)
    path = f"/v1/rooms/{room}/recordings"
    deleted = await house.call("DELETE", f"{path}/{answer['id']}")
    assert (deleted.status_code, deleted.text) == (200, "")
    assert await house.ok("GET", path) == []
    assert await house.refused("DELETE", f"{path}/{answer['id']}") == (404, 1001, "Resource not found")
    (ended,) = await house.ok("GET", f"{path}?state=all")
    assert (ended["id"], ended["state"], ended["media"]) == (answer["id"], "ended", answer["media"])
    assert await house.ok("GET", f"{path}/{answer['id']}") == ended
    assert await house.ok("GET", f"/v1/recordings/{answer['id']}") == ended


async def test_recordings_of_all_rooms_are_listed_by_pages(house: House) -> None:
    ids = []
    for _ in range(3):
        house.clock.now += 1
        room = await on_air(house)
        ids.append((await recorded(house, room))["id"])
    listed = await house.call("GET", "/v1/recordings?per_page=2&page=2")
    assert [one["id"] for one in listed.json()] == ids[2:]
    assert listed.headers["x-total-count"] == "3"
    assert 'rel="prev"' in listed.headers["link"]
    assert await house.ok("GET", "/v1/recordings", who=BERT) == []
    assert await house.refused("GET", f"/v1/recordings/{ids[0]}", who=BERT) == (
        404,
        1001,
        "Resource not found",
    )
    assert (await house.client.get("/v1/recordings")).status_code == 401


async def test_files_are_deleted_with_a_recording_that_has_ended(house: House) -> None:
    room = await on_air(house)
    recording = (await recorded(house, room))["id"]
    status, code, _ = await house.refused("DELETE", f"/v1/recordings/{recording}")
    assert (status, code) == (500, 1201)
    await house.call("DELETE", f"/v1/rooms/{room}/recordings/{recording}")
    assert (await house.call("DELETE", f"/v1/recordings/{recording}")).status_code == 200
    assert await house.ok("GET", "/v1/recordings") == []


def replaced(path: str, value: Any) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": path, "value": value}]


async def test_a_recording_is_paused_and_goes_on(house: House) -> None:
    room = await on_air(house)
    path = f"/v1/rooms/{room}/recordings/{(await recorded(house, room))['id']}"
    paused = await house.ok("PATCH", path, replaced("/media/status", "inactive"))
    assert [paused["media"][kind]["status"] for kind in ("audio", "video")] == ["inactive", "inactive"]
    goes_on = await house.ok("PATCH", path, replaced("/media/status", "active"))
    assert [goes_on["media"][kind]["status"] for kind in ("audio", "video")] == ["active", "active"]
    told = [one for _, one in house.engine.performed if isinstance(one, SetSinkActive)]
    assert [(one.kind, one.active) for one in told] == [
        ("audio", False),
        ("video", False),
        ("audio", True),
        ("video", True),
    ]


async def test_one_kind_is_muted(house: House) -> None:
    room = await on_air(house)
    path = f"/v1/rooms/{room}/recordings/{(await recorded(house, room))['id']}"
    muted = await house.ok("PATCH", path, replaced("/media/video/status", "inactive"))
    assert (muted["media"]["audio"]["status"], muted["media"]["video"]["status"]) == ("active", "inactive")


async def test_another_stream_and_other_parameters_are_taken(house: House) -> None:
    room = await on_air(house)
    host = await house.open(room) if house.rooms.running() == [] else house.rooms.running()[0]
    live(host, "t", "ann")
    path = f"/v1/rooms/{room}/recordings/{(await recorded(house, room))['id']}"
    changes = [
        *replaced("/media/audio/from", "t"),
        *replaced("/media/video/from", "t"),
        *replaced("/media/video/parameters/bitrate", "x0.4"),
        *replaced("/media/video/parameters/framerate", 15),
    ]
    changed = await house.ok("PATCH", path, changes)
    assert [changed["media"][kind]["from"] for kind in ("audio", "video")] == ["t", "t"]
    assert changed["media"]["video"]["parameters"] == {"bitrate": "x0.4", "framerate": 15}
    told = [one.track for _, one in house.engine.performed if isinstance(one, SetSinkOrigin)]
    assert {(track.kind, track.stream) for track in told} == {("audio", "t"), ("video", "t")}
    assert await house.ok("GET", path) == changed


async def test_a_change_that_the_room_refuses_changes_nothing(house: House) -> None:
    room = await on_air(house)
    path = f"/v1/rooms/{room}/recordings/{(await recorded(house, room))['id']}"
    before = await house.ok("GET", path)
    changes = [*replaced("/media/status", "inactive"), *replaced("/media/video/from", "nothing")]
    status, code, _ = await house.refused("PATCH", path, changes)
    assert (status, code) == (500, 1201)
    assert await house.ok("GET", path) == before


async def test_it_is_known_who_was_there(house: House) -> None:
    room = await on_air(house)
    recording = (await recorded(house, room))["id"]
    (host,) = house.rooms.running()
    host.submit(Join(ParticipantId("ben"), "user of ben", "presenter"))
    house.clock.now += 5
    host.submit(Leave(ParticipantId("ben")))
    answer = await house.ok("GET", f"/v1/rooms/{room}/recordings/{recording}", who=ANNA)
    start = int((house.clock.now - 5) * 1000)
    assert answer["participants"] == [
        {"id": "ann", "user": "user of ann", "joined": start},
        {"id": "ben", "user": "user of ben", "joined": start, "left": start + 5000},
    ]
