"""Which addresses media listens on."""

from __future__ import annotations

import ipaddress

from palaver.server.addresses import in_url, is_loopback, media_addresses


def test_a_single_address_is_itself() -> None:
    assert media_addresses("127.0.0.1") == ["127.0.0.1"]


def test_a_wildcard_is_every_usable_address_with_loopback_last() -> None:
    found = [ipaddress.ip_address(a) for a in media_addresses("0.0.0.0")]
    assert all(a.version == 4 for a in found)
    assert not any(a.is_link_local for a in found)
    assert found[-1].is_loopback


def test_loopback_is_recognised_by_name_and_number() -> None:
    assert [is_loopback(h) for h in ("localhost", "127.0.0.5", "::1", "0.0.0.0", "example.org")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_ipv6_is_bracketed_in_urls() -> None:
    assert (in_url("::1"), in_url("127.0.0.1")) == ("[::1]", "127.0.0.1")
