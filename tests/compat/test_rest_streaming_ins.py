"""Streaming-ins by REST, on the fake engine: started, shown as streams, changed, ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from palaver.room.messages import SourceLost
from palaver.room.values import RoomId, StreamId
from tests.compat.rest_house import BERT, House

BARS = {"connection": {"url": "test:bars"}, "media": {"audio": "auto", "video": True}}
MUTE = [{"op": "replace", "path": "/media/audio/status", "value": "inactive"}]


async def started(house: House, room: str, version: str = "/v1", **more: Any) -> dict[str, Any]:
    stream: dict[str, Any] = await house.ok("POST", f"{version}/rooms/{room}/streaming-ins", BARS | more)
    return stream


@pytest.mark.parametrize("version", ["/v1", "/v1.1"])
async def test_it_is_a_stream_of_the_room_from_its_answer_on(house: House, version: str) -> None:
    room = await house.room()
    stream = await started(house, room, version, attributes={"name": "gate"})
    assert stream["type"] == "forward"
    assert stream["info"] == {
        "owner": "admin",
        "type": "streaming",
        "inViews": [],
        "attributes": {"name": "gate"},
    }
    assert 1 <= len(stream["id"]) <= 18
    assert stream["id"].isdecimal()
    assert ("original" in stream["media"]["video"]) is (version == "/v1.1")
    views_first = await house.ok("GET", f"{version}/rooms/{room}/streams")
    assert [one["type"] for one in views_first] == ["mixed", "forward"]
    assert views_first[1] == stream
    assert await house.ok("GET", f"{version}/rooms/{room}/streams/{stream['id']}") == stream
    assert await house.ok("GET", f"{version}/rooms/{room}/streaming-ins/{stream['id']}") == stream


async def test_it_is_changed_like_any_stream(house: House) -> None:
    room = await house.room()
    stream = await started(house, room)
    for path in ("streams", "streaming-ins"):
        url = f"/v1/rooms/{room}/{path}/{stream['id']}"
        muted = await house.ok("PATCH", url, MUTE)
        assert muted["media"]["audio"]["status"] == "inactive"
        mixed = await house.ok("PATCH", url, [{"op": "add", "path": "/info/inViews", "value": "common"}])
        assert mixed["info"]["inViews"] == ["common"]


@pytest.mark.parametrize("path", ["streaming-ins", "streams", "jobs"])
async def test_it_is_ended_for_good(house: House, path: str) -> None:
    room = await house.room()
    stream = await started(house, room)
    answer = await house.call("DELETE", f"/v1/rooms/{room}/{path}/{stream['id']}")
    assert (answer.status_code, answer.text) == (200, "")
    assert await house.ok("GET", f"/v1/rooms/{room}/jobs") == []
    assert (await house.store.jobs.all())[0] == []
    for method in ("GET", "DELETE"):
        gone = f"/v1/rooms/{room}/streaming-ins/{stream['id']}"
        assert await house.refused(method, gone) == (404, 1004, "Stream not found")


async def test_one_that_does_not_start_says_why(house: House) -> None:
    room = await house.room()
    unknown = {**BARS, "connection": {"url": "rtsp://ann:secret@camera.invalid/x"}}
    for version in ("/v1", "/v1.1"):
        said = await house.refused("POST", f"{version}/rooms/{room}/streaming-ins", unknown)
        assert said == (500, 1201, "the host camera.invalid has no address")
    assert await house.ok("GET", f"/v1/rooms/{room}/streams") == []
    assert await house.ok("GET", f"/v1/rooms/{room}/jobs") == []


async def test_one_that_the_room_does_not_take_is_refused(house: House) -> None:
    room = await house.room(mediaIn={"audio": [], "video": []})
    status, code, _ = await house.refused("POST", f"/v1/rooms/{room}/streaming-ins", BARS)
    assert (status, code) == (500, 1201)


async def test_one_that_is_lost_is_shown_with_its_reason_until_it_is_back(house: House) -> None:
    room = await house.room()
    stream = await started(house, room)
    [job] = await house.ok("GET", f"/v1/rooms/{room}/jobs")
    assert job == {
        "id": stream["id"],
        "kind": "streaming-in",
        "status": "running",
        "created": int(house.clock.now * 1000),
    }
    host = house.rooms.get(RoomId(room))
    assert host is not None
    host.report(SourceLost(StreamId(stream["id"]), "the cable broke"))
    kept = house.jobs.get(room, stream["id"])
    assert kept is not None
    async with asyncio.timeout(20):
        while kept.status == "running":
            await house.tick()
    lost = await house.ok("GET", f"/v1/rooms/{room}/jobs/{stream['id']}")
    assert (lost["status"], lost["error"]) == ("waiting", "the cable broke")
    assert await house.refused("GET", f"/v1/rooms/{room}/streaming-ins/{stream['id']}") == (
        404,
        1004,
        "Stream not found",
    )
    answer = await house.call("DELETE", f"/v1/rooms/{room}/streaming-ins/{stream['id']}")
    assert answer.status_code == 200
    assert await house.ok("GET", f"/v1/rooms/{room}/jobs") == []


async def test_a_deleted_room_ends_its_streaming_ins(house: House) -> None:
    room = await house.room()
    await started(house, room)
    assert (await house.call("DELETE", f"/v1/rooms/{room}")).text == "Room deleted"
    assert house.rooms.get(RoomId(room)) is None
    assert (await house.store.jobs.all())[0] == []


async def test_jobs_of_another_room_are_not_found(house: House) -> None:
    room, other = await house.room(), await house.room("other")
    stream = await started(house, room)
    for method in ("GET", "DELETE"):
        assert (await house.refused(method, f"/v1/rooms/{other}/jobs/{stream['id']}"))[:2] == (404, 1001)
        assert (await house.refused(method, f"/v1/rooms/{other}/streaming-ins/{stream['id']}"))[:2] == (
            404,
            1004,
        )
        foreign = await house.refused(method, f"/v1/rooms/{room}/jobs/{stream['id']}", who=BERT)
        assert foreign[:2] == (404, 1003)
    assert len(await house.ok("GET", f"/v1/rooms/{room}/jobs")) == 1
