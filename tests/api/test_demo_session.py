"""The cookie of whoever joined at the page: for which room it is good, and whether its bearer may record."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from starlette.requests import Request
from starlette.responses import Response

from palaver.api.demo_session import COOKIE, DemoSessions
from palaver.api.wire.rooms import new_room, publishes


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def request(cookie: str = "") -> Request:
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
    return Request({"type": "http", "scheme": "http", "headers": headers, "path": "/", "root_path": ""})


def given(sessions: DemoSessions, *, may_record: bool, may_stream: bool = False) -> Request:
    """A request with the cookie that a join gave."""
    answer = Response()
    sessions.begin(request(), answer, "room", may_record=may_record, may_stream=may_stream)
    return request(SimpleCookie(answer.headers["set-cookie"])[COOKIE].value)


@pytest.mark.parametrize("may_stream", [True, False])
@pytest.mark.parametrize("may_record", [True, False])
def test_a_cookie_is_good_for_its_room_and_for_what_it_was_given_for(
    may_record: bool, may_stream: bool
) -> None:
    sessions = DemoSessions(b"k" * 32, Clock())
    bearer = given(sessions, may_record=may_record, may_stream=may_stream)
    assert sessions.admits(bearer, "room")
    assert not sessions.admits(bearer, "other")
    assert sessions.may_record(bearer, "room") == may_record
    assert not sessions.may_record(bearer, "other")
    assert sessions.may_stream(bearer, "room") == may_stream
    assert not sessions.may_stream(bearer, "other")


def test_an_old_or_changed_cookie_is_none() -> None:
    clock = Clock()
    sessions = DemoSessions(b"k" * 32, clock)
    bearer = given(sessions, may_record=False)
    changed = request(bearer.cookies[COOKIE].replace("..", ".records."))
    assert not sessions.may_record(changed, "room")
    assert not sessions.admits(changed, "room")
    clock.now += 90_000
    assert not sessions.admits(bearer, "room")


def test_a_cookie_of_before_there_were_recordings_lets_nobody_record() -> None:
    clock = Clock()
    sessions = DemoSessions(b"k" * 32, clock)
    text = f"room.{int(clock.now) + 10}.abc"
    bearer = request(f"{text}.{sessions._signature(text)}")
    assert (sessions.admits(bearer, "room"), sessions.may_record(bearer, "room")) == (True, False)


@pytest.mark.parametrize(
    ("role", "may"),
    [("presenter", True), ("viewer", False), ("audio_only_presenter", True), ("video_only_viewer", False)],
)
def test_whoever_may_publish_anything_publishes(role: str, may: bool) -> None:
    assert publishes(new_room({"name": "room"}), role) == may
    assert not publishes(new_room({"name": "room"}), "nobody")
