"""Which URLs the server uses: by their text, and by the addresses to which their hosts resolve."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.streaming.urls import (
    MAX_URL,
    NotResolved,
    Resolver,
    Target,
    UrlPolicy,
    UrlRefused,
    parsed,
    redacted,
)

STRICT, LOCAL = UrlPolicy(), UrlPolicy(allow_loopback=True)


def resolver(*addresses: str) -> Resolver:
    async def resolve(host: str, port: int) -> Iterable[str]:
        return addresses

    return resolve


# ── by the text ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("rtsp://camera.example/stream", Target("rtsp", "camera.example", 554)),
        ("RTMPS://cdn.example/live", Target("rtmps", "cdn.example", 443)),
        ("http://ann:secret@10.0.0.7:8080/x.m3u8?a=b#c", Target("http", "10.0.0.7", 8080)),
        ("https://[fd00::7]/x", Target("https", "fd00::7", 443)),
        ("rtmp://127.0.0.1/live", Target("rtmp", "127.0.0.1", 1935)),
        ("rtsps://bücher.example/x", Target("rtsps", "bücher.example", 322)),
    ],
)
def test_where_a_url_leads(url: str, target: Target) -> None:
    assert parsed(url) == target


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "expected http, https, rtmp, rtmps, rtsp or rtsps"),
        ("/etc/passwd", "expected http"),
        ("file:///etc/passwd", "expected http"),
        ("concat:http://a/b|http://c/d", "expected http"),
        ("gopher://x/", "expected http"),
        ("http:///x", "has no host"),
        ("http://:80/x", "has no host"),
        ("http://x:99999/", "not a URL"),
        ("http://x:0/", "not a URL"),
        ("http://x:port/", "not a URL"),
        ("http://[::1/", "not a URL"),
        ("http://a@b@c/", "not a URL"),
        ("http://x/a b", "blanks"),
        ("rtmp://x/live playpath=y", "blanks"),
        ("http://x/\r\nHost: y", "blanks"),
        ("ht\ttp://x/", "blanks"),
        ("http://evil.example\\@good.example/", "blanks"),
        ("http://x/" + "a" * MAX_URL, "expected at most"),
    ],
)
def test_a_text_that_is_no_usable_url(url: str, reason: str) -> None:
    with pytest.raises(UrlRefused, match=f"^{reason}"):
        parsed(url)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1%25eth0]", "[::ffff:169.254.0.1]", "100.100.100.200", "[fd00:ec2::254]"],
)
def test_an_address_in_the_text_is_judged_at_once(host: str) -> None:
    with pytest.raises(UrlRefused, match="link-local and metadata"):
        parsed(f"http://{host}/latest/meta-data")


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"rtsp://{text}/x"):
        try:
            target = parsed(url)
        except UrlRefused:
            continue
        assert target.host
        assert 0 < target.port < 65536


# ── by the address ──────────────────────────────────────────────────────────────────────────────────

PRIVATE = ["10.0.0.7", "172.16.1.1", "192.168.1.20", "100.64.0.1", "fd12:3456::1", "::ffff:10.0.0.7"]
PUBLIC = ["198.51.100.7", "8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"]
OWN = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "2002:7f00:1::", "::1%lo"),
]
NEVER = [
    *("169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254"),
    *("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"),
    *("224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "ff02::1"),
]


@pytest.mark.parametrize("address", PRIVATE + PUBLIC)
async def test_private_and_public_addresses_may_be_used(address: str) -> None:
    assert await STRICT.resolve("rtsp://camera.example/", resolver(address)) == (address,)


@pytest.mark.parametrize("address", OWN)
async def test_loopback_is_used_only_where_it_is_allowed(address: str) -> None:
    with pytest.raises(UrlRefused, match="loopback"):
        await STRICT.resolve("rtsp://camera.example/", resolver(address))
    assert await LOCAL.resolve("rtsp://camera.example/", resolver(address)) == (address,)


@pytest.mark.parametrize("address", NEVER)
async def test_some_addresses_are_never_used(address: str) -> None:
    for policy in (STRICT, LOCAL):
        with pytest.raises(UrlRefused):
            await policy.resolve("rtsp://camera.example/", resolver(address))


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    with pytest.raises(UrlRefused):
        await STRICT.resolve("http://x.example/", resolver("8.8.8.8", "127.0.0.1"))


async def test_a_name_without_address_is_another_failure() -> None:
    async def fail(host: str, port: int) -> Iterable[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    for failing in (fail, resolver()):
        with pytest.raises(NotResolved, match=r"the host x\.example has no address"):
            await STRICT.resolve("http://u:secret@x.example/", failing)


async def test_odd_ways_to_write_loopback_are_seen_after_resolution() -> None:
    """As the system resolves them; it may also not know them."""
    for host in ("localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "LOCALHOST."):
        with pytest.raises((UrlRefused, NotResolved)):
            await STRICT.resolve(f"http://{host}/")
        with pytest.raises((UrlRefused, NotResolved)):
            STRICT.resolve_now(f"http://{host}/")
    assert "127.0.0.1" in await LOCAL.resolve("http://localhost/")
    assert "127.0.0.1" in LOCAL.resolve_now("http://localhost/")


@given(st.ip_addresses())
def test_every_address_is_judged_and_a_stricter_policy_allows_no_more(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    def allowed(policy: UrlPolicy) -> bool:
        try:
            policy.check(str(address))
        except UrlRefused:
            return False
        return True

    assert allowed(LOCAL) >= allowed(STRICT)
    if address.is_link_local or address.is_multicast:
        assert not allowed(LOCAL)
    if address.is_loopback or address.is_unspecified:
        assert not allowed(STRICT)


# ── what is shown ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://camera.example/stream", "rtsp://camera.example/stream"),
        ("rtsp://ann:secret@camera.example:554/a/b", "rtsp://ann:***@camera.example:554/a/b"),
        ("rtsp://ann@camera.example/", "rtsp://ann@camera.example/"),
        ("rtmp://cdn.example/live/key", "rtmp://cdn.example/live/***"),
        (
            "rtmps://u:p@cdn.example/app/inst/key?sig=1&x=2#f",
            "rtmps://u:***@cdn.example/app/inst/***?sig=***&x=***",
        ),
        ("https://cdn.example/x.m3u8?token", "https://cdn.example/x.m3u8?***"),
        ("http://[::1", "***"),
    ],
)
def test_secrets_in_a_url_are_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
