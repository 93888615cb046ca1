"""Recording at the page of a whole server, as a browser asks for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.net.test_recordings import Room, wait
from tests.servers import Server

pytestmark = pytest.mark.net


@contextmanager
def joined(server: Server, name: str) -> Iterator[httpx2.Client]:
    """A browser after it joined, whose room runs because it is recorded by an application, too."""
    with httpx2.Client(base_url=server.url, timeout=20) as browser:
        assert browser.post("/demo/join", json={"room": name, "user": "ann"}).status_code == 200
        yield browser


def known(answer: httpx2.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["recordings"]
    return found


def test_whoever_joined_records_pauses_ends_and_plays(server: Server) -> None:
    room = Room(server, server.room("page records"))
    path = f"/demo/rooms/{room.room}/recordings"
    with joined(server, "page records") as ann:
        assert known(ann.get(path)) == []
        assert ann.post(path).status_code == 404  # nobody is in the room
        other = room.start()["id"]  # an application's, which is no business of the page
        (begun,) = known(ann.post(path))
        assert (begun["state"], begun["id"] == other) == ("recording", False)
        again = ann.post(path)
        assert (again.status_code, "already" in again.text) == (500, True)
        one = f"{path}/{begun['id']}"
        assert known(ann.patch(one, json={"paused": True}))[0]["id"] == begun["id"]
        wait(lambda: known(ann.get(path))[0]["state"] == "paused", "it is paused")
        ann.patch(one, json={"paused": False})
        wait(lambda: known(ann.get(path))[0]["state"] == "recording", "it goes on")
        assert ann.patch(one, json={"pause": 1}).status_code == 400
        assert ann.delete(f"{path}/{other}").status_code == 404
        wait(lambda: known(ann.get(path))[0]["seconds"] > 0.5, "something is recorded")
        (ended,) = known(ann.delete(one))
        assert ended["state"] == "ended"
        whole = ann.get(ended["parts"][0]["play"])
        assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
        assert ann.delete(one).status_code == 404
    room.stop(other)


def test_nobody_else_may(server: Server) -> None:
    room, _ = server.room("recorded here"), server.room("not here")
    path = f"/demo/rooms/{room}/recordings"
    with joined(server, "not here") as stranger, joined(server, "recorded here") as ann:
        (cookie,) = stranger.cookies.values()
        old = {"palaver_demo": f"{room}.{int(time.time()) + 999}.0.x"}
        for cookies in ({}, {"palaver_demo": cookie}, {"palaver_demo": "x"}, old):
            assert httpx2.get(server.url + path, cookies=cookies).status_code == 403
            assert httpx2.post(server.url + path, cookies=cookies).status_code == 403
        foreign = {"origin": "https://evil.example"}
        assert ann.post(path, headers=foreign).status_code == 403
        assert known(ann.get(path)) == []
