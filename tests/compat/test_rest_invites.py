"""/v1/rooms/{room}/invites, and the guests who come by them."""

from __future__ import annotations

from typing import Any

import pytest

from palaver.api.rest.settings import RestSettings
from tests.compat.rest_house import ANNA, BERT, House, make_house, refusal
from tests.tokens import admitted

DAY_S = 86_400
LINK = "http://palaver.example:3000/#invite="


async def invited(house: House, room: str, **wanted: Any) -> dict[str, Any]:
    """A new invitation as REST shows it."""
    made: dict[str, Any] = await house.ok("POST", f"/v1/rooms/{room}/invites", wanted)
    return made


def code_of(invite: dict[str, Any]) -> str:
    return str(invite["url"]).partition("#invite=")[2]


async def come(house: House, code: str, user: str = "ann", **more: Any) -> Any:
    """What a guest hears who comes by a link."""
    return await house.client.post(f"/invites/{code}", json={"user": user, **more})


async def test_a_link_lets_people_in_as_it_says(house: House) -> None:
    room = await house.room("standup")
    invite = await invited(house, room, role="viewer")
    assert invite["url"].startswith(LINK)
    assert (invite["role"], invite["room"], invite["used"]) == ("viewer", room, 0)
    assert "expires" not in invite
    assert "uses" not in invite
    looked = await house.client.get(f"/invites/{code_of(invite)}")
    assert looked.json() == {"room": {"name": "standup"}, "role": "viewer", "usedUp": False}
    answer = (await come(house, code_of(invite), "Ann")).json()
    assert answer["room"] == {"id": room, "name": "standup"}
    record = await admitted(house.desk, answer["token"])
    assert (record.user, record.role, record.room) == ("Ann", "viewer", room)


async def test_looking_at_an_invitation_does_not_use_it_up(house: House) -> None:
    invite = await invited(house, await house.room(), uses=1)
    for _ in range(3):
        assert (await house.client.get(f"/invites/{code_of(invite)}")).json()["usedUp"] is False
    assert (await come(house, code_of(invite))).status_code == 200
    assert (await house.client.get(f"/invites/{code_of(invite)}")).json()["usedUp"] is True


async def test_as_many_come_as_may_and_each_may_come_back(house: House) -> None:
    room = await house.room()
    invite = await invited(house, room, uses=2)
    first, second = [(await come(house, code_of(invite), name)).json() for name in ("ann", "bob")]
    status, code, message = refusal(await come(house, code_of(invite), "eve"))
    assert (status, code, message) == (410, 1003, "This invitation was used already.")
    for guest in (first["guest"], second["guest"]):
        assert (await come(house, code_of(invite), returning=guest)).status_code == 200
    assert (await come(house, code_of(invite), returning=first["guest"] + "x")).status_code == 410
    listed = await house.ok("GET", f"/v1/rooms/{room}/invites")
    assert [(one["used"], one["uses"]) for one in listed] == [(2, 2)]


async def test_a_guest_of_one_invitation_is_none_of_another(house: House) -> None:
    room = await house.room()
    open_to_all, single = await invited(house, room), await invited(house, room, uses=1)
    guest = (await come(house, code_of(open_to_all))).json()["guest"]
    assert (await come(house, code_of(single))).status_code == 200
    assert (await come(house, code_of(single), returning=guest)).status_code == 410


async def test_an_invitation_expires_also_for_those_who_came_by_it(house: House) -> None:
    invite = await invited(house, await house.room(), ttlSeconds=7 * DAY_S)
    guest = (await come(house, code_of(invite))).json()["guest"]
    house.clock.now += 7 * DAY_S + 1
    for more in ({}, {"returning": guest}):
        assert refusal(await come(house, code_of(invite), **more))[::2] == (
            410,
            "This invitation has expired.",
        )
    assert (await house.client.get(f"/invites/{code_of(invite)}")).status_code == 410


async def test_a_revoked_invitation_lets_nobody_in(house: House) -> None:
    room = await house.room()
    invite = await invited(house, room)
    path = f"/v1/rooms/{room}/invites/{invite['id']}"
    assert (await house.call("DELETE", path)).status_code == 200
    assert (await come(house, code_of(invite))).status_code == 410
    assert await house.refused("DELETE", path) == (404, 1001, "Resource not found")
    assert await house.ok("GET", f"/v1/rooms/{room}/invites") == []


async def test_a_deleted_room_takes_its_invitations_with_it(house: House) -> None:
    room = await house.room()
    invite = await invited(house, room)
    await house.call("DELETE", f"/v1/rooms/{room}")
    assert (await come(house, code_of(invite))).status_code == 410


async def test_links_of_others_and_pieces_of_links_are_no_invitations(house: House) -> None:
    code = code_of(await invited(house, await house.room()))
    flipped = ("B" if code[0] == "A" else "A") + code[1:]
    for wrong in (code[:-4], flipped, code[:-1] + ("A" if code[-1] != "A" else "B"), "x", "é", "a" * 4000):
        assert (await come(house, wrong)).status_code == 404, wrong


async def test_invitations_belong_to_the_service_of_the_room(house: House) -> None:
    room = await house.room(who=ANNA)
    invite = await invited(house, room)
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{invite['id']}")):
        body: Any = {} if method == "POST" else None
        assert (
            await house.call(method, f"/v1/rooms/{room}/invites{path}", body, who=BERT)
        ).status_code == 404
    other = await house.room("other")
    assert (await house.call("DELETE", f"/v1/rooms/{other}/invites/{invite['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"role": "pope"}, "role"),
        ({"uses": 0}, "uses"),
        ({"uses": "many"}, "uses"),
        ({"ttlSeconds": -1}, "ttlSeconds"),
        ({"ttlSeconds": 10**12}, "ttlSeconds"),
    ],
)
async def test_a_refusal_names_the_field(house: House, wanted: dict[str, Any], named: str) -> None:
    room = await house.room()
    status, code, message = await house.refused("POST", f"/v1/rooms/{room}/invites", wanted)
    assert (status, code) == (400, 1301)
    assert named in message


@pytest.mark.parametrize("user", ["", " ", "\n", "x" * 65, 5])
async def test_a_guest_has_a_name_that_can_be_read(house: House, user: Any) -> None:
    invite = await invited(house, await house.room(), uses=1)
    status, _, message = refusal(await come(house, code_of(invite), user))
    assert status == 400
    assert "user" in message
    assert (await come(house, code_of(invite))).status_code == 200  # the refusal used nothing up


async def test_a_page_from_elsewhere_lets_nobody_in(house: House) -> None:
    code = code_of(await invited(house, await house.room()))
    answer = await house.client.post(
        f"/invites/{code}", json={"user": "ann"}, headers={"origin": "https://evil.example"}
    )
    assert answer.status_code == 403


async def test_attempts_from_one_source_are_bounded(house: House) -> None:
    answers = [await come(house, "wrong") for _ in range(61)]
    assert [answer.status_code for answer in answers] == [404] * 60 + [429]
    house.clock.now += 61
    assert (await come(house, "wrong")).status_code == 404


async def test_the_invitations_of_a_room_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palaver.api.auth.invitations.MAX_PER_ROOM", 2)
    room = await house.room()
    for _ in range(2):
        await invited(house, room)
    assert (await house.refused("POST", f"/v1/rooms/{room}/invites", {}))[:2] == (500, 1201)
    await invited(house, await house.room("another"))


async def test_a_link_leads_where_clients_find_the_server() -> None:
    async with make_house(settings=RestSettings(public_url="https://meet.example/call")) as house:
        assert (await invited(house, await house.room()))["url"].startswith(
            "https://meet.example/call/#invite="
        )
