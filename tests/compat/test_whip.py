"""WHIP (RFC 9725): publishing by one POST, as the room's participants and the management API see it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from palaver.room.messages import Event, ParticipantJoined, ParticipantLeft
from tests.compat.rest_house import House, make_house, refusal
from tests.compat.whip_clients import (
    RECEIVING,
    SENDING,
    bearer,
    directions,
    live,
    post,
    published,
    running,
    token,
    until,
)
from tests.offers import offer


async def test_a_post_publishes_and_is_answered_with_an_answer_and_an_address(house: House) -> None:
    room = await house.room()
    answer = await post(house, f"/whip/{room}/cam", await token(house, room))
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/sdp")
    assert directions(answer.text) == ["recvonly", "recvonly"]
    assert re.fullmatch(f"/whip/{room}/sessions/[0-9A-Za-z_-]{{32}}", answer.headers["location"])
    assert re.fullmatch('"[^"]+"', answer.headers["etag"])
    assert answer.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    assert "link" not in answer.headers


async def test_below_a_path_the_address_has_it_too() -> None:
    async with make_house(base_path="/rtc") as house:
        room = await house.room()
        ticket = await token(house, room)
        answer = await post(house, f"/rtc/whip/{room}/cam", ticket)
        location = answer.headers["location"]
        assert location.startswith(f"/rtc/whip/{room}/sessions/")
        assert (await house.client.delete(location, headers=bearer(ticket))).status_code == 200


async def test_the_session_is_a_participant_and_its_stream_a_webrtc_stream(house: House) -> None:
    room = await house.room()
    await published(house, room, ticket=await token(house, room, "camera 1"))
    (participant,) = await house.ok("GET", f"/v1/rooms/{room}/participants")
    assert (participant["user"], participant["role"]) == ("camera 1", "presenter")
    stream = await house.ok("GET", f"/v1/rooms/{room}/streams/cam")
    assert (stream["type"], stream["info"]["type"]) == ("forward", "webrtc")
    assert stream["info"]["owner"] == participant["id"]


async def test_nothing_that_others_see_tells_the_address_of_the_session(house: House) -> None:
    room = await house.room()
    answer = await published(house, room)
    secret = answer.headers["location"].rpartition("/")[2]
    for path in ("participants", "streams"):
        assert secret not in (await house.call("GET", f"/v1/rooms/{room}/{path}")).text


async def test_without_a_name_the_stream_gets_one(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    for _ in range(2):
        assert (await post(house, f"/whip/{room}", ticket)).status_code == 201
    forward = [stream for stream in running(house, room).room.streams.values() if not stream.mixed]
    assert len({stream.id for stream in forward}) == 2


@pytest.mark.parametrize("type_", ["application/sdp; charset=utf-8", "Application/SDP;charset=UTF-8"])
async def test_the_type_may_have_parameters(house: House, type_: str) -> None:
    room = await house.room()
    answer = await post(house, f"/whip/{room}/cam", await token(house, room), content_type=type_)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("sections", "answered"),
    [
        ([("video", "0", "sendonly")], ["recvonly"]),
        ([("audio", "a", "sendonly")], ["recvonly"]),
        ([("video", "0", "sendrecv"), ("audio", "1", "sendrecv")], ["recvonly", "recvonly"]),
        ([("video", "0", "sendonly"), ("audio", "1", "inactive")], ["recvonly", "inactive"]),
        ([("video", "0", "sendonly"), ("audio", "1", "recvonly")], ["recvonly", "inactive"]),
    ],
)
async def test_encoders_may_send_one_kind_or_both_in_any_order(
    house: House, sections: list[tuple[str, str, str]], answered: list[str]
) -> None:
    room = await house.room()
    answer = await post(house, f"/whip/{room}/cam", await token(house, room), offer(*sections))
    assert (answer.status_code, directions(answer.text)) == (201, answered)


async def test_sections_may_be_bundle_only_without_a_port(house: House) -> None:
    room = await house.room()
    first, rest = SENDING.split("m=video 9 ")
    body = f"{first}m=video 0 {rest}a=bundle-only\r\n"
    answer = await post(house, f"/whip/{room}/cam", await token(house, room), body)
    assert (answer.status_code, directions(answer.text)) == (201, ["recvonly", "recvonly"])


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────


async def test_delete_ends_stream_and_participant(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    for status in (200, 404):
        ended = await house.client.delete(answer.headers["location"], headers=bearer(ticket))
        assert ended.status_code == status
    assert refusal(ended)[1:] == (1001, "Session not found")
    assert await house.ok("GET", f"/v1/rooms/{room}/participants") == []
    assert running(house, room).room.live_streams() == [
        stream for stream in running(house, room).room.streams.values() if stream.mixed
    ]


async def test_a_dropped_participant_has_no_session_any_more(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    (participant,) = await house.ok("GET", f"/v1/rooms/{room}/participants")
    await house.call("DELETE", f"/v1/rooms/{room}/participants/{participant['id']}")
    assert (await house.client.delete(answer.headers["location"], headers=bearer(ticket))).status_code == 404
    assert house.whip.whip_stats()["sessions"] == 0


async def test_a_stream_that_is_removed_takes_the_participant_with_it(house: House) -> None:
    room = await house.room()
    await published(house, room)
    assert (await house.call("DELETE", f"/v1/rooms/{room}/streams/cam")).status_code == 200
    assert await house.ok("GET", f"/v1/rooms/{room}/participants") == []


async def test_a_lost_transport_ends_the_session(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    host = running(house, room)
    stream = next(one for one in host.room.live_streams() if one.id == "cam")
    assert stream.transport is not None
    house.engine.lose(host.room.config.id, stream.transport, "gone")
    await until(host, lambda host: not host.room.participants)
    assert (await house.client.delete(answer.headers["location"], headers=bearer(ticket))).status_code == 404


async def test_a_deleted_room_ends_its_sessions(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    await house.call("DELETE", f"/v1/rooms/{room}")
    assert (await house.client.delete(answer.headers["location"], headers=bearer(ticket))).status_code == 404
    assert refusal(await post(house, f"/whip/{room}/cam", ticket))[:2] == (401, 1101)


async def test_muting_goes_by_the_management_api(house: House) -> None:
    room = await house.room()
    await published(house, room)
    update = [{"op": "replace", "path": "/media/audio/status", "value": "inactive"}]
    answer = await house.call("PATCH", f"/v1/rooms/{room}/streams/cam", update)
    assert answer.status_code == 200, answer.text
    media = answer.json()["media"]
    assert (media["audio"]["status"], media["video"]["status"]) == ("inactive", "active")


# ── names that are taken ────────────────────────────────────────────────────────────────────────────


async def test_a_name_that_is_taken_is_refused(house: House) -> None:
    room = await house.room()
    first = await published(house, room)
    answer = await post(house, f"/whip/{room}/cam", await token(house, room, "ben"))
    assert refusal(answer) == (409, 1201, "Stream exists: cam")
    assert first.headers["location"]
    (participant,) = await house.ok("GET", f"/v1/rooms/{room}/participants")
    assert participant["user"] == "ann"


async def test_a_refused_token_is_good_for_another_name(house: House) -> None:
    room = await house.room()
    await published(house, room)
    ticket = await token(house, room, "ben", reusable=False)
    assert (await post(house, f"/whip/{room}/cam", ticket)).status_code == 409
    assert (await post(house, f"/whip/{room}/other", ticket)).status_code == 201


async def test_the_name_of_a_mixed_stream_is_taken(house: House) -> None:
    room = await house.room()
    answer = await post(house, f"/whip/{room}/{room}-common", await token(house, room))
    assert refusal(answer)[:2] == (409, 1201)


async def test_an_encoder_that_comes_back_with_its_token_replaces_itself(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    old = await published(house, room, ticket=ticket)
    new = await published(house, room, ticket=ticket)
    assert len(await house.ok("GET", f"/v1/rooms/{room}/participants")) == 1
    assert (await house.client.delete(old.headers["location"], headers=bearer(ticket))).status_code == 404
    assert (await house.client.delete(new.headers["location"], headers=bearer(ticket))).status_code == 200


async def test_of_many_that_start_at_once_under_one_name_one_stays(house: House) -> None:
    room = await house.room()
    tickets = [await token(house, room, f"user {number}") for number in range(10)]
    answers = await asyncio.gather(*(post(house, f"/whip/{room}/cam", ticket) for ticket in tickets))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert len(await house.ok("GET", f"/v1/rooms/{room}/participants")) == 1


async def test_a_hundred_may_start_at_once(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    answers = await asyncio.gather(*(post(house, f"/whip/{room}/s{number}", ticket) for number in range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.headers["location"] for answer in answers}) == 100
    assert house.whip.whip_stats()["sessions"] == 100


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


async def test_what_the_room_refuses_nobody_hears_of(house: House) -> None:
    room = await house.room()
    host = await house.open(room, "ann")
    told: list[Event] = []
    host.listen(told.append)
    answer = await post(house, f"/whip/{room}/cam", await token(house, room, role="viewer"))
    assert refusal(answer)[:2] == (403, 1102)
    assert told == []
    assert list(host.room.participants) == ["ann"]


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ({"participantLimit": 1}, 409, "Room is full"),
        ({"inputLimit": 0}, 409, "Too many inputs"),
        ({"mediaIn": {"audio": [], "video": [{"codec": "vp8"}]}}, 422, "Room takes no audio"),
        (
            {"mediaIn": {"audio": [{"codec": "g722"}], "video": [{"codec": "vp9"}]}},
            422,
            "No proper",
        ),
    ],
)
async def test_the_rooms_limits_and_formats_hold(
    house: House, options: dict[str, Any], status: int, words: str
) -> None:
    room = await house.room(**options)
    host = await house.open(room, "ann")
    told: list[Event] = []
    host.listen(told.append)
    ticket = await token(house, room, reusable=False)
    for _ in range(2):  # a refusal does not use the token up
        answer = await post(house, f"/whip/{room}/cam", ticket)
        assert refusal(answer)[0] == status
        assert words in refusal(answer)[2]
    assert list(host.room.participants) == ["ann"]
    assert house.whip.whip_stats()["sessions"] == 0
    assert [type(event) for event in told if isinstance(event, ParticipantJoined | ParticipantLeft)] in (
        [],
        [ParticipantJoined, ParticipantLeft] * 2,  # the engine has the last word about codecs
    )


async def test_a_token_admits_once_it_fits_and_then_no_more(house: House) -> None:
    room = await house.room(inputLimit=0)
    ticket = await token(house, room, reusable=False)
    assert (await post(house, f"/whip/{room}/cam", ticket)).status_code == 409
    await house.rooms.close(running(house, room).room.config.id)
    await house.ok("PUT", f"/v1/rooms/{room}", {"inputLimit": 1})
    answers = await asyncio.gather(*(post(house, f"/whip/{room}", ticket) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("", 400, "body: required"),
        (b"\xff", 400, "body: expected UTF-8"),
        ("hello", 422, "line 1"),
        (RECEIVING, 422, "sends nothing"),
        (offer(("video", "0", "sendonly"), ("video", "1", "sendonly")), 422, "2 video tracks"),
        (SENDING.replace("a=ice-pwd", "a=no-pwd"), 422, "a=ice-pwd"),
        (SENDING.replace("a=mid:1\r\n", ""), 422, "a=mid"),
        ("v=0\r\n" + "a=x\r\n" * 20000, 413, "body"),
    ],
)
async def test_an_offer_that_cannot_be_used_says_why(
    house: House, body: str | bytes, status: int, words: str
) -> None:
    room = await house.room()
    ticket = await token(house, room, reusable=False)
    answer = await post(house, f"/whip/{room}/cam", ticket, body)
    assert refusal(answer)[:2] == (status, 1301)
    assert words in refusal(answer)[2]
    assert (await post(house, f"/whip/{room}/cam", ticket)).status_code == 201


@pytest.mark.parametrize("type_", ["", "text/plain", "application/sdpx", "application/json"])
async def test_another_type_is_refused(house: House, type_: str) -> None:
    room = await house.room()
    answer = await post(house, f"/whip/{room}/cam", await token(house, room), content_type=type_)
    assert refusal(answer) == (415, 1301, "Content-Type: expected application/sdp")
    assert answer.headers["accept-post"] == "application/sdp"


@pytest.mark.parametrize("name", ["a.b", "a b", "ä", "x" * 129])
async def test_a_name_has_plain_characters(house: House, name: str) -> None:
    room = await house.room()
    answer = await post(house, f"/whip/{room}/{name}", await token(house, room))
    assert refusal(answer)[:2] == (400, 1301)


async def test_an_engine_that_cannot_is_not_available(house: House) -> None:
    room = await house.room()
    await house.open(room, "ann")
    house.engine.stop()
    answer = await post(house, f"/whip/{room}/cam", await token(house, room))
    assert refusal(answer)[:2] == (503, 1201)
    assert answer.headers["retry-after"]
    assert list(running(house, room).room.participants) == ["ann"]


async def test_ice_servers_are_told_where_there_are_some() -> None:
    from palaver.api.http.ice_servers import ice_server
    from palaver.api.whip.settings import WhipSettings

    servers = tuple(map(ice_server, ("stun:stun.example:3478", 'turn:ann:s"cret@turn.example?transport=udp')))
    async with make_house(whip_settings=WhipSettings(ice_servers=lambda _: servers)) as house:
        room = await house.room()
        answer = await published(house, room)
    assert answer.headers.get_list("link") == [
        '<stun:stun.example:3478>; rel="ice-server"',
        '<turn:turn.example?transport=udp>; rel="ice-server"; username="ann"; credential="s\\"cret"; '
        'credential-type="password"',
    ]


async def test_a_stream_that_is_still_connecting_has_its_name(house: House) -> None:
    room = await house.room()
    house.engine.hold = True
    assert (await post(house, f"/whip/{room}/cam", await token(house, room))).status_code == 201
    assert (await post(house, f"/whip/{room}/cam", await token(house, room))).status_code == 409
    (stream,) = (one for one in running(house, room).room.streams.values() if not one.mixed)
    assert stream.transport is not None
    house.engine.connect(running(house, room).room.config.id, stream.transport)
    await live(house, room, "cam")


async def test_an_engine_that_takes_no_more_is_not_available(house: House) -> None:
    room = await house.room()
    house.engine.refuse = "full"
    answer = await post(house, f"/whip/{room}/cam", await token(house, room))
    assert refusal(answer)[:2] == (503, 1201)
    assert "full" in refusal(answer)[2]
    assert not running(house, room).room.participants


async def test_a_room_may_be_called_by_its_name(house: House) -> None:
    room = await house.room("daily stand-up")
    await house.room("daily stand-up")  # the token tells which of the two is meant
    answer = await post(house, "/whip/daily%20stand-up/cam", await token(house, room))
    assert answer.status_code == 201
    assert answer.headers["location"].startswith(f"/whip/{room}/sessions/")
    await live(house, room, "cam")


async def test_a_name_of_another_room_is_not_this_one(house: House) -> None:
    room = await house.room("mine")
    await house.room("other")
    answer = await post(house, "/whip/other/cam", await token(house, room))
    assert refusal(answer)[:2] == (404, 1003)
