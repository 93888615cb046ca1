"""Names that lead here: ours, addresses, and nobody else's."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from palaver.api.names import KnownNames
from palaver.api.site import headers

OURS = KnownNames(["Meet.Example", "box"])


@pytest.mark.parametrize(
    "host",
    ["localhost:3000", "127.0.0.1:3000", "[::1]:3000", "192.168.1.5", "meet.example", "MEET.example.:443", "box",
     "x.localhost"],
)  # fmt: skip
def test_own_names_and_addresses_are_good(host: str) -> None:
    assert OURS.admits(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example@localhost", "a b"],
)
def test_other_names_are_not(host: str) -> None:
    assert not OURS.admits(host)
    assert KnownNames(None).admits(host)


def test_routes_answer_to_known_names_alone() -> None:
    async def joined(_request: object) -> PlainTextResponse:
        return PlainTextResponse("in")

    app = Starlette(routes=OURS.guard([Route("/demo/join", joined, methods=["POST"])]))
    client = TestClient(app)
    assert client.post("/demo/join", headers={"host": "box:3000"}).text == "in"
    refused = client.post("/demo/join", headers={"host": "evil.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, 1102)
    assert client.get("/demo/join", headers={"host": "box:3000"}).status_code == 405


def test_the_pages_policy_names_where_its_sockets_lead() -> None:
    def places(host: str, public_url: str) -> list[str]:
        policy = headers(host, public_url)["content-security-policy"]
        return next(part for part in policy.split("; ") if part.startswith("connect-src")).split()[1:]

    assert places("box:3000", "") == ["'self'", "ws://box:3000", "wss://box:3000"]
    assert places("box:3000", "https://meet.example/sub")[3:] == [
        "https://meet.example",
        "wss://meet.example",
    ]
    assert places("evil; script-src *", "") == ["'self'"]
