"""Bounds of a room's definition: what is beyond them is refused by name, and what was stored before does no harm."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from palaver.api.wire.rooms import config_of
from palaver.jobs.opening import RoomOpener
from palaver.room.errors import Fault, RoomError
from tests.compat.rest_house import ANNA, House
from tests.compat.test_rest_rooms import created, custom, not_created, region


def picture(**parameters: Any) -> dict[str, Any]:
    return {"views": [{"video": {"parameters": parameters}}]}


def regions(number: int) -> list[dict[str, Any]]:
    return [{**region(), "id": index} for index in range(number)]


def templates(number: int) -> dict[str, Any]:
    return {"views": [{"video": {"layout": {"templates": {"custom": [{"region": []}] * number}}}}]}


PARAMETERS = "views[0].video.parameters"
BEYOND: list[tuple[dict[str, Any], str]] = [
    ({"views": [{"label": str(number)} for number in range(65)]}, "views: expected array of length <= 64"),
    ({"views": custom(*regions(257))}, "views[0].video.layout.templates.custom[0].region: expected array of length"),
    (templates(65), "views[0].video.layout.templates.custom: expected array of length <= 64"),
    ({"views": custom({**region(), "id": "x" * 257})}, "views[0].video.layout.templates.custom[0].region[0].id: "),
    ({"views": [{"label": "x" * 257}]}, "views[0].label: expected string of length <= 256"),
    ({"roles": [{"role": str(number)} for number in range(257)]}, "roles: expected array of length <= 256"),
    ({"roles": [{"role": "x" * 257}]}, "roles[0].role: expected string of length <= 256"),
    ({"mediaIn": {"audio": [{"codec": "opus"}] * 65}}, "mediaIn.audio: expected array of length <= 64"),
    ({"mediaIn": {"video": [{"codec": "x" * 65}]}}, "mediaIn.video[0].codec: expected string of length <= 64"),
    ({"mediaOut": {"video": {"format": [{"codec": "vp8"}] * 65}}}, "mediaOut.video.format: expected array of length"),
    ({"mediaOut": {"video": {"parameters": {"resolution": ["vga"] * 65}}}}, "mediaOut.video.parameters.resolution: "),
    ({"mediaOut": {"video": {"parameters": {"framerate": [121]}}}}, "mediaOut.video.parameters.framerate[0]: "),
    ({"mediaOut": {"video": {"parameters": {"bitrate": [100_001]}}}}, "mediaOut.video.parameters.bitrate[0]: "),
    (picture(resolution={"width": 1, "height": 1}), f"{PARAMETERS}.resolution.width: expected ≥ 64"),
    (picture(resolution={"width": 640, "height": 20_000}), f"{PARAMETERS}.resolution.height: expected ≤ 4096"),
    (picture(framerate=0.5), f"{PARAMETERS}.framerate: expected ≥ 1"),
    (picture(framerate=1e9), f"{PARAMETERS}.framerate: expected ≤ 120"),
    (picture(bitrate=1e12), f"{PARAMETERS}.bitrate: expected ≤ 100000"),
    (picture(keyFrameInterval=0.001), f"{PARAMETERS}.keyFrameInterval: expected ≥ 0.1"),
    (picture(keyFrameInterval=86_400), f"{PARAMETERS}.keyFrameInterval: expected ≤ 3600"),
    ({"views": [{"video": {"motionFactor": 1000}}]}, "views[0].video.motionFactor: expected ≤ 100"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BEYOND, ids=[message for _, message in BEYOND])
async def test_a_definition_beyond_the_bounds_is_refused_by_name(
    house: House, options: dict[str, Any], message: str
) -> None:
    assert (await not_created(house, **options)).startswith(message)


async def test_a_definition_at_the_bounds_is_taken_and_its_room_starts(house: House) -> None:
    views = [{"label": str(number)} for number in range(63)]
    views += [
        {"label": "large", **picture(resolution={"width": 4096, "height": 4096}, framerate=120)["views"][0]}
    ]
    room = await created(house, views=views, roles=[{"role": str(number)} for number in range(256)])
    host = await house.open(room["_id"], "ann", role="255")
    assert len(host.room.live_streams()) == 64


async def test_a_name_and_a_patch_have_bounds_too(house: House) -> None:
    refused = await house.refused("POST", "/v1/rooms", {"name": "x" * 1025})
    assert refused == (400, 1301, "name: expected string of length <= 1024")
    room = await house.room()
    mute = {"op": "replace", "path": "/media/audio/status", "value": "inactive"}
    at = f"/v1/rooms/{room}/streams/any"
    assert await house.refused("PATCH", at, [mute] * 257) == (400, 1301, "body: expected at most 256 changes")
    layout = [{"region": {"id": str(number), "area": region()["area"]}} for number in range(257)]
    refused = await house.refused("PATCH", at, [{"op": "replace", "path": "/info/layout", "value": layout}])
    assert refused == (400, 1301, "[0].value: expected array of length <= 256")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [({"a": "x" * 16_384}, "at most 16384 bytes"), (None, "at most 16 levels")],
    ids=["large", "deep"],
)
async def test_attributes_are_bounded_in_size_and_depth(
    house: House, attributes: dict[str, Any] | None, message: str
) -> None:
    deep: Any = "leaf"
    for _ in range(17):
        deep = {"a": deep}
    room = await house.room()
    body = {
        "connection": {"url": "rtsp://camera.example/1"},
        "media": {"audio": "auto", "video": True},
        "attributes": deep if attributes is None else attributes,
    }
    refused = await house.refused("POST", f"/v1/rooms/{room}/streaming-ins", body)
    assert refused == (400, 1301, f"attributes: expected {message}")


@pytest.mark.parametrize(
    "views",
    [
        pytest.param(custom(*regions(16_000)), id="regions"),
        pytest.param([{"label": str(number)} for number in range(2_000)], id="views"),
        pytest.param(picture(resolution={"width": 1, "height": 1})["views"], id="size"),
    ],
)
async def test_a_stored_definition_beyond_the_bounds_ends_nothing_and_can_be_mended(
    house: House, views: list[Any]
) -> None:
    other, room = await house.room("other"), await house.room()

    def break_it(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "views": views}

    await house.store.rooms.update(room, break_it)
    opener = RoomOpener(house.store, house.rooms, config_of)
    for times in itertools.islice(itertools.count(1), 2):
        with pytest.raises(RoomError, match=r"its definition: views") as refused:
            await opener.open(room)
        assert refused.value.fault is Fault.CANNOT_START
        assert opener.stats()["rooms_unusable_total"] == times
    assert (await opener.open(other)).room.config.name == "other"
    assert (await house.ok("GET", f"/v1/rooms/{room}"))["views"] == views
    token = await house.call("POST", f"/v1/rooms/{room}/tokens", {"user": "a", "role": "presenter"}, who=ANNA)
    assert token.status_code == 200
    await house.ok("PUT", f"/v1/rooms/{room}", {"views": []})
    assert (await opener.open(room)).room.config.views == ()
