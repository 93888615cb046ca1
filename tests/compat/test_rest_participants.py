"""/v1/rooms/{room}/participants: who is there, what they may do, and out."""

from __future__ import annotations

from typing import Any

import pytest

from palaver.room.messages import ParticipantDropped
from palaver.room.values import ParticipantId
from tests.compat.rest_house import House

NOT_FOUND = (404, 1005, "Participant not found")


def replaced(path: str, value: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": path, "value": value, **more}]


async def test_participants_are_listed_in_order_of_arrival(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "zoe", "ann")
    assert await house.ok("GET", f"/v1/rooms/{room}/participants") == [
        {
            "id": one,
            "user": f"user of {one}",
            "role": "presenter",
            "permission": {
                "publish": {"audio": True, "video": True},
                "subscribe": {"audio": True, "video": True},
            },
        }
        for one in ("zoe", "ann")
    ]
    assert len(host.room.participants) == 2


async def test_one_participant_is_shown_alone(house: House) -> None:
    room = await house.room()
    await house.open(room, "ann", role="viewer")
    for version in ("/v1", "/v1.1"):
        ann = await house.ok("GET", f"{version}/rooms/{room}/participants/ann")
        assert (ann["id"], ann["role"]) == ("ann", "viewer")
        assert ann["permission"]["publish"] == {"audio": False, "video": False}


async def test_whoever_is_not_there_is_not_found(house: House) -> None:
    room = await house.room()
    for running in (False, True):
        if running:
            await house.open(room, "ann")
        path = f"/v1/rooms/{room}/participants/nobody"
        assert await house.refused("GET", path) == NOT_FOUND
        assert await house.refused("DELETE", path) == NOT_FOUND
        assert await house.refused("PATCH", path, replaced("/permission/publish", False)) == NOT_FOUND


@pytest.mark.parametrize(
    ("path", "value", "publish", "subscribe"),
    [
        ("/permission/publish", {"audio": False, "video": True}, (False, True), (True, True)),
        ("/permission/publish", False, (False, False), (True, True)),
        ("/permission/subscribe", False, (True, True), (False, False)),
        ("/permission/subscribe/video", False, (True, True), (True, False)),
        ("/permission/publish/audio", False, (False, True), (True, True)),
        ("/permission/publish/audio", True, (True, True), (True, True)),
    ],
)
async def test_a_permission_can_be_changed_in_parts(
    house: House, path: str, value: Any, publish: tuple[bool, bool], subscribe: tuple[bool, bool]
) -> None:
    room = await house.room()
    await house.open(room, "ann", "ben")
    url = f"/v1/rooms/{room}/participants/ann"
    after = await house.ok("PATCH", url, replaced(path, value))
    assert after["permission"] == {
        "publish": dict(zip(("audio", "video"), publish, strict=True)),
        "subscribe": dict(zip(("audio", "video"), subscribe, strict=True)),
    }
    assert await house.ok("GET", url) == after
    ben = await house.ok("GET", f"/v1/rooms/{room}/participants/ben")
    assert ben["permission"]["publish"] == {"audio": True, "video": True}


async def test_several_changes_apply_in_order(house: House) -> None:
    room = await house.room()
    await house.open(room, "ann")
    updates = replaced("/permission/publish", False) + replaced("/permission/publish/audio", True)
    after = await house.ok("PATCH", f"/v1/rooms/{room}/participants/ann", updates)
    assert after["permission"]["publish"] == {"audio": True, "video": False}


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        "x",
        [5],
        [{}],
        replaced("/permission", True),
        replaced("/permission/publish/data", True),
        replaced("/permission/publish", {"audio": True}),
        replaced("/permission/publish", {"audio": True, "video": True, "data": True}),
        replaced("/permission/publish", 5),
        replaced("/permission/publish/audio", {"audio": True, "video": True}),
        replaced("/permission/publish", True, from_="x"),
        replaced("/permission/publish\n", True),
        [{"op": "add", "path": "/permission/publish", "value": True}],
        [{"op": "replace", "path": "/permission/publish"}],
        [{"path": "/permission/publish", "value": True}],
    ],
)
async def test_a_malformed_change_is_a_bad_request_and_changes_nothing(house: House, body: Any) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    before = host.room.participants[ParticipantId("ann")]
    good = replaced("/permission/publish", False)
    if isinstance(body, list):
        body = good + body
    for participant in ("ann", "nobody"):
        answer = await house.refused("PATCH", f"/v1/rooms/{room}/participants/{participant}", body)
        assert answer[:2] == (400, 1301)
    assert host.room.participants[ParticipantId("ann")] == before


async def test_a_deleted_participant_is_dropped(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "ann", "ben")
    told: list[Any] = []
    host.listen(told.append)
    answer = await house.call("DELETE", f"/v1/rooms/{room}/participants/ann")
    assert (answer.status_code, answer.content) == (200, b"")
    assert told[0] == ParticipantDropped(ParticipantId("ann"))
    assert list(host.room.participants) == ["ben"]
    assert await house.refused("DELETE", f"/v1/rooms/{room}/participants/ann") == NOT_FOUND
