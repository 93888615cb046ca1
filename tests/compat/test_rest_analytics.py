"""Analyses by REST, on the fake engine: what there is, started, shown, ended; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.compat.rest_house import House

CAMERA = {"connection": {"url": "test:bars"}, "media": {"audio": True, "video": True}}


async def stream(house: House, room: str) -> str:
    return str((await house.ok("POST", f"/v1/rooms/{room}/streaming-ins", CAMERA))["id"])


def watch(source: str, algorithm: str = "motion", **more: Any) -> dict[str, Any]:
    return {"algorithm": algorithm, "media": {"audio": False, "video": {"from": source}}, **more}


async def test_the_algorithms_are_listed_with_their_parameters(house: House) -> None:
    listed = await house.ok("GET", "/v1/analytics/algorithms")
    assert listed["broken"] == []
    found = {one["name"]: one for one in listed["algorithms"]}
    motion = found["motion"]
    assert motion["aliases"] == ["another-name"]
    assert motion["origin"] == "built in"
    assert motion["description"].startswith("Tells when something moves")
    assert motion["video"] == {"fps": 15, "pixels": "gray", "size": [160, 90]}
    assert motion["parameters"]["properties"]["threshold"]["default"] == 0.003
    unsigned = await house.client.get("/v1/analytics/algorithms")
    assert unsigned.status_code == 401


async def test_an_analysis_is_shown_as_the_guide_and_upstream_show_it(house: House) -> None:
    room = await house.room()
    source = await stream(house, room)
    path = f"/v1/rooms/{room}/analytics"
    made = await house.ok("POST", path, watch(source, parameters={"threshold": 0.5}))
    assert made["id"].isdecimal()
    assert made["analytics"] == {"algorithm": "motion", "parameters": {"threshold": 0.5}}
    assert made["media"]["from"] == source
    assert made["media"]["format"] == made["media"]["video"]["format"]
    assert made["media"]["video"]["from"] == source
    assert made["media"]["audio"] is False
    assert await house.ok("GET", path) == [made]
    assert await house.ok("GET", f"{path}/{made['id']}") == made
    kinds = [one["kind"] for one in await house.ok("GET", f"/v1/rooms/{room}/jobs")]
    assert kinds == ["streaming-in", "analysis"]
    assert (await house.call("DELETE", f"{path}/{made['id']}")).status_code == 200
    assert await house.ok("GET", path) == []


async def test_another_name_of_an_algorithm_is_shown_as_it_was_asked_for(house: House) -> None:
    room = await house.room()
    source = await stream(house, room)
    made = await house.ok("POST", f"/v1/rooms/{room}/analytics", watch(source, "another-name"))
    assert made["analytics"]["algorithm"] == "another-name"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"algorithm": "nothing"}, "algorithm: there is no 'nothing'"),
        ({"parameters": {"threshold": 2}}, "parameters.threshold: expected `float` <= 1.0"),
        ({"parameters": {"none": 1}}, "parameters.object contains unknown field `none`"),
        ({"parameters": []}, "parameters: "),
        ({"media": {"video": True}}, "media.video: expected an object"),
        ({"media": {"audio": {"from": "s"}}}, "media.video: expected an object with from: motion looks"),
    ],
)
async def test_what_does_not_fit_is_named(house: House, changes: dict[str, Any], said: str) -> None:
    room = await house.room()
    refused = await house.refused("POST", f"/v1/rooms/{room}/analytics", watch("s") | changes)
    assert refused[:2] == (400, 1301)
    assert refused[2].startswith(said)


async def test_a_stream_that_is_not_there_is_refused_and_nothing_is_left(house: House) -> None:
    room = await house.room()
    recording = {"media": {"audio": False, "video": {"from": "nowhere"}}}
    as_others = await house.refused("POST", f"/v1/rooms/{room}/recordings", recording)
    assert await house.refused("POST", f"/v1/rooms/{room}/analytics", watch("nowhere")) == as_others
    assert await house.ok("GET", f"/v1/rooms/{room}/jobs") == []


async def test_events_of_no_analysis_are_not_found(house: House) -> None:
    room = await house.room()
    refused = await house.refused("GET", f"/v1/rooms/{room}/analytics/421375826512345678/events")
    assert refused == (404, 1001, "Resource not found")
