"""Clients of WHIP and WHEP as far as HTTP goes: tokens, offers, requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from palaver.room.values import RoomId
from tests.offers import offer

if TYPE_CHECKING:
    import httpx

    from palaver.host import RoomHost
    from tests.compat.rest_house import House

SDP = {"content-type": "application/sdp"}
SENDING = offer(("audio", "0", "sendonly"), ("video", "1", "sendonly"))
RECEIVING = offer(("audio", "0", "recvonly"), ("video", "1", "recvonly"))


async def token(
    house: House, room: str, user: str = "ann", role: str = "presenter", *, reusable: bool = True
) -> str:
    """A token of ``room``."""
    body = {"user": user, "role": role} | ({"reusable": True} if reusable else {})
    answer = await house.call("POST", f"/v1/rooms/{room}/tokens", body)
    assert answer.status_code == 200, answer.text
    return answer.text


def bearer(ticket: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"authorization": f"Bearer {ticket}"}


async def post(
    house: House, path: str, ticket: str | None, body: str | bytes = SENDING, **headers: str
) -> httpx.Response:
    """One POST, with whatever headers replace or join the usual ones."""
    usual = SDP | (bearer(ticket) if ticket is not None else {})
    return await house.client.post(
        path, content=body, headers=usual | {name.replace("_", "-"): value for name, value in headers.items()}
    )


async def published(
    house: House, room: str, stream: str = "cam", *, ticket: str | None = None
) -> httpx.Response:
    """The answer to a POST that publishes, once others may subscribe."""
    ticket = ticket or await token(house, room)
    answer = await post(house, f"/whip/{room}/{stream}", ticket)
    assert answer.status_code == 201, answer.text
    await live(house, room, stream)
    return answer


async def live(house: House, room: str, stream: str) -> None:
    """Wait until ``stream`` is there for others."""
    await until(running(house, room), lambda host: any(one.id == stream for one in host.room.live_streams()))


async def until(host: RoomHost, condition: Any) -> None:
    """Wait for a condition that the room's events can bring about."""
    changed = asyncio.Event()
    stop = host.listen(lambda _: changed.set())
    try:
        async with asyncio.timeout(5):
            while not condition(host):
                changed.clear()
                await changed.wait()
    finally:
        stop()


def running(house: House, room: str) -> RoomHost:
    """The room's host."""
    host = house.rooms.get(RoomId(room))
    assert host is not None
    return host


def directions(sdp: str) -> list[str]:
    """The direction of each section of an answer."""
    known = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
    return [line[2:] for line in sdp.splitlines() if line in known]
