"""/services: for the super service, apart from looking at oneself."""

from __future__ import annotations

from typing import Any

import pytest

from palaver.room.messages import ParticipantDropped
from tests.compat.rest_house import ANNA, BERT, SUPER, House, Who

NEW = {"name": "carla", "key": "carla's key"}


async def test_a_service_is_answered_with_its_key_encrypted(house: House) -> None:
    service = await house.ok("POST", "/services", NEW, who=SUPER)
    assert set(service) == {"_id", "name", "key", "encrypted", "rooms", "__v"}
    assert len(service["_id"]) == 24
    assert (service["name"], service["encrypted"], service["rooms"], service["__v"]) == ("carla", True, [], 0)
    assert bytes.fromhex(service["key"])
    assert "carla" not in bytes.fromhex(service["key"]).decode("latin-1")
    assert await house.ok("GET", f"/services/{service['_id']}", who=SUPER) == service


async def test_a_new_service_signs_with_the_key_that_was_sent(house: House) -> None:
    service = await house.ok("POST", "/services", NEW, who=SUPER)
    carla = Who(service["_id"], NEW["key"])
    room = await house.room(who=carla)
    assert (await house.ok("GET", f"/services/{carla.id}", who=carla))["rooms"] == [room]


async def test_services_are_listed_with_their_rooms_by_creation(house: House) -> None:
    rooms = [await house.room(), await house.room()]
    await house.ok("POST", "/services", NEW, who=SUPER)
    listed = await house.ok("GET", "/services", who=SUPER)
    assert [(one["name"], one["rooms"]) for one in listed] == [
        ("superService", []),
        ("anna", rooms),
        ("bert", []),
        ("carla", []),
    ]


async def test_the_super_service_is_listed_first_whenever_it_was_made(house: House) -> None:
    await house.store.services.create("0" * 24, "early", "key", created_ms=0)
    listed = await house.ok("GET", "/services", who=SUPER)
    assert [one["name"] for one in listed] == ["superService", "early", "anna", "bert"]


async def test_only_the_super_service_lists_creates_and_deletes(house: House) -> None:
    denied = (403, 1102, "Permission denied")
    assert await house.refused("GET", "/services") == denied
    assert await house.refused("POST", "/services", NEW) == denied
    assert await house.refused("POST", "/services") == denied
    assert await house.refused("DELETE", f"/services/{ANNA.id}") == denied
    assert await house.refused("DELETE", f"/services/{BERT.id}") == denied


async def test_a_service_may_look_at_itself_only(house: House) -> None:
    assert (await house.ok("GET", f"/services/{ANNA.id}"))["name"] == "anna"
    for other in (BERT.id, "0" * 24, "malformed"):
        assert await house.refused("GET", f"/services/{other}") == (403, 1102, "Permission denied")


@pytest.mark.parametrize("service", ["0" * 24, "malformed", "%00", "x" * 5000])
async def test_an_unknown_or_malformed_id_is_not_found(house: House, service: str) -> None:
    for method in ("GET", "DELETE"):
        assert await house.refused(method, f"/services/{service}", who=SUPER) == (
            404,
            1002,
            "Service not found",
        )


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        [],
        {"name": "x"},
        {"key": "x"},
        {"name": "", "key": "x"},
        {"name": "x", "key": ""},
        {"name": 1, "key": "x"},
        {"name": "x", "key": 5},
        {"name": "x\u0000", "key": "x"},
        {"name": None, "key": "x"},
    ],
)
async def test_name_and_key_are_non_empty_strings(house: House, body: Any) -> None:
    assert (await house.refused("POST", "/services", body, who=SUPER))[:2] == (400, 1301)


async def test_a_name_in_use_is_refused(house: House) -> None:
    status, code, message = await house.refused("POST", "/services", {"name": "anna", "key": "k"}, who=SUPER)
    assert (status, code) == (400, 1301)
    assert message.startswith("name: ")


async def test_a_deleted_service_is_gone_with_its_rooms(house: House) -> None:
    room, other = await house.room(), await house.room(who=BERT)
    host = await house.open(room, "ann")
    told: list[Any] = []
    host.listen(told.append)
    answer = await house.call("DELETE", f"/services/{ANNA.id}", who=SUPER)
    assert (answer.status_code, answer.text) == (200, "Service deleted")
    assert ParticipantDropped("ann") in told  # type: ignore[arg-type]  # an id is text
    assert await house.refused("DELETE", f"/services/{ANNA.id}", who=SUPER) == (
        404,
        1002,
        "Service not found",
    )
    assert (await house.refused("GET", "/v1/rooms"))[:2] == (401, 1101)
    assert await house.store.rooms.get(room) is None
    assert (await house.ok("GET", f"/v1/rooms/{other}", who=BERT))["_id"] == other


async def test_the_super_service_stays(house: House) -> None:
    status, code, _ = await house.refused("DELETE", f"/services/{SUPER.id}", who=SUPER)
    assert (status, code) == (403, 1102)
    assert (await house.ok("GET", f"/services/{SUPER.id}", who=SUPER))["name"] == "superService"
