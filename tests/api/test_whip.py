"""ICE servers as configured and as told; every refusal of a room has an answer."""

from __future__ import annotations

import pytest

from palaver.api.http.ice_servers import IceServer, IceServers, ice_server
from palaver.api.whip.refusals import FAULTS, of_room
from palaver.room.errors import Fault, RoomError


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("stun:stun.example", IceServer("stun:stun.example")),
        ("stuns:[2001:db8::1]:5349", IceServer("stuns:[2001:db8::1]:5349")),
        ("turn:ann:secret@turn.example:3478", IceServer("turn:turn.example:3478", "ann", "secret")),
        (
            "turns:17%3Aann:s%40c,r%20t@turn.example?transport=tcp",
            IceServer("turns:turn.example?transport=tcp", "17:ann", "s@c,r t"),
        ),
    ],
)
def test_a_server_is_one_line(text: str, server: IceServer) -> None:
    assert ice_server(text) == server


@pytest.mark.parametrize(
    "text",
    [
        *("", "stun.example", "http://stun.example", "stun:", "stun:a b", "stun:a>; x", "stun:ann:secret@a"),
        *("turn:turn.example", "turn:ann@turn.example", "turn:ann:secret%0A@a", "turn:ann:secret%C3%A4@a"),
        "turn:ann:secret@a?transport=udp&x=1",
    ],
)
def test_what_is_none_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(ValueError, match="expected") as refusal:
        ice_server(text)
    assert "secret" not in str(refusal.value)


def test_a_turn_server_that_shares_a_secret_gets_credentials_that_end() -> None:
    lines = ("stun:stun.example", "turn:turn.example:3478", "turn:ann:secret@other.example")
    servers = IceServers(lines, "shared", 3600, lambda: 1_700_000_000.9)
    stun, turn, other = servers.told_to("c1")
    assert stun.info() == {"urls": ["stun:stun.example"]}
    # printf 1700003600:c1 | openssl dgst -sha1 -hmac shared -binary | base64
    assert turn.info() == {
        "urls": ["turn:turn.example:3478"],
        "username": "1700003600:c1",
        "credential": "DSc9jvHyJyPUOfCWxkfC3R/x3Go=",
    }
    assert (other.username, other.credential) == ("ann", "secret")
    with pytest.raises(ValueError, match="expected"):
        IceServers(["turn:turn.example:3478"], "", 3600, lambda: 0.0)


def test_a_link_quotes_what_it_has_to() -> None:
    link = IceServer("turn:a", 'a"b', "c\\d").link()
    assert link == (
        b'<turn:a>; rel="ice-server"; username="a\\"b"; credential="c\\\\d"; credential-type="password"'
    )


def test_a_password_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(ice_server("turn:ann:secret@turn.example"))


def test_every_fault_has_an_answer() -> None:
    assert set(FAULTS) == set(Fault)
    for fault in Fault:
        refusal = of_room(RoomError(fault, "it"))
        assert 400 <= refusal.status < 600
        assert refusal.message.endswith(": it")
