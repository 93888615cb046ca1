"""Offers and fragments as WHIP and WHEP read and write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.media.ports import NegotiationError
from palaver.media.webrtc.offers import (
    Credentials,
    Fragment,
    OfferedSection,
    closed_sections,
    credentials_of,
    fragment_of,
    read_fragment,
    restarted,
    sections_of,
)
from tests.offers import offer

BOTH = offer(("audio", "0", "sendrecv"), ("video", "1", "recvonly"))
HOST = "candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host"
NEW = Credentials("efgh", "a" * 22)


def test_sections_tell_kind_name_and_direction() -> None:
    assert sections_of(BOTH) == (
        OfferedSection("audio", "0", sends=True, receives=True),
        OfferedSection("video", "1", sends=False, receives=True),
    )


def test_stopped_and_data_sections_are_none() -> None:
    text = (
        BOTH.replace("m=audio 9", "m=audio 0")
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"
    )
    assert [section.mid for section in sections_of(text)] == ["1"]


@pytest.mark.parametrize("at", ["session", "section"])
def test_credentials_stand_above_or_in_the_first_section(at: str) -> None:
    text = BOTH
    if at == "session":
        ice = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijklmn\r\n"
        text = text.replace(ice, "").replace("m=audio", ice + "m=audio")
    assert credentials_of(text) == Credentials("abcd", "0123456789abcdefghijklmn")


def test_an_offer_without_credentials_is_refused() -> None:
    with pytest.raises(NegotiationError, match="ice-ufrag"):
        credentials_of(BOTH.replace("a=ice-ufrag", "a=x"))


def test_closed_sections_are_inactive_or_stopped() -> None:
    text = offer(("audio", "0", "inactive"), ("video", "1", "recvonly"), ("video", "2", "recvonly"))
    text = text[::-1].replace("m=video 9"[::-1], "m=video 0"[::-1], 1)[::-1]
    assert closed_sections(text) == {"0", "2"}


def test_a_restarted_offer_differs_in_ice_only() -> None:
    first = BOTH.replace("a=mid:0", f"a={HOST}\r\na=mid:0").replace(
        "t=0 0\r\n", "t=0 0\r\na=ice-ufrag:zzzz\r\n"
    )
    second = restarted(first, NEW, ("candidate:2 1 udp 1 192.0.2.2 5 typ host",))
    assert credentials_of(second) == NEW
    assert sections_of(second) == sections_of(first)
    assert "o=- 1 3 IN" in second
    gone, come = (
        set(first.splitlines()) - set(second.splitlines()),
        set(second.splitlines()) - set(first.splitlines()),
    )
    assert gone == {
        "o=- 1 2 IN IP4 127.0.0.1",
        "a=ice-ufrag:abcd",
        "a=ice-ufrag:zzzz",
        "a=ice-pwd:0123456789abcdefghijklmn",
        f"a={HOST}",
    }
    assert come == {
        "o=- 1 3 IN IP4 127.0.0.1",
        "a=ice-ufrag:efgh",
        f"a=ice-pwd:{'a' * 22}",
        "a=candidate:2 1 udp 1 192.0.2.2 5 typ host",
    }


@pytest.mark.parametrize(
    "origin", ["o=", "o=- x y IN IP4 a", "o=- 1 ² IN IP4 a", "o=- 1 " + "9" * 400 + " IN IP4 a"]
)
def test_an_odd_origin_stays_as_it_is(origin: str) -> None:
    assert origin in restarted(BOTH.replace("o=- 1 2 IN IP4 127.0.0.1", origin), NEW, ())


def test_a_fragment_of_an_answer_is_its_ice() -> None:
    answer = BOTH.replace("a=group", "a=ice-lite\r\na=group").replace("a=mid:0", f"a=mid:0\r\na={HOST}")
    assert fragment_of(answer).splitlines() == [
        "a=ice-lite",
        "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
        "a=mid:0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789abcdefghijklmn",
        f"a={HOST}",
    ]
    assert read_fragment(fragment_of(answer)) == Fragment(
        Credentials("abcd", "0123456789abcdefghijklmn"), (HOST,)
    )


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["a=ice-ufrag:abcd", "a=mid:0", f"a={HOST}", "m=", "\r"])).map("\n".join)
)
def test_any_text_is_a_fragment_or_refused(text: str) -> None:
    try:
        fragment = read_fragment(text)
    except NegotiationError:
        return
    assert all(candidate.isprintable() for candidate in fragment.candidates)


@given(st.text(max_size=300))
def test_any_text_is_an_offer_or_refused(text: str) -> None:
    for read in (sections_of, credentials_of):
        with pytest.raises(NegotiationError):
            read(text)
