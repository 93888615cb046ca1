"""Sessions without a login: bounded overall and per source, and given back."""

from __future__ import annotations

from palaver.api.portal.early import EarlySessions
from palaver.api.sources import Sources, source_of


def test_sessions_are_bounded_overall() -> None:
    early = EarlySessions(3, 10, Sources())
    for number in range(3):
        assert early.admit(f"10.0.0.{number}")
        early.begin(str(number), f"10.0.0.{number}")
    assert not early.admit("10.0.0.9")
    assert early.refused == 1
    early.end("1")
    early.end("1")
    assert early.admit("10.0.0.9")


def test_a_source_leaves_room_for_others() -> None:
    early = EarlySessions(100, 2, Sources(["192.0.2.0/24"]))
    for number in range(2):
        early.begin(str(number), f"2001:db8::{number}")
    assert not early.admit("2001:db8::ffff")
    assert early.admit("2001:db8:0:1::1")
    for number in range(20):
        early.begin(f"proxied {number}", "192.0.2.1")
    assert early.admit("192.0.2.1")


def test_a_source_is_an_address_of_ipv4_or_a_network_of_ipv6() -> None:
    assert source_of("192.0.2.1") == source_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert source_of("2001:db8::1") == source_of("2001:db8::ffff:1") != source_of("2001:db8:0:1::1")
    assert source_of("fe80::1%eth0") == source_of("fe80::2")
    assert source_of("no address") == "no address"
    assert (
        Sources(["127.0.0.1", "::1"]).of("127.0.0.1") is Sources(["10.0.0.0/8"]).of("::ffff:10.1.1.1") is None
    )
