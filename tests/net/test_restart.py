"""A server that dies and comes back on the same data: who was in a room is in it again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.offers import offer
from tests.servers import free_port, start_server
from tests.wire_client import WireClient

TRACKS = [{"type": "video", "mid": "0", "source": "camera"}]


def failures(heard: list[tuple[str, object]], transport: str) -> list[object]:
    """What a client was told of a transport's end."""
    told = [data for event, data in heard if event == "progress" and isinstance(data, dict)]
    return [data for data in told if (data["id"], data["status"]) == (transport, "error")]


@pytest.mark.parametrize("killed", [True, False])
async def test_a_ticket_brings_back_the_participant_without_its_streams(tmp_path: Path, killed: bool) -> None:
    port = free_port()
    with start_server(tmp_path, port=port, killed=killed) as server:
        room = server.room("phoenix")
        ann = WireClient(server.url)
        await ann.open()
        joined = await ann.login(server.token(room, "ann"))
        made = await ann.request("publish", {"media": {"tracks": TRACKS}, "transport": {"type": "webrtc"}})
        sdp = {"type": "offer", "sdp": offer(("video", "0", "sendonly"))}
        await ann.request("soac", {"id": made["transportId"], "signaling": sdp})
    await ann.close()
    with start_server(tmp_path, port=port) as server:
        heard: list[tuple[str, object]] = []
        back = WireClient(server.url, lambda _, event, data: heard.append((event, data)))
        await back.open()
        ticket = await back.request("relogin", joined["reconnectionTicket"])
        assert isinstance(ticket, str)
        (participant,) = server.rest("GET", f"/v1/rooms/{room}/participants").json()
        assert (participant["id"], participant["user"]) == (joined["id"], "ann")
        streams = server.rest("GET", f"/v1.1/rooms/{room}/streams").json()
        assert [stream["type"] for stream in streams] == ["mixed"]
        async with asyncio.timeout(10):
            while not failures(heard, made["transportId"]):
                await back.request("text", {"to": "all", "message": "anybody?"})
        again = await back.request("publish", {"media": {"tracks": TRACKS}, "transport": {"type": "webrtc"}})
        await back.request("soac", {"id": again["transportId"], "signaling": sdp})
        await back.close()


async def test_who_returns_hears_of_those_who_are_there(tmp_path: Path) -> None:
    port = free_port()
    with start_server(tmp_path, port=port, killed=True) as server:
        room = server.room("phoenix")
        ann = WireClient(server.url)
        await ann.open()
        ticket = (await ann.login(server.token(room, "ann")))["reconnectionTicket"]
    await ann.close()
    with start_server(tmp_path, port=port) as server:
        newcomer = WireClient(server.url)
        await newcomer.open()
        zoe = (await newcomer.login(server.token(room, "zoe")))["id"]
        heard: list[tuple[str, object]] = []
        back = WireClient(server.url, lambda _, event, data: heard.append((event, data)))
        await back.open()
        await back.request("relogin", ticket)
        told = ("participant", {"action": "join", "data": {"id": zoe, "user": "zoe", "role": "presenter"}})
        async with asyncio.timeout(10):
            while told not in heard:
                await back.request("text", {"to": "all", "message": "anybody?"})
        assert [event for event, _ in heard].count("participant") == 1
        await back.close()
        await newcomer.close()


async def test_a_ticket_of_another_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with start_server(tmp_path / "one") as one, start_server(tmp_path / "two") as two:
        ann, thief = WireClient(one.url), WireClient(two.url)
        await ann.open()
        joined = await ann.login(one.token(one.room("r"), "ann"))
        await thief.open()
        with pytest.raises(RuntimeError, match="Invalid reconnection ticket signature"):
            await thief.request("relogin", joined["reconnectionTicket"])
        await ann.close()
        await thief.close()
