"""What WHIP and WHEP share: bearer tokens, trickling, restarting ICE, OPTIONS and methods."""

from __future__ import annotations

import httpx
import pytest

from tests.compat.rest_house import House, refusal
from tests.compat.whip_clients import (
    RECEIVING,
    SDP,
    SENDING,
    bearer,
    post,
    published,
    running,
    token,
    until,
)

FRAGMENT = "application/trickle-ice-sdpfrag"
CANDIDATE = "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host"
SECTION = f"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n{CANDIDATE}\r\n"
SAME = f"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijklmn\r\n{SECTION}"
NEW = SAME.replace("abcd", "efgh").replace("0123", "4567")


@pytest.fixture
async def room(house: House) -> str:
    return await house.room()


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "authorization", [None, "", "Basic eDp5", "Bearer", "Bearer ", "Bearer x", "Bearer é"]
)
async def test_without_a_token_nobody_enters(house: House, room: str, authorization: str | None) -> None:
    headers = SDP | ({"authorization": authorization.encode("latin-1")} if authorization is not None else {})
    for path in (f"/whip/{room}", f"/whip/{room}/cam", f"/whep/{room}", f"/whep/{room}/cam"):
        answer = await house.client.post(path, content=SENDING, headers=headers)  # type: ignore[arg-type]  # httpx takes bytes too
        assert refusal(answer)[:2] == (401, 1101)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="palaver"')


async def test_the_scheme_is_written_as_anybody_likes(house: House, room: str) -> None:
    ticket = await token(house, room)
    answer = await post(house, f"/whip/{room}/cam", None, authorization=f"bearer {ticket}")
    assert answer.status_code == 201


async def test_an_ordinary_token_admits_once(house: House, room: str) -> None:
    ticket = await token(house, room, reusable=False)
    assert (await post(house, f"/whip/{room}/a", ticket)).status_code == 201
    answer = await post(house, f"/whip/{room}/b", ticket)
    assert refusal(answer)[:2] == (401, 1101)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_reusable_token_admits_until_it_expires(house: House, room: str) -> None:
    ticket = await token(house, room)
    assert (await post(house, f"/whip/{room}/a", ticket)).status_code == 201
    assert (await post(house, f"/whip/{room}/b", ticket)).status_code == 201
    house.clock.now += 86_401
    assert refusal(await post(house, f"/whip/{room}/c", ticket)) == (401, 1101, "Expired")


async def test_a_session_outlives_its_token(house: House, room: str) -> None:
    for reusable in (True, False):
        ticket = await token(house, room, reusable=reusable)
        answer = await published(house, room, ticket=ticket)
        house.clock.now += 86_401
        where = answer.headers["location"]
        assert (await trickle(house, where, ticket, answer.headers["etag"])).status_code == 204
        assert (await house.client.delete(where, headers=bearer(ticket))).status_code == 200


async def test_a_token_opens_its_own_room_only(house: House, room: str) -> None:
    ticket = await token(house, await house.room("other"))
    assert refusal(await post(house, f"/whip/{room}/cam", ticket))[:2] == (403, 1102)
    assert refusal(await post(house, f"/whep/{'0' * 24}/cam", ticket))[:2] == (404, 1003)
    assert refusal(await post(house, "/whep/standup/cam", ticket))[:2] == (404, 1003)


async def test_a_session_listens_to_its_own_token_only(house: House, room: str) -> None:
    answer = await published(house, room)
    where, other = answer.headers["location"], await token(house, room)
    assert (await house.client.delete(where)).status_code == 401
    assert (await house.client.delete(where, headers=bearer("nonsense"))).status_code == 401
    assert refusal(await house.client.delete(where, headers=bearer(other)))[:2] == (403, 1102)
    assert refusal(await trickle(house, where, other, answer.headers["etag"]))[:2] == (403, 1102)
    assert len(running(house, room).room.participants) == 1


# ── trickling and restarting ────────────────────────────────────────────────────────────────────────


async def trickle(
    house: House, where: str, ticket: str, tag: str | None, body: str = SAME, type_: str = FRAGMENT
) -> httpx.Response:
    headers = {"content-type": type_} | bearer(ticket) | ({"if-match": tag} if tag is not None else {})
    return await house.client.patch(where, content=body, headers=headers)


async def test_candidates_are_taken_without_an_answer(house: House, room: str) -> None:
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    where, tag = answer.headers["location"], answer.headers["etag"]
    only = f"m=audio 9 RTP/AVP 0\r\na=mid:0\r\n{CANDIDATE}\r\na=end-of-candidates\r\n"
    for given, body in ((tag, SAME), (f'"other", {tag}', only), ("*", SAME)):
        done = await trickle(house, where, ticket, given, body)
        assert (done.status_code, done.content) == (204, b"")
        assert "etag" not in done.headers


@pytest.mark.parametrize("given", ["{tag}", "*"])
async def test_new_credentials_restart_ice(house: House, room: str, given: str) -> None:
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    where, tag = answer.headers["location"], answer.headers["etag"]
    done = await trickle(house, where, ticket, given.format(tag=tag), NEW)
    assert (done.status_code, done.headers["content-type"]) == (200, FRAGMENT)
    assert done.headers["etag"] not in (tag, "")
    assert "a=ice-ufrag:" in done.text
    assert "a=mid:0" in done.text
    assert "a=fingerprint" not in done.text
    assert (await trickle(house, where, ticket, tag, NEW)).status_code == 412
    assert (await trickle(house, where, ticket, done.headers["etag"], NEW)).status_code == 204
    assert [stream.id for stream in running(house, room).room.live_streams() if not stream.mixed] == ["cam"]


@pytest.mark.parametrize(
    ("given", "status"), [(None, 428), ('"other"', 412), ("W/{tag}", 412), ("nonsense", 412)]
)
async def test_a_patch_names_the_ice_session(house: House, room: str, given: str | None, status: int) -> None:
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    for body in (SAME, NEW):
        tag = given.format(tag=answer.headers["etag"]) if given else None
        done = await trickle(house, answer.headers["location"], ticket, tag, body)
        assert refusal(done)[:2] == (status, 1301)


async def test_an_entity_tag_is_of_no_concern_to_delete(house: House, room: str) -> None:
    ticket = await token(house, room)
    where = (await published(house, room, ticket=ticket)).headers["location"]
    done = await house.client.delete(where, headers=bearer(ticket) | {"if-match": '"other"'})
    assert done.status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "required"),
        ("a=mid:0\r\n", "neither"),
        ("nonsense\r\n", "line 1"),
        ("a=ice-ufrag:efgh\r\n", "a=ice-pwd"),
        ("a=ice-pwd:0123456789abcdefghijklmn\r\n", "a=ice-ufrag"),
        (NEW.replace("efgh", "e h"), "a=ice-ufrag"),
        ("a=candidate:" + "1" * 600 + "\r\n", "candidate"),
        (f"{CANDIDATE}\r\n" * 65, "64"),
    ],
)
async def test_a_fragment_that_is_none_says_why(house: House, room: str, body: str, words: str) -> None:
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    where, tag = answer.headers["location"], answer.headers["etag"]
    status, code, message = refusal(await trickle(house, where, ticket, tag, body))
    assert (status, code) == (400, 1301)
    assert words in message


async def test_another_type_is_refused(house: House, room: str) -> None:
    ticket = await token(house, room)
    answer = await published(house, room, ticket=ticket)
    done = await trickle(
        house, answer.headers["location"], ticket, answer.headers["etag"], type_="application/sdp"
    )
    assert refusal(done)[:2] == (415, 1301)
    assert done.headers["accept-patch"] == FRAGMENT


async def test_players_trickle_and_restart_too(house: House, room: str) -> None:
    ticket = await token(house, room)
    await published(house, room, ticket=ticket)
    answer = await post(house, f"/whep/{room}/cam", ticket, RECEIVING)
    where, tag = answer.headers["location"], answer.headers["etag"]
    assert (await trickle(house, where, ticket, tag)).status_code == 204
    assert (await trickle(house, where, ticket, "*", NEW)).status_code == 200


# ── browsers, and methods ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("protocol", ["whip", "whep"])
async def test_pages_from_anywhere_may_use_it(house: House, room: str, protocol: str) -> None:
    for path in (f"/{protocol}/{room}", f"/{protocol}/{room}/cam"):
        answer = await house.client.options(path, headers={"origin": "https://page.example"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].split(", ")
        assert {"authorization", "content-type", "if-match"} <= set(allowed)
        assert answer.headers["accept-post"] == "application/sdp"
    answer = await house.client.options(f"/{protocol}/{room}/sessions/x")
    assert {"PATCH", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert answer.headers["accept-patch"] == FRAGMENT


async def test_pages_see_the_headers_that_matter(house: House, room: str) -> None:
    answer = await published(house, room)
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"etag", "link", "location", "accept-patch"} <= exposed


async def test_there_is_nothing_to_get(house: House, room: str) -> None:
    where = (await published(house, room)).headers["location"]
    for path in (f"/whip/{room}", f"/whep/{room}/cam", where):
        assert (await house.client.get(path)).status_code == 204
        assert (await house.client.head(path)).status_code == 204
        answer = await house.client.put(path)
        assert refusal(answer)[:2] == (405, 1001)
        assert "OPTIONS" in answer.headers["allow"]
    assert (await house.client.patch(f"/whip/{room}")).status_code == 405
    assert (await house.client.post(where)).status_code == 405


@pytest.mark.parametrize(("protocol", "body"), [("whip", SENDING), ("whep", RECEIVING)])
async def test_a_slash_at_the_end_makes_no_difference(
    house: House, room: str, protocol: str, body: str
) -> None:
    if protocol == "whep":
        await published(house, room)
    for path in (f"/{protocol}/{room}/", f"/{protocol}/{room}/cam/"):
        ticket = await token(house, room)
        answer = await post(house, path, ticket, body)
        assert answer.status_code == 201
        session = answer.headers["location"] + "/"
        assert (await house.client.delete(session, headers=bearer(ticket))).status_code == 200
        if protocol == "whip":
            await until(running(house, room), lambda host: "cam" not in host.room.streams)
