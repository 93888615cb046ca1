"""What strangers send to a whole server: an error that names the problem, and the neighbours undisturbed."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from palaver.client.signing import Signer
from tests.offers import offer
from tests.servers import Server
from tests.wire_client import WireClient

VIDEO = [{"type": "video", "mid": "0", "source": "camera"}]


def publish(tracks: list[dict[str, Any]], **transport: str) -> dict[str, Any]:
    return {"media": {"tracks": tracks}, "transport": {"type": "webrtc", **transport}}


@pytest_asyncio.fixture
async def joined(server: Server) -> AsyncIterator[Callable[..., Any]]:
    """Make clients that are in a room."""
    made: list[WireClient] = []

    async def join(room: str, role: str = "presenter") -> WireClient:
        client = WireClient(server.url)
        made.append(client)
        await client.open()
        await client.login(server.token(room, "somebody", role))
        return client

    yield join
    for client in made:
        await client.close()


async def test_malformed_json_is_400_with_the_reason(server: Server) -> None:
    headers = Signer(server.service, server.key).headers()
    answer = httpx2.post(server.url + "/v1/rooms", content=b'{"name": ', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 1301)


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        ("", "session description"),
        ("v=0\r\n", "no media section"),
        ("hello", "line 1"),
        ("v=0\r\nm=video\r\n", "line 2"),
        (offer(("video", "0", "sendonly")).replace("a=mid:0\r\n", ""), "mid"),
        (offer(*[("video", str(n), "sendonly") for n in range(2000)]), "2000 media sections"),
        (offer(("video", "0", "sendonly")).replace("a=fingerprint", "a=nothing"), "fingerprint"),
        (offer(("video", "0", "sendonly"), ("video", "0", "sendonly")), "named before"),
    ],
)
async def test_an_unusable_offer_is_refused_with_the_reason(
    server: Server, joined: Callable[..., Any], sdp: str, reason: str
) -> None:
    client = await joined(server.room("offers"))
    made = await client.request("publish", publish(VIDEO))
    signaling = {"type": "offer", "sdp": sdp}
    with pytest.raises(RuntimeError) as refused:
        await client.request("soac", {"id": made["transportId"], "signaling": signaling})
    assert reason in str(refused.value)


async def test_after_a_refused_offer_a_good_one_works(server: Server, joined: Callable[..., Any]) -> None:
    client = await joined(server.room("second try"))
    made = await client.request("publish", publish(VIDEO))
    id_ = made["transportId"]
    with pytest.raises(RuntimeError):
        await client.request("soac", {"id": id_, "signaling": {"type": "offer", "sdp": "v=0\r\n"}})
    good = {"type": "offer", "sdp": offer(("video", "0", "sendonly"))}
    await client.request("soac", {"id": id_, "signaling": good})


async def test_a_candidate_for_nobody_is_refused(server: Server, joined: Callable[..., Any]) -> None:
    client = await joined(server.room("nobody"))
    candidate = {
        "type": "candidate",
        "candidate": {"candidate": "a=candidate:1 1 udp 1 127.0.0.1 9 typ host"},
    }
    with pytest.raises(RuntimeError, match="Transport abc does NOT exist"):
        await client.request("soac", {"id": "abc", "signaling": candidate})


async def test_anothers_transport_does_not_exist_for_me(server: Server, joined: Callable[..., Any]) -> None:
    room = server.room("mine")
    ann, eve = await joined(room), await joined(room)
    made = await ann.request("publish", publish(VIDEO))
    sdp = {"type": "offer", "sdp": offer(("video", "0", "sendonly"))}
    with pytest.raises(RuntimeError, match="does NOT exist"):
        await eve.request("soac", {"id": made["transportId"], "signaling": sdp})


async def test_publishing_what_the_role_forbids_is_unauthorized(
    server: Server, joined: Callable[..., Any]
) -> None:
    client = await joined(server.room("roles"), "viewer")
    with pytest.raises(RuntimeError, match="unauthorized"):
        await client.request("publish", publish(VIDEO))


async def test_a_token_admits_once(server: Server) -> None:
    token = server.token(server.room("once"), "ann")
    first, second = WireClient(server.url), WireClient(server.url)
    await first.open()
    await second.open()
    await first.login(token)
    with pytest.raises(RuntimeError, match="login"):
        await second.login(token)
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    "token", ["", "x", "e30=", base64.b64encode(json.dumps({"tokenId": 1}).encode()).decode()]
)
async def test_a_forged_token_is_refused(server: Server, token: str) -> None:
    client = WireClient(server.url)
    await client.open()
    with pytest.raises(RuntimeError, match="login"):
        await client.login(token)
    await client.close()


@pytest.mark.parametrize(
    "event", ["publish", "subscribe", "soac", "unpublish", "text", "stream-control", "nonsense"]
)
@pytest.mark.parametrize("data", [None, [], "x", 1, {}, {"id": {}}, {"media": {"tracks": [None]}}])
async def test_requests_of_the_wrong_shape_are_answered(
    server: Server, joined: Callable[..., Any], event: str, data: Any
) -> None:
    client = await joined(server.room("shapes"))
    if event == "nonsense":  # OWT's portal does not answer what it does not know; the connection must live on
        await client.request("text", {"to": "all", "message": "still here"})
        return
    with pytest.raises(RuntimeError, match=event):
        await client.request(event, data)
    await client.request("text", {"to": "all", "message": "still here"})
