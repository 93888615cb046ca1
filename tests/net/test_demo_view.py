"""People at the page lay out the view of the room that they joined, and of no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from tests.net.test_mixing import publish
from tests.servers import Server

pytestmark = pytest.mark.net


@contextmanager
def joined(server: Server, name: str) -> Iterator[httpx2.Client]:
    """A browser after it joined."""
    with httpx2.Client(base_url=server.url) as browser:
        assert browser.post("/demo/join", json={"room": name, "user": "ann"}).status_code == 200
        yield browser


def seen(server: Server, room: str) -> list[str | None]:
    """Who is where."""
    layout = server.rest("GET", f"/v1.1/rooms/{room}/streams").json()[0]["info"]["layout"]
    return [place.get("stream") for place in layout]


async def test_a_template_is_chosen_and_people_are_moved(server: Server) -> None:
    room = server.room("chooser")
    path = f"/demo/rooms/{room}/views/common"
    async with AsyncExitStack() as stack:
        for number in range(2):
            await publish(stack, server, room, number)
        ann = stack.enter_context(joined(server, "chooser"))
        assert ann.get(path).json() == {"template": "fluid", "speakerFirst": False}
        chosen = ann.patch(path, json={"template": "lecture", "speakerFirst": True})
        assert chosen.json() == {"template": "lecture", "speakerFirst": True}
        assert seen(server, room) == ["s0", "s1", None, None, None, None]
        assert ann.patch(path, json={"show": {"stream": "s1", "region": "1"}}).status_code == 200
        assert seen(server, room)[:2] == ["s1", "s0"]

        whole = {"id": "w", "shape": "rectangle"}
        area = {"left": "0", "top": "0", "width": "1", "height": "1"}
        given = [{"op": "replace", "path": "/info/layout", "value": [{"region": {**whole, "area": area}}]}]
        assert server.rest("PATCH", f"/v1.1/rooms/{room}/streams/{room}-common", given).status_code == 200
        assert ann.get(path).json()["template"] is None


REFUSED: list[tuple[Any, int, str]] = [
    ({"show": {"stream": "s0", "region": "9"}}, 500, "9"),
    ({"show": {"stream": "other", "region": "1"}}, 404, "other"),
    ({"template": "void"}, 400, "template"),
    ({"template": "fluid", "show": {"stream": "s0", "region": "1"}}, 400, "either"),
    ({}, 400, "either"),
    ({"temple": "fluid"}, 400, "temple"),
    ([1], 400, "body"),
]


async def test_what_cannot_be_done_is_refused_with_the_reason(server: Server) -> None:
    room = server.room("no way")
    path = f"/demo/rooms/{room}/views/common"
    async with AsyncExitStack() as stack:
        await publish(stack, server, room, 0)
        ann = stack.enter_context(joined(server, "no way"))
        for body, status, reason in REFUSED:
            answer = ann.patch(path, json=body)
            assert (answer.status_code, reason in answer.text) == (status, True), answer.text
        assert ann.patch(path, content=b" " * 5000).status_code == 413
        assert ann.get(path.replace("common", "other")).status_code == 404
        assert seen(server, room) == ["s0"]


async def test_only_who_joined_the_room_may(server: Server) -> None:
    room, other = server.room("mine"), server.room("theirs")
    path, change = f"/demo/rooms/{room}/views/common", {"template": "lecture"}
    async with AsyncExitStack() as stack:
        await publish(stack, server, room, 0)
        stranger = stack.enter_context(joined(server, "theirs"))
        for cookies in ({}, dict(stranger.cookies), {"palaver_demo": "x"}, {"palaver_demo": f"{room}.9.9.9"}):
            assert httpx2.patch(server.url + path, json=change, cookies=cookies).status_code == 403
        foreign = {"origin": "https://evil.example"}
        ann = stack.enter_context(joined(server, "mine"))
        assert ann.patch(path, json=change, headers=foreign).status_code == 403
        assert ann.patch(path, json=change).status_code == 200
        idle = stranger.patch(f"/demo/rooms/{other}/views/common", json=change)
        assert (idle.status_code, idle.json()["error"]["message"]) == (404, "Room not found")


def test_a_room_that_the_page_makes_has_a_wide_view(server: Server) -> None:
    with joined(server, "wide"):
        pass
    (room,) = [one for one in server.rest("GET", "/v1/rooms").json() if one["name"] == "wide"]
    (view,) = room["views"]
    assert view["label"] == "common"
    assert view["video"]["parameters"]["resolution"] == {"width": 1280, "height": 720}
