"""Losing the connection and coming back, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
import websockets

from palaver.api.portal.tickets import Tickets
from palaver.api.wire import portal as wire
from palaver.room.messages import Drop
from palaver.room.values import Grant, ParticipantId, Permission, RoomId
from tests.api.portal.house import KEY, Client, House, client, house, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as one:
        yield one


async def away(here: House) -> None:
    await until(lambda: here.portal.stats()["portal_sessions_away"] == 1)


async def say(one: Client, *messages: str) -> None:
    for message in messages:
        await one.ok("text", {"to": "all", "message": message})


def texts(one: Client) -> list[str]:
    return [heard.data["message"] for heard in one.heard if heard.event == "text"]


@pytest.mark.parametrize(("sdk", "protocol"), [("JavaScript", "1.2"), ("C++", "1.0"), ("Android", "1.1")])
async def test_a_client_that_comes_back_hears_what_it_missed_in_order(
    here: House, sdk: str, protocol: str
) -> None:
    async with client(here) as bob:
        await bob.login(await here.token())
        async with client(here) as ann:
            joined = await ann.login(await here.token(), sdk=sdk, protocol=protocol)
        await away(here)
        await say(bob, "one", "two", "three")
        async with client(here) as again:
            ticket = await again.ok("relogin", joined["reconnectionTicket"])
            assert json.loads(base64.b64decode(ticket))["participantId"] == joined["id"]
            await again.hear("text", lambda data: data["message"] == "three")
            assert texts(again) == ["one", "two", "three"]
            await say(again, "back")
            heard = await bob.hear("text", lambda data: data["message"] == "back")
            assert heard.data["from"] == joined["id"]
        assert not [heard for heard in bob.heard if heard.data.get("action") == "leave"]


async def test_a_native_client_of_1_2_gets_the_messages_in_the_answer(here: House) -> None:
    async with client(here) as bob:
        await bob.login(await here.token())
        async with client(here) as ann:
            joined = await ann.login(await here.token(), sdk="C++")
        await away(here)
        await say(bob, "one", "two")
        async with client(here) as again:
            answer = msgspec.convert(await again.ok("relogin", joined["reconnectionTicket"]), wire.Resumed)
            assert [message.data["message"] for message in answer.messages] == ["one", "two"]
            seqs = [message.seq for message in answer.messages]
            assert seqs == list(range(seqs[0], seqs[0] + 2))
            await say(bob, "three")
            await again.hear("text")
            assert texts(again) == ["three"]


async def test_a_stream_goes_on_while_its_publisher_is_away(here: House) -> None:
    async with client(here) as bob:
        await bob.login(await here.token())
        async with client(here) as ann:
            joined = await ann.login(await here.token())
            stream = (await ann.publish())["id"]
            await ann.hear("stream")
        await away(here)
        async with client(here) as again:
            await again.ok("relogin", joined["reconnectionTicket"])
            assert await again.request("unpublish", {"id": stream}) == ("ok",)
        assert [heard.data["status"] for heard in bob.heard if heard.event == "stream"] == ["add", "remove"]


async def test_two_reconnects_in_a_row_work_with_the_tickets_answered(here: House) -> None:
    async with client(here) as ann:
        ticket = (await ann.login(await here.token()))["reconnectionTicket"]
    for _ in range(2):
        await away(here)
        async with client(here) as again:
            ticket = await again.ok("relogin", ticket)


async def test_a_client_that_does_not_come_back_leaves(tmp_path: Path) -> None:
    async with house(tmp_path, reconnection_timeout_s=0.05) as here, client(here) as bob:
        await bob.login(await here.token())
        async with client(here) as ann:
            joined = await ann.login(await here.token())
        await bob.hear("participant", lambda data: data == {"action": "leave", "data": joined["id"]})
        async with client(here) as late:
            answer = await late.request("relogin", joined["reconnectionTicket"])
            assert answer == ("error", "Client does NOT exist")
            await late.disconnected()


async def test_a_client_that_cannot_resume_leaves_at_once(here: House) -> None:
    async with client(here) as bob:
        await bob.login(await here.token())
        async with client(here) as ann:
            left = (await ann.login(await here.token(), sdk="Other"))["id"]
        await bob.hear("participant", lambda data: data == {"action": "leave", "data": left})


async def test_coming_back_while_the_old_socket_is_open_closes_it_and_repeats(here: House) -> None:
    async with client(here) as old, client(here) as bob:
        ticket = (await old.login(await here.token()))["reconnectionTicket"]
        await bob.login(await here.token())
        await say(bob, "one")
        await old.hear("text")
        async with client(here) as new:
            await new.ok("relogin", ticket)
            await old.disconnected()
            await new.hear("text")
            assert texts(new) == ["one"]
            await say(bob, "two")
            await new.hear("text", lambda data: data["message"] == "two")
            assert here.portal.stats()["portal_sessions_away"] == 0
        assert texts(old) == ["one"]


@pytest.mark.parametrize("ticket", [None, "", "nonsense", {"ticket": "x"}, 5])
async def test_a_wrong_ticket_is_refused_and_the_socket_closed(here: House, ticket: Any) -> None:
    async with client(here) as stranger:
        answer = await stranger.request("relogin", ticket)
        assert answer == ("error", "Invalid reconnection ticket signature")
        await stranger.disconnected()


async def test_a_forged_ticket_is_refused(here: House) -> None:
    async with client(here) as ann, client(here) as thief:
        joined = await ann.login(await here.token())
        content = json.loads(base64.b64decode(joined["reconnectionTicket"])) | {"notAfter": 10**14}
        forged = base64.b64encode(json.dumps(content).encode()).decode()
        answer = await thief.request("relogin", forged)
        assert answer == ("error", "Invalid reconnection ticket signature")


async def test_an_old_ticket_is_refused(tmp_path: Path) -> None:
    async with house(tmp_path, ticket_lifetime_s=-1) as here, client(here) as ann, client(here) as again:
        joined = await ann.login(await here.token())
        answer = await again.request("relogin", joined["reconnectionTicket"])
        assert answer == ("error", "Ticket is expired")


@pytest.mark.parametrize(
    ("sdk", "change", "text"),
    [
        ("JavaScript", {"room": "another"}, "Participant ID is not matched"),
        ("Curl", {}, "Reconnection is not allowed"),
    ],
)
async def test_a_ticket_that_does_not_fit_its_session_is_refused(
    here: House, sdk: str, change: dict[str, str], text: str
) -> None:
    """Such tickets were never given: they are signed here with the server's own key."""
    async with client(here) as ann, client(here) as bob:
        await bob.login(await here.token())
        joined = await ann.login(await here.token(), sdk=sdk)
        genuine = await bob.ok("refreshReconnectionTicket")
        tickets = Tickets(KEY, 600)
        known = tickets.read(genuine, 0)
        wanted = {"participant_id": joined["id"], **change}
        made = tickets.issue(msgspec.structs.replace(known, **wanted), time.time_ns() // 1_000_000)
        async with client(here) as again:
            assert await again.request("relogin", made) == ("error", text)
            await again.disconnected()
        await say(ann, "still here")


async def test_a_session_in_service_cannot_become_another(here: House) -> None:
    async with client(here) as ann, client(here) as bob:
        ticket = (await ann.login(await here.token()))["reconnectionTicket"]
        await bob.login(await here.token())
        assert await bob.request("relogin", ticket) == ("error", "Connection is in service")
        await say(bob, "still bob")
        await bob.hear("text")


async def test_whoever_logged_out_does_not_come_back(here: House) -> None:
    async with client(here) as ann:
        ticket = (await ann.login(await here.token()))["reconnectionTicket"]
        await ann.ok("logout")
        async with client(here) as again:
            assert await again.request("relogin", ticket) == ("error", "Client does NOT exist")


async def test_too_much_to_tell_a_client_that_is_away_ends_its_session(tmp_path: Path) -> None:
    async with house(tmp_path, max_waiting=5) as here, client(here) as bob:
        await bob.login(await here.token())
        async with client(here) as ann:
            left = (await ann.login(await here.token()))["id"]
        await away(here)
        for _ in range(3):  # each comes and goes
            async with client(here) as guest:
                await guest.login(await here.token())
                await guest.ok("logout")
        await bob.hear("participant", lambda data: data == {"action": "leave", "data": left})


async def test_no_number_of_texts_ends_the_session_of_a_client_that_is_away(tmp_path: Path) -> None:
    async with (
        house(tmp_path, max_waiting=5, max_waiting_texts=3, texts_per_s=1000) as here,
        client(here) as bob,
    ):
        await bob.login(await here.token())
        async with client(here) as ann:
            ticket = (await ann.login(await here.token()))["reconnectionTicket"]
        await away(here)
        await say(bob, *map(str, range(50)))
        async with client(here) as again:
            await again.ok("relogin", ticket)
            await say(bob, "welcome back")
            await again.hear("text", lambda data: data["message"] == "welcome back")
            assert texts(again) == ["0", "1", "2", "welcome back"]
        assert here.portal.stats()["portal_texts_dropped_total"] == 47


async def test_texts_spread_at_a_bounded_rate(tmp_path: Path) -> None:
    async with house(tmp_path, texts_per_s=2.0) as here, client(here) as ann:
        await ann.login(await here.token())
        answers = [await ann.request("text", {"to": "all", "message": "x"}) for _ in range(30)]
        assert answers[0][0] == "ok"
        assert ("error", "Too many texts") in answers
    async with house(tmp_path, text_deliveries_per_s=2.0) as here, client(here) as ann, client(here) as bob:
        await ann.login(await here.token())
        await bob.login(await here.token())
        answers = [await ann.request("text", {"to": "all", "message": "x"}) for _ in range(20)]
        assert ("error", "Too many texts") in answers


async def test_whoever_logged_out_before_a_restart_does_not_come_back(tmp_path: Path) -> None:
    async with house(tmp_path) as before, client(before) as ann:
        ticket = (await ann.login(await before.token()))["reconnectionTicket"]
        await ann.ok("logout")
    async with house(tmp_path) as here, client(here) as again:
        assert await again.request("relogin", ticket) == ("error", "Client does NOT exist")
        assert not here.participants


async def test_whoever_was_removed_before_a_restart_does_not_come_back(tmp_path: Path) -> None:
    async with house(tmp_path) as before, client(before) as ann, client(before) as bob:
        joined, stays = await ann.login(await before.token()), await bob.login(await before.token())
        host = before.rooms.get(RoomId(before.definition.id))
        assert host is not None
        host.submit(Drop(ParticipantId(joined["id"])))
        async with asyncio.timeout(20):
            while await before.store.standings.of(joined["id"]) is None:
                await before.store.ping()
    async with house(tmp_path) as here, client(here) as ann, client(here) as bob:
        answer = await ann.request("relogin", joined["reconnectionTicket"])
        assert answer == ("error", "Client does NOT exist")
        await bob.ok("relogin", stays["reconnectionTicket"])
        assert here.participants == {stays["id"]}


async def test_after_a_restart_a_participant_may_do_what_it_may_now(tmp_path: Path) -> None:
    nothing = Permission(Grant(), Grant(audio=True))
    async with house(tmp_path) as before, client(before) as ann:
        joined = await ann.login(await before.token())
        await before.desk.readmission.permit(
            RoomId(before.definition.id), ParticipantId(joined["id"]), nothing
        )
    async with house(tmp_path) as here, client(here) as ann:
        await ann.ok("relogin", joined["reconnectionTicket"])
        host = here.rooms.get(RoomId(here.definition.id))
        assert host is not None
        assert host.room.participants[ParticipantId(joined["id"])].permission == nothing
        tracks = [{"type": "audio", "mid": "0", "source": "mic"}]
        answer = await ann.request("publish", {"media": {"tracks": tracks}, "transport": {"type": "webrtc"}})
        assert answer == ("error", "unauthorized")


async def test_a_restart_keeps_the_participant_and_declares_its_transports_lost(tmp_path: Path) -> None:
    async with house(tmp_path) as before, client(before) as ann:
        joined = await ann.login(await before.token())
        transport = (await ann.publish())["transportId"]
        await ann.hear("stream")
        ticket = joined["reconnectionTicket"]
    async with house(tmp_path) as after, client(after) as bob:
        await bob.login(await after.token())
        await bob.publish()
        await bob.hear("stream")
        async with client(after) as again:
            fresh = await again.ok("relogin", ticket)
            lost = await again.hear("progress", lambda data: data["id"] == transport)
            assert (lost.data["status"], lost.data["data"]) == ("error", "Server restarted")
            assert "sessionId" not in lost.data
            await again.hear("stream", lambda data: data["status"] == "add")  # what it cannot know
            await bob.hear("participant", lambda data: data["data"]["id"] == joined["id"])
            assert (await again.publish())["transportId"] != transport
            assert json.loads(base64.b64decode(fresh))["participantId"] == joined["id"]


async def test_a_restart_without_the_room_does_not_restore(tmp_path: Path) -> None:
    async with house(tmp_path) as before, client(before) as ann:
        ticket = (await ann.login(await before.token()))["reconnectionTicket"]
    async with house(tmp_path) as after, client(after) as again:
        await after.store.rooms.delete(after.definition.id)
        assert await again.request("relogin", ticket) == ("error", "Client does NOT exist")


async def test_a_stopping_server_refuses_by_http(here: House) -> None:
    """A client that is refused by Socket.IO itself would never try again."""
    await here.portal.close()
    async with httpx.AsyncClient(base_url=here.url) as http:
        assert (await http.get("/socket.io/?EIO=4&transport=polling")).status_code == 503
    url = here.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(url)
