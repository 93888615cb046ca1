"""/v1/rooms/{room}/tokens: what a token says, and whom it admits."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import structlog

from palaver.api.auth.tokens import TokenRefused
from palaver.api.rest.settings import RestSettings
from tests.compat.rest_house import House, make_house, refusal
from tests.tokens import admitted

ANN = {"user": "ann", "role": "presenter"}


async def token(house: House, body: Any = ANN, room: str | None = None, **more: Any) -> str:
    answer = await house.call("POST", f"/v1/rooms/{room or await house.room()}/tokens", body, **more)
    assert answer.status_code == 200, answer.text
    return answer.text


def inside(token: str) -> dict[str, Any]:
    decoded = base64.b64decode(token, validate=True)
    assert decoded.isascii()
    content: dict[str, Any] = json.loads(decoded)
    return content


async def test_a_token_names_the_host_that_was_asked_for(house: House) -> None:
    content = inside(await token(house))
    assert set(content) == {"tokenId", "host", "secure", "signature"}
    assert (content["host"], content["secure"]) == ("palaver.example:3000", False)


@pytest.mark.parametrize(
    ("url", "host", "secure"),
    [
        ("https://meet.example", "meet.example", True),
        ("https://meet.example:8443/", "meet.example:8443", True),
        ("http://10.0.0.5:3000", "10.0.0.5:3000", False),
    ],
)
async def test_a_configured_address_takes_precedence(url: str, host: str, secure: bool) -> None:
    async with make_house(settings=RestSettings(public_url=url)) as house:
        content = inside(await token(house))
    assert (content["host"], content["secure"]) == (host, secure)


async def test_a_server_with_tls_says_so() -> None:
    async with make_house() as house:
        room = await house.room()
        answer = await house.call("POST", f"https://palaver.example:3000/v1/rooms/{room}/tokens", ANN)
        assert inside(answer.text)["secure"] is True


@pytest.mark.parametrize(
    "host", ["", "a b", "x:y", 'a"b', "\u00e4.example".encode().decode("latin-1"), "a" * 300]
)
async def test_a_host_that_is_none_is_a_bad_request(house: House, host: str) -> None:
    room = await house.room()
    answer = await house.call(
        "POST", f"/v1/rooms/{room}/tokens", ANN, headers={"host": host.encode("latin-1")}
    )
    assert refusal(answer)[:2] == (400, 1301)


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("palaver.example", "palaver.example:3000"),
        ("192.0.2.7", "192.0.2.7:3000"),
        ("[2001:db8::7]", "[2001:db8::7]:3000"),
        ("palaver.example:8080", "palaver.example:8080"),
        ("[2001:db8::7]:8080", "[2001:db8::7]:8080"),
    ],
)
async def test_a_host_without_a_port_is_at_the_port_that_was_asked(
    house: House, host: str, named: str
) -> None:
    assert inside(await token(house, headers={"host": host}))["host"] == named


@pytest.mark.parametrize(("base", "named"), [("http://p.example:80", "h"), ("https://p.example:443", "h")])
async def test_the_usual_port_is_not_written(house: House, base: str, named: str) -> None:
    room = await house.room()
    answer = await house.call("POST", f"{base}/v1/rooms/{room}/tokens", ANN, headers={"host": "h"})
    assert inside(answer.text)["host"] == named


PROXIED = {"x-forwarded-for": "192.0.2.9", "x-forwarded-host": "meet.example", "x-forwarded-proto": "https"}


@pytest.mark.parametrize(
    ("headers", "host", "secure"),
    [
        (PROXIED, "meet.example", True),
        (PROXIED | {"x-forwarded-host": "meet.example:8443"}, "meet.example:8443", True),
        ({"forwarded": "for=192.0.2.9;host=meet.example;proto=https"}, "meet.example", True),
        ({"x-forwarded-proto": "https", "host": "meet.example"}, "meet.example", True),
        ({"x-forwarded-for": "192.0.2.9", "host": "meet.example"}, "meet.example", False),
    ],
)
async def test_behind_a_trusted_proxy_its_word_decides(
    house: House, headers: dict[str, str], host: str, secure: bool
) -> None:
    content = inside(await token(house, headers=headers))
    assert (content["host"], content["secure"]) == (host, secure)


async def test_the_word_of_anybody_else_counts_for_nothing() -> None:
    async with make_house(peer="192.0.2.66") as house:
        content = inside(await token(house, headers=PROXIED))
    assert (content["host"], content["secure"]) == ("palaver.example:3000", False)


@pytest.mark.parametrize("below", ["", "/rtc"])
async def test_below_a_path_tokens_and_links_have_it_whether_or_not_the_proxy_takes_it_off(
    below: str,
) -> None:
    async with make_house(base_path="/rtc") as house:
        room = await house.room()
        answer = await house.call("POST", f"{below}/v1/rooms/{room}/tokens", ANN)
        assert inside(answer.text)["path"] == "/rtc"
        listed = await house.call("GET", f"{below}/v1/rooms?per_page=1")
        assert "</rtc/v1/rooms?page=1&per_page=1>" in listed.headers["link"]
        assert 'href="/rtc/openapi.json"' in (await house.client.get(f"{below}/docs")).text
        assert (await house.client.get("/rtcx/docs")).status_code == 404
        bare = await house.client.get("/rtc?room=x")
        assert (bare.status_code, bare.headers["location"]) == (308, "/rtc/?room=x")


async def test_a_configured_address_may_have_a_path() -> None:
    async with make_house(settings=RestSettings(public_url="https://meet.example/rtc/")) as house:
        content = inside(await token(house))
    assert (content["host"], content["secure"], content["path"]) == ("meet.example", True, "/rtc")


async def test_a_proxy_that_forwards_a_loopback_host_for_others_is_warned_about_once() -> None:
    with structlog.testing.capture_logs() as logs:
        async with make_house() as house:
            room = await house.room()
            for _ in range(2):
                await token(house, room=room, headers=PROXIED | {"x-forwarded-host": "127.0.0.1:3000"})
            await token(house, room=room, headers={"host": "127.0.0.1:3000"})
    assert len([entry for entry in logs if entry["log_level"] == "warning"]) == 1


async def test_a_loopback_address_is_warned_about_once_when_others_can_reach_the_server() -> None:
    with structlog.testing.capture_logs() as logs:
        async with make_house(settings=RestSettings(on_loopback=False)) as house:
            room = await house.room()
            for host in ("palaver.example:1", "127.0.0.1:3000", "localhost:1", "[::1]:3000"):
                assert inside(await token(house, room=room, headers={"host": host}))["host"] == host
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [entry["host"] for entry in warnings] == ["127.0.0.1:3000"]


async def test_a_token_admits_its_user_once(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room=room)
    record = await admitted(house.desk, ticket)
    assert (record.room, record.user, record.role) == (room, "ann", "presenter")
    with pytest.raises(TokenRefused, match="used already"):
        await admitted(house.desk, ticket)


async def test_a_token_waits_three_minutes(house: House) -> None:
    early, late = await token(house), await token(house)
    house.clock.now += 179
    await admitted(house.desk, early)
    house.clock.now += 2
    with pytest.raises(TokenRefused, match=r"^Expired$"):
        await admitted(house.desk, late)


async def test_a_token_ends_with_its_room(house: House) -> None:
    room = await house.room()
    ticket = await token(house, room=room)
    await house.call("DELETE", f"/v1/rooms/{room}")
    with pytest.raises(TokenRefused):
        await admitted(house.desk, ticket)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "user"),
        ({}, "user"),
        ({"role": "presenter"}, "user"),
        ({"user": "", "role": "presenter"}, "user"),
        ({"user": [5], "role": "presenter"}, "user"),
        ({"user": "x" * 513, "role": "presenter"}, "user"),
        ({"user": "\u0000", "role": "presenter"}, "user"),
        ({"user": "ann"}, "role"),
        ({"user": "ann", "role": "chef"}, "role"),
        ({"user": "ann", "role": ["presenter"]}, "role"),
        ({**ANN, "preference": "x"}, "preference"),
        ({**ANN, "ttlSeconds": 60}, "ttlSeconds"),
        ({**ANN, "reusable": True, "ttlSeconds": 0}, "ttlSeconds"),
        ({**ANN, "reusable": True, "ttlSeconds": 10**9}, "ttlSeconds"),
        ({**ANN, "reusable": "perhaps"}, "reusable"),
        ([], "body"),
    ],
)
async def test_what_is_wrong_is_said(house: House, body: Any, field: str) -> None:
    room = await house.room()
    status, code, message = await house.refused("POST", f"/v1/rooms/{room}/tokens", body)
    assert (status, code) == (400, 1301)
    assert message.startswith(f"{field}: ")


async def test_the_roles_are_the_rooms_own(house: House) -> None:
    room = await house.room(roles=[{"role": "speaker", "publish": True}])
    path = f"/v1/rooms/{room}/tokens"
    assert (await house.refused("POST", path, ANN))[2] == "role: not a role of this room"
    await token(house, {"user": "ann", "role": "speaker"}, room)
    await house.ok("PUT", f"/v1/rooms/{room}", {"roles": [{"role": "other"}]})
    assert (await house.refused("POST", path, {"user": "ann", "role": "speaker"}))[:2] == (400, 1301)


async def test_a_preference_and_what_else_old_clients_send_is_accepted(house: House) -> None:
    await token(house, {**ANN, "preference": {"isp": "isp", "region": "region"}, "domain": "x", "unknown": 1})


async def test_null_means_absent(house: House) -> None:
    await token(house, {**ANN, "preference": None, "reusable": None, "ttlSeconds": None})
    assert (await house.refused("POST", f"/v1/rooms/{await house.room()}/tokens", {**ANN, "user": None}))[
        :2
    ] == (
        400,
        1301,
    )


async def test_a_user_may_be_a_number(house: House) -> None:
    record = await admitted(house.desk, await token(house, {**ANN, "user": 4711}))
    assert record.user == "4711"


async def test_a_reusable_token_is_for_whip_and_whep_until_it_expires(house: House) -> None:
    ticket = await token(house, {**ANN, "reusable": True, "ttlSeconds": 1000})
    with pytest.raises(TokenRefused, match="WHIP"):
        await admitted(house.desk, ticket)
    for _ in range(3):
        async with house.desk.use(record := await house.desk.look(ticket)):
            assert record.user == "ann"
    house.clock.now += 1001
    with pytest.raises(TokenRefused, match=r"^Expired$"):
        await house.desk.look(ticket)


async def test_an_ordinary_token_that_was_looked_at_admits_once(house: House) -> None:
    ticket = await token(house)
    first, second = await house.desk.look(ticket), await house.desk.look(ticket)
    async with house.desk.use(first):
        pass
    with pytest.raises(TokenRefused, match="used already"):
        async with house.desk.use(second):
            pass
    with pytest.raises(TokenRefused, match="used already"):
        await house.desk.look(ticket)


async def test_a_user_may_be_called_anything(house: House) -> None:
    name = "Jürgen 😀 \u2028"
    assert (await admitted(house.desk, await token(house, {"user": name, "role": "viewer"}))).user == name
