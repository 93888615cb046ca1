"""How the management API speaks HTTP: paths, methods, headers, bodies, and what happens when something breaks."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import httpx
import pytest
import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from palaver.api.rest.settings import RestSettings
from palaver.room.values import RoomId
from palaver.store import StoreError
from tests.compat.rest_house import House, make_house, refusal
from tests.tokens import admitted

NOT_FOUND = (404, 1001, "Resource not found")


async def test_every_answer_has_owts_cors_headers(house: House) -> None:
    room = await house.room()
    answers = [
        await house.call("GET", f"/v1/rooms/{room}"),
        await house.client.get("/v1/rooms"),
        await house.client.get("/nowhere"),
        await house.client.options("/v1/rooms"),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 200]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-headers"] == "origin, authorization, content-type"
        methods = set(answer.headers["access-control-allow-methods"].split(", "))
        assert methods == {"POST", "GET", "OPTIONS", "DELETE", "PATCH", "PUT"}
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_configured_origins_are_echoed_and_others_are_not() -> None:
    async with make_house(settings=RestSettings(cors_origins=("https://app.example",))) as house:
        known = await house.client.options("/x", headers={"origin": "https://app.example"})
        unknown = await house.client.options("/x", headers={"origin": "https://evil.example"})
    assert known.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in unknown.headers
    assert known.headers["vary"] == unknown.headers["vary"] == "origin"


async def test_only_a_server_with_tls_demands_it() -> None:
    async with make_house() as house:
        answer = await house.client.options("https://palaver.example/")
        assert "max-age" in answer.headers["strict-transport-security"]
        assert "strict-transport-security" not in (await house.client.options("/")).headers


@pytest.mark.parametrize("path", ["/", "/v1/rooms", "/services/x", "/nowhere/at/all"])
async def test_options_of_any_path_is_ok_without_a_signature(house: House, path: str) -> None:
    answer = await house.client.options(path)
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_slash_at_the_end_makes_no_difference(house: House) -> None:
    room = await house.room()
    assert await house.ok("GET", f"/v1/rooms/{room}/participants/") == []
    assert (await house.ok("GET", f"/v1/rooms/{room}/"))["_id"] == room
    assert await house.ok("GET", f"/v1.1/rooms/{room}/streams/") == []
    assert (await house.client.get("/docs/")).text == (await house.client.get("/docs")).text
    created = await house.ok("POST", "/v1/rooms/", {"name": "second"})
    assert created["name"] == "second"


async def test_head_is_get_without_the_body(house: House) -> None:
    room = await house.room()
    get, head = await house.call("GET", f"/v1/rooms/{room}"), await house.call("HEAD", f"/v1/rooms/{room}")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(get.content))
    assert (await house.call("HEAD", "/v1/rooms/nothing")).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/v1", "/v1/services", "/v2/rooms", "/v1.2/rooms", "/v1/tokens"]
)
async def test_an_unknown_path_is_not_found_without_a_signature(house: House, path: str) -> None:
    assert refusal(await house.client.get(path)) == NOT_FOUND


async def test_an_unknown_path_below_a_protected_one_needs_a_signature_first(house: House) -> None:
    room = await house.room()
    for path in (f"/v1/rooms/{room}/nothing", "/services/a/b", "/v1.1/stream-engine/tokens"):
        assert (await house.client.get(path)).status_code == 401
        assert await house.refused("GET", path) == NOT_FOUND
    assert await house.refused("POST", "/v1.1/stream-engine/tokens", {"user": "u", "role": "r"}) == NOT_FOUND


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("DELETE", ""),
        ("PUT", ""),
        ("GET", "/{room}/streaming-ins"),
        ("GET", "/{room}/tokens"),
        ("PUT", "/{room}/tokens"),
        ("POST", "/{room}"),
        ("POST", "/{room}/streams"),
        ("PUT", "/{room}/streams/x"),
        ("POST", "/{room}/participants"),
        ("PATCH", "/{room}/analytics/x"),
        ("TRACE", "/{room}"),
    ],
)
async def test_an_unlisted_method_is_not_found(house: House, method: str, below: str) -> None:
    room = await house.room()
    assert await house.refused(method, "/v1/rooms" + below.format(room=room)) == NOT_FOUND


async def test_both_versions_serve_every_resource_of_a_room(house: House) -> None:
    room = await house.room()
    for version in ("/v1", "/v1.1"):
        assert (await house.ok("GET", f"{version}/rooms/{room}"))["_id"] == room
        for resource in ("streams", "participants", "recordings", "streaming-outs", "analytics", "sipcalls"):
            assert await house.ok("GET", f"{version}/rooms/{room}/{resource}") == []


async def test_json_answers_say_so_and_have_a_tag(house: House) -> None:
    answer = await house.call("GET", "/v1/rooms")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    tag = answer.headers["etag"]
    again = await house.call("GET", "/v1/rooms", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    await house.room()
    assert (await house.call("GET", "/v1/rooms", headers={"if-none-match": tag})).status_code == 200


async def test_text_answers_are_html_as_owts(house: House) -> None:
    room = await house.room()
    token = await house.call("POST", f"/v1/rooms/{room}/tokens", {"user": "u", "role": "viewer"})
    deleted = await house.call("DELETE", f"/v1/rooms/{room}")
    for answer in (token, deleted):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────


async def send(house: House, body: Any, content_type: str | None, path: str = "/v1/rooms") -> httpx.Response:
    headers = {"authorization": house.signature()}
    if content_type is not None:
        headers["content-type"] = content_type
    return await house.client.post(path, content=body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": }',
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"nonsense",
        b"[" * 100_000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b'{"name": 1e999}',
    ],
)
async def test_broken_json_is_a_bad_request(house: House, body: bytes) -> None:
    status, code, message = refusal(await send(house, body, "application/json"))
    assert (status, code) == (400, 1301)
    assert message.startswith("body: ")


async def test_a_byte_order_mark_is_no_part_of_the_json(house: House) -> None:
    body = b'\xef\xbb\xbf{"name": "x"}'
    assert (await send(house, body, "application/json")).json()["name"] == "x"


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
async def test_a_body_of_another_type_is_a_bad_request(house: House, content_type: str | None) -> None:
    status, code, _ = refusal(await send(house, b'{"name": "x"}', content_type))
    assert (status, code) == (400, 1301)


async def test_a_type_may_carry_parameters(house: House) -> None:
    assert (await send(house, b'{"name": "x"}', "Application/JSON; charset=utf-8")).status_code == 200


@pytest.mark.parametrize("body", [b"null", b"5", b'"x"', b"[]", b"true", b""])
async def test_a_room_is_made_of_an_object(house: House, body: bytes) -> None:
    assert refusal(await send(house, body, "application/json"))[:2] == (400, 1301)


async def test_a_form_with_nested_names_is_accepted(house: House) -> None:
    form = (
        "name=formed&options[participantLimit]=5&options[views][0][label]=first"
        "&options[views][0][video][maxInput]=9&options[views][1][label]=second&options[views][1][video]=false"
    )
    answer = await send(house, form, "application/x-www-form-urlencoded")
    assert answer.status_code == 200, answer.text
    room = answer.json()
    assert room["participantLimit"] == 5
    assert [view["label"] for view in room["views"]] == ["first", "second"]
    assert room["views"][0]["video"]["maxInput"] == 9
    assert room["views"][1]["video"] is False


async def test_a_token_may_be_asked_for_by_a_form(house: House) -> None:
    room = await house.room()
    path = f"/v1/rooms/{room}/tokens"
    answer = await send(house, "user=J%C3%BCrgen&role=presenter", "application/x-www-form-urlencoded", path)
    assert (await admitted(house.desk, answer.text)).user == "Jürgen"


@pytest.mark.parametrize(
    "form",
    [
        "a=1&a[b]=2",
        "a[b]=1&a=2",
        "name=%FF",
        "&".join(f"k{n}=1" for n in range(2000)),
        "a" + "[b]" * 50 + "=1",
    ],
)
async def test_a_form_that_contradicts_itself_or_goes_too_far_is_a_bad_request(
    house: House, form: str
) -> None:
    answer = await send(house, form, "application/x-www-form-urlencoded")
    assert refusal(answer)[:2] == (400, 1301)


async def test_a_body_beyond_a_mebibyte_is_too_large(house: House) -> None:
    fits = b'{"name": "x"' + b" " * ((1 << 20) - 13) + b"}"
    assert len(fits) == 1 << 20
    assert (await send(house, fits, "application/json")).status_code == 200
    answer = await send(house, fits + b" ", "application/json")
    assert refusal(answer)[:2] == (413, 1301)
    assert answer.headers["connection"] == "close"


async def test_a_body_of_unknown_length_is_cut_at_the_limit(house: House) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 65536
            yield b" " * 65536

    headers = {"authorization": house.signature(), "content-type": "application/json"}
    answer = await house.client.post("/v1/rooms", content=endless(), headers=headers)
    assert refusal(answer)[:2] == (413, 1301)
    assert sent <= 2 << 20


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async with make_house(settings=RestSettings(body_timeout_s=0.05)) as house:

        async def never() -> Any:
            yield b'{"name":'
            await asyncio.Event().wait()

        headers = {"authorization": house.signature(), "content-type": "application/json"}
        answer = await house.client.post("/v1/rooms", content=never(), headers=headers)
    assert refusal(answer)[:2] == (400, 1301)


async def test_a_compressed_body_is_a_bad_request(house: House) -> None:
    body = gzip.compress(b'{"name": "x"}')
    assert refusal(await send(house, body, "application/json"))[:2] == (400, 1301)


# ── when something breaks ───────────────────────────────────────────────────────────────────────────


async def test_what_nobody_expected_is_500_with_a_request_id_and_no_internals() -> None:
    async def fails(request: Request) -> PlainTextResponse:
        raise RuntimeError("the secret is 42")

    with structlog.testing.capture_logs() as logs:
        async with make_house(extra_routes=[Route("/fails", fails)]) as house:
            answer = await house.client.get("/fails")
    status, code, message = refusal(answer)
    assert (status, code) == (500, 2001)
    assert "secret" not in answer.text
    logged = next(entry for entry in logs if entry["event"] == "unexpected error")
    assert logged["request"] in message
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_failing_store_is_500_1401_without_its_words(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise StoreError("password of the database is 42")

    monkeypatch.setattr(house.store.rooms, "of", fails)
    monkeypatch.setattr(house.store.rooms, "get", fails)
    assert await house.refused("GET", "/v1/rooms") == (500, 1401, "Database error")
    assert await house.refused("GET", f"/v1/rooms/{'1' * 24}/streams") == (500, 1401, "Database error")
    monkeypatch.setattr(house.store.services, "get", fails)
    assert await house.refused("GET", "/v1/rooms") == (500, 1401, "Database error")


async def test_extra_routes_need_no_signature_and_keep_their_paths() -> None:
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.url.path)

    async with make_house(extra_routes=[Route("/page/", page), Route("/only-get", page)]) as house:
        assert (await house.client.get("/page/")).text == "/page/"
        assert (await house.client.get("/page")).status_code == 404
        assert (await house.client.post("/only-get")).json()["error"]["code"] == 1001


async def test_the_room_runs_only_while_somebody_uses_it(house: House) -> None:
    room = await house.room()
    assert await house.ok("GET", f"/v1/rooms/{room}/streams") == []
    assert house.rooms.get(RoomId(room)) is None
