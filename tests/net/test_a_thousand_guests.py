"""A thousand people come and go: what they used is back where it was."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.offers import offer
from tests.servers import Server
from tests.wire_client import WireClient

OFFER = {"type": "offer", "sdp": offer(("audio", "0", "sendonly"), ("video", "1", "sendonly"))}
TRACKS = [{"type": "audio", "mid": "0", "source": "mic"}, {"type": "video", "mid": "1", "source": "camera"}]
GAUGES = ("process_open_fds", "process_threads", "process_tasks", "portal_connections", "portal_sessions")
MEDIA = ("media_transports", "media_producers", "rooms", "rooms_participants")


async def visit(server: Server, token: str) -> None:
    """Join, publish, get an answer, leave: every way of leaving ends the same."""
    client = WireClient(server.url)
    await client.open()
    await client.login(token)
    made = await client.request("publish", {"media": {"tracks": TRACKS}, "transport": {"type": "webrtc"}})
    await client.request("soac", {"id": made["transportId"], "signaling": OFFER})
    await client.request("logout")
    await client.close()


async def visits(server: Server, room: str, count: int) -> None:
    for _ in range(count // 10):
        tokens = [server.token(room, "guest") for _ in range(10)]
        await asyncio.gather(*(visit(server, token) for token in tokens))


def gauges(server: Server) -> dict[str, float]:
    return {name: server.metric(name) for name in GAUGES}


@pytest.mark.timeout(300)
async def test_a_thousand_joins_and_leaves_leave_nothing_behind(server: Server) -> None:
    room = server.room("revolving door")
    await visits(server, room, 700)  # until caches and the allocator have settled
    before, memory = gauges(server), server.metric("process_resident_bytes")
    await visits(server, room, 1000)
    deadline = time.monotonic() + 40
    while any(server.metric(name) for name in MEDIA) or any(
        server.metric(name) > value + 2 for name, value in before.items()
    ):
        now = {name: server.metric(name) for name in (*GAUGES, *MEDIA)}
        assert time.monotonic() < deadline, f"not back where it was: {before} → {now}"
        await asyncio.sleep(0.2)
    grown = server.metric("process_resident_bytes") - memory
    # Signatures of the last five minutes are remembered.
    assert grown < 10e6, f"memory grew by {grown / 1e6:.1f} MB over a thousand visits"
