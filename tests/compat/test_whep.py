"""WHEP (draft-ietf-wish-whep): playing by one POST."""

from __future__ import annotations

import asyncio

import pytest

from tests.compat.rest_house import House, make_house, refusal
from tests.compat.whip_clients import (
    RECEIVING,
    SENDING,
    bearer,
    directions,
    post,
    published,
    running,
    token,
    until,
)
from tests.offers import offer

H264 = "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f"


async def test_a_post_plays_a_stream(house: House) -> None:
    room = await house.room()
    await published(house, room)
    answer = await post(house, f"/whep/{room}/cam", await token(house, room, "ben", "viewer"), RECEIVING)
    assert answer.status_code == 201, answer.text
    assert directions(answer.text) == ["sendonly", "sendonly"]
    assert answer.headers["location"].startswith(f"/whep/{room}/sessions/")
    assert answer.headers["etag"]
    users = [one["user"] for one in await house.ok("GET", f"/v1/rooms/{room}/participants")]
    assert users == ["ann", "ben"]


async def test_delete_ends_the_participant(house: House) -> None:
    room = await house.room()
    await published(house, room)
    ticket = await token(house, room, "ben", reusable=False)
    answer = await post(house, f"/whep/{room}/cam", ticket, RECEIVING)
    assert (await house.client.delete(answer.headers["location"], headers=bearer(ticket))).status_code == 200
    assert [one.user for one in running(house, room).room.participants.values()] == ["ann"]


@pytest.mark.parametrize(
    ("sections", "answered"),
    [
        ([("audio", "0", "recvonly")], ["sendonly"]),
        ([("video", "v", "recvonly"), ("audio", "a", "recvonly")], ["sendonly", "sendonly"]),
        ([("video", "0", "recvonly"), ("video", "1", "recvonly")], ["sendonly", "inactive"]),
        ([("video", "0", "sendrecv")], ["sendonly"]),
    ],
)
async def test_a_player_gets_what_it_has_a_section_for(
    house: House, sections: list[tuple[str, str, str]], answered: list[str]
) -> None:
    room = await house.room()
    await published(house, room)
    answer = await post(house, f"/whep/{room}/cam", await token(house, room), offer(*sections))
    assert (answer.status_code, directions(answer.text)) == (201, answered)


async def test_a_kind_that_the_stream_lacks_stays_closed(house: House) -> None:
    room = await house.room()
    sound = await post(
        house, f"/whip/{room}/cam", await token(house, room), offer(("audio", "0", "sendonly"))
    )
    assert sound.status_code == 201
    answer = await post(house, f"/whep/{room}/cam", await token(house, room), RECEIVING)
    assert (answer.status_code, directions(answer.text)) == (201, ["sendonly", "inactive"])
    answer = await post(
        house, f"/whep/{room}/cam", await token(house, room), offer(("video", "0", "recvonly"))
    )
    assert refusal(answer) == (
        422,
        1301,
        "the offer has no section for what the stream has: audio opus",
    )


async def test_a_codec_that_the_player_lacks_is_named(house: House) -> None:
    room = await house.room(transcoding={"video": {"format": False}})
    body = SENDING.replace("a=rtpmap:96 VP8/90000", H264)
    assert (await post(house, f"/whip/{room}/cam", await token(house, room), body)).status_code == 201
    ticket = await token(house, room, "ben", reusable=False)
    for _ in range(2):  # a refusal does not use the token up
        answer = await post(house, f"/whep/{room}/cam", ticket, offer(("video", "0", "recvonly")))
        assert refusal(answer) == (
            422,
            1301,
            "No proper video codec; the stream has audio opus, video h264 CB",
        )
    assert [one.user for one in running(house, room).room.participants.values()] == ["ann"]


async def test_without_views_the_oldest_stream_is_played(house: House) -> None:
    room = await house.room(views=[])
    for stream in ("first", "second"):
        await published(house, room, stream)
    assert (await post(house, f"/whep/{room}", await token(house, room), RECEIVING)).status_code == 201
    (subscription,) = running(house, room).room.subscriptions.values()
    assert {track.stream for track in subscription.tracks} == {"first"}


async def test_with_views_the_first_one_is_played(house: House) -> None:
    room = await house.room(views=[{"label": "stage"}, {"label": "other"}])
    await published(house, room)
    assert (await post(house, f"/whep/{room}", await token(house, room), RECEIVING)).status_code == 201
    (subscription,) = running(house, room).room.subscriptions.values()
    assert {track.stream for track in subscription.tracks} == {f"{room}-stage"}


async def test_a_player_that_lacks_the_codec_gets_another(house: House) -> None:
    room = await house.room()
    body = SENDING.replace("a=rtpmap:96 VP8/90000", H264)
    assert (await post(house, f"/whip/{room}/cam", await token(house, room), body)).status_code == 201
    answer = await post(house, f"/whep/{room}/cam", await token(house, room, "ben"), RECEIVING)
    assert answer.status_code == 201
    assert "VP8/90000" in answer.text


@pytest.mark.parametrize("path", ["/whep/{room}", "/whep/{room}/cam"])
async def test_where_nothing_plays_it_is_not_found_yet(house: House, path: str) -> None:
    room = await house.room(views=[])
    ticket = await token(house, room, reusable=False)
    answer = await post(house, path.format(room=room), ticket, RECEIVING)
    assert refusal(answer) == (404, 1004, "Stream not found")
    assert answer.headers["retry-after"]
    await published(house, room)
    assert (await post(house, path.format(room=room), ticket, RECEIVING)).status_code == 201


async def test_a_stream_that_is_still_connecting_is_waited_for(house: House) -> None:
    room = await house.room()
    house.engine.hold = True
    assert (await post(house, f"/whip/{room}/cam", await token(house, room))).status_code == 201
    playing = asyncio.create_task(post(house, f"/whep/{room}/cam", await token(house, room), RECEIVING))
    host = running(house, room)
    (stream,) = (one for one in host.room.streams.values() if not one.mixed)
    assert stream.transport is not None
    house.engine.connect(host.room.config.id, stream.transport)
    assert (await playing).status_code == 201


async def test_a_source_that_ends_ends_the_session(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room)
    publisher = await published(house, room, ticket=ticket)
    player = await post(house, f"/whep/{room}/cam", ticket, RECEIVING)
    await house.client.delete(publisher.headers["location"], headers=bearer(ticket))
    assert (await house.client.delete(player.headers["location"], headers=bearer(ticket))).status_code == 404
    assert not running(house, room).room.participants
    assert house.whip.whep_stats()["sessions"] == 0


async def test_who_may_not_subscribe_is_refused(house: House) -> None:
    room = await house.room(roles=[{"role": "mute", "publish": True, "subscribe": False}])
    await published(house, room, ticket=await token(house, room, role="mute"))
    answer = await post(house, f"/whep/{room}/cam", await token(house, room, "ben", "mute"), RECEIVING)
    assert refusal(answer)[:2] == (403, 1102)


@pytest.mark.parametrize(("body", "words"), [(SENDING, "receives nothing"), ("v=0\r\n", "no media section")])
async def test_an_offer_that_cannot_be_used_says_why(house: House, body: str, words: str) -> None:
    room = await house.room()
    await published(house, room)
    status, code, message = refusal(await post(house, f"/whep/{room}/cam", await token(house, room), body))
    assert (status, code) == (422, 1301)
    assert words in message


async def test_a_hundred_may_start_at_once(house: House) -> None:
    room = await house.room()
    await published(house, room)
    ticket = await token(house, room)
    answers = await asyncio.gather(*(post(house, f"/whep/{room}/cam", ticket, RECEIVING) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {201}
    host = running(house, room)
    await until(host, lambda host: len(host.room.subscriptions) == 100)
    assert house.whip.whep_stats()["sessions"] == 100


async def test_a_session_of_one_protocol_is_none_of_the_other() -> None:
    async with make_house() as house:
        room = await house.room()
        ticket = await token(house, room)
        answer = await published(house, room, ticket=ticket)
        wrong = answer.headers["location"].replace("/whip/", "/whep/")
        assert (await house.client.delete(wrong, headers=bearer(ticket))).status_code == 404
