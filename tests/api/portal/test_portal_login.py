"""Coming in, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from palaver.api.wire import portal as wire
from palaver.room.messages import Close
from palaver.room.values import RoomId
from tests.api.portal.house import House, client, house, login, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")])
async def test_a_client_with_a_token_is_told_everything_about_the_room(
    here: House, transports: tuple[str, ...]
) -> None:
    async with client(here, *transports) as ann:
        answer = await ann.login(await here.token("Änn"))
        parsed = msgspec.convert(answer, wire.LoginAnswer)
        assert parsed.id == ann.sio.get_sid()
        assert (parsed.user, parsed.role) == ("Änn", "presenter")
        assert parsed.permission.publish == wire.MediaGrant(audio=True, video=True)
        assert [participant.id for participant in parsed.room.participants] == [parsed.id]
        assert (parsed.room.id, parsed.room.views) == (here.definition.id, ["common"])
        ticket = json.loads(base64.b64decode(answer["reconnectionTicket"]))
        assert ticket["participantId"] == parsed.id
        assert ticket["notAfter"] - ticket["notBefore"] == 600_000


async def test_a_newcomer_is_announced_to_the_others_and_not_to_itself(here: House) -> None:
    async with client(here) as ann, client(here) as bob:
        await ann.login(await here.token("Ann"))
        joined = await bob.login(await here.token("Bob"))
        heard = await ann.hear("participant")
        bob_info = {"id": joined["id"], "user": "Bob", "role": "presenter"}
        assert heard.data == {"action": "join", "data": bob_info}
        assert [participant["user"] for participant in joined["room"]["participants"]] == ["Ann", "Bob"]
        await bob.ok("text", {"to": "all", "message": "hi"})
        await bob.hear("text")
        assert [notification.event for notification in bob.heard] == ["text"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "Unknown client protocol"),
        (login("x", protocol="2.0"), "Unknown client protocol"),
        ({"token": "x", "userAgent": {"sdk": {"version": "1", "type": "C++"}}}, "Unknown client protocol"),
        (login("x", version="3.5"), "Deprecated client version"),
        (login("x", version=""), "User agent info is incorrect"),
        ({"token": "x", "protocol": "1.2"}, "User agent info is incorrect"),
        ({"token": "x", "protocol": "1.2", "userAgent": "x"}, "User agent info is incorrect"),
        (login("not base64"), "Invalid token"),
        (login({"a": 1}), "Invalid token"),
        (login(None), "Invalid token"),
    ],
)
async def test_a_wrong_login_is_answered_and_then_disconnected(here: House, data: Any, text: str) -> None:
    async with client(here) as stranger:
        assert await stranger.request("login", data) == ("error", text)
        await stranger.disconnected()
        assert here.participants == set()


async def test_a_forged_token_is_refused(here: House) -> None:
    content = json.loads(base64.b64decode(await here.token()))
    content["tokenId"] = "f" * 24
    forged = base64.b64encode(json.dumps(content).encode()).decode()
    async with client(here) as stranger:
        assert await stranger.request("login", login(forged)) == ("error", "Invalid token signature")
        await stranger.disconnected()


async def test_a_token_admits_once(here: House) -> None:
    token = await here.token()
    async with client(here) as ann, client(here) as thief:
        await ann.login(token)
        status, text = await thief.request("login", login(token))
        assert (status, isinstance(text, str)) == ("error", True)
        await thief.disconnected()
        assert len(here.participants) == 1


async def test_an_expired_token_is_refused(here: House) -> None:
    async with client(here) as late:
        assert await late.request("login", login(await here.token(ttl_s=-1))) == ("error", "Expired")
        await late.disconnected()


async def test_a_reusable_token_is_not_for_the_portal(here: House) -> None:
    async with client(here) as encoder:
        status, _ = await encoder.request("login", login(await here.token(reusable=True, ttl_s=600)))
        assert status == "error"


async def test_a_token_whose_room_was_deleted_is_refused(here: House) -> None:
    token = await here.token()
    await here.store.rooms.delete(here.definition.id)
    async with client(here) as ann:
        status, _ = await ann.request("login", login(token))
        assert status == "error"
        await ann.disconnected()


async def test_a_second_login_is_refused_and_changes_nothing(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        assert await ann.request("login", login(await here.token())) == ("error", "Connection is in service")
        await ann.ok("text", {"to": "all", "message": "still here"})
        assert (await ann.hear("text")).data["message"] == "still here"


async def test_a_full_room_says_so(tmp_path: Path) -> None:
    async with house(tmp_path, {"participantLimit": 1}) as here, client(here) as ann, client(here) as bob:
        await ann.login(await here.token())
        assert await bob.request("login", login(await here.token())) == ("error", "Room is full")
        await bob.disconnected()


async def test_who_found_the_room_full_comes_in_with_the_same_token(tmp_path: Path) -> None:
    async with house(tmp_path, {"participantLimit": 1}) as here:
        token = await here.token("Bob")
        async with client(here) as ann:
            await ann.login(await here.token())
            for _ in range(2):
                async with client(here) as bob:
                    assert await bob.request("login", login(token)) == ("error", "Room is full")
            await ann.ok("logout")
        async with client(here) as bob:
            assert (await bob.login(token))["user"] == "Bob"
        async with client(here) as bob:
            assert (await bob.request("login", login(token)))[0] == "error"


async def test_of_many_logins_with_one_token_one_succeeds(here: House) -> None:
    token = await here.token()
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(client(here)) for _ in range(5)]
        answers = await asyncio.gather(*(one.request("login", login(token)) for one in crowd))
        assert sorted(answer[0] for answer in answers) == ["error"] * 4 + ["ok"]
        assert len(here.participants) == 1


async def test_an_unknown_role_says_so(here: House) -> None:
    async with client(here) as ann:
        assert await ann.request("login", login(await here.token(role="king"))) == ("error", "Invalid role")


@pytest.mark.parametrize(
    "name",
    ["publish", "subscribe", "unpublish", "soac", "text", "logout", "refreshReconnectionTicket", "nonsense"],
)
async def test_nothing_works_before_login(here: House, name: str) -> None:
    async with client(here) as stranger:
        assert await stranger.request(name, {}) == ("error", "Illegal request")


async def test_a_client_that_never_logs_in_is_disconnected(tmp_path: Path) -> None:
    async with house(tmp_path, idle_timeout_s=0.1) as here, client(here) as idle, client(here) as ann:
        await ann.login(await here.token())
        await idle.disconnected()
        await ann.ok("text", {"to": "all", "message": "in service"})


async def test_a_socket_that_never_even_joins_is_closed(tmp_path: Path) -> None:
    async with house(tmp_path, idle_timeout_s=0.1) as here, httpx.AsyncClient(base_url=here.url) as http:
        opened = await http.get("/socket.io/?EIO=4&transport=polling")
        sid = json.loads(opened.text[1:])["sid"]
        answer = await http.get(f"/socket.io/?EIO=4&transport=polling&sid={sid}", timeout=10)
        assert answer.text == "1"  # Engine.IO close


async def test_engine_io_3_is_refused_clearly(here: House) -> None:
    async with httpx.AsyncClient(base_url=here.url) as http:
        answer = await http.get("/socket.io/?EIO=3&transport=polling")
        assert answer.status_code == 400
        assert "unsupported version" in answer.text


async def test_any_origin_may_connect_with_credentials_by_default(here: House) -> None:
    async with httpx.AsyncClient(base_url=here.url, headers={"origin": "https://app.example"}) as http:
        answer = await http.get("/socket.io/?EIO=4&transport=polling")
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(("origins", "status"), [(("https://app.example",), 400), ((), 200)])
async def test_origins_can_be_configured(tmp_path: Path, origins: tuple[str, ...], status: int) -> None:
    headers = {"origin": "https://evil.example"}
    async with (
        house(tmp_path, origins=origins) as here,
        httpx.AsyncClient(base_url=here.url, headers=headers) as http,
    ):
        answer = await http.get("/socket.io/?EIO=4&transport=polling")
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers


async def test_logging_out_leaves_at_once(here: House) -> None:
    async with client(here) as ann, client(here) as bob:
        await ann.login(await here.token())
        gone = (await bob.login(await here.token()))["id"]
        assert await bob.request("logout") == ("ok",)
        await ann.hear("participant", lambda data: data == {"action": "leave", "data": gone})
        assert await bob.request("text", {"to": "all", "message": "x"}) == ("error", "Illegal request")


async def test_a_dropped_participant_is_told_before_it_is_disconnected(here: House) -> None:
    async with client(here) as ann:
        await ann.login(await here.token())
        host = here.rooms.get(RoomId(here.definition.id))
        assert host is not None
        host.submit(Close())
        await ann.disconnected()
        assert ann.heard[-1].event == "drop"
        assert here.portal.stats()["portal_sessions"] == 0


async def test_a_room_without_notifications_tells_nobody_who_comes_and_goes(tmp_path: Path) -> None:
    quiet = {"notifying": {"participantActivities": False, "streamChange": False}}
    async with house(tmp_path, quiet) as here, client(here) as ann:
        await ann.login(await here.token())
        async with client(here) as bob:
            await bob.login(await here.token())
            await bob.ok("logout")
        await ann.ok("text", {"to": "all", "message": "x"})
        await ann.hear("text")
        assert [heard.event for heard in ann.heard] == ["text"]


async def test_a_thousand_joins_and_leaves_leave_nothing_behind(here: House) -> None:
    for _ in range(50):
        tokens = [await here.token() for _ in range(20)]
        for token in tokens:
            async with client(here) as one:
                await one.login(token, sdk="Other")
    await until(lambda: here.portal.stats()["portal_connections"] == 0)
    assert here.portal.stats()["portal_sessions"] == 0
    assert here.participants == set()
