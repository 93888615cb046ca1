"""Whose word counts about where a request came from."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.api.http.forwarding import Hop, TrustedProxies, address_of, parse_forwarded

OURS = TrustedProxies(["127.0.0.0/8", "::1", "10.0.0.0/24"])
TOKEN = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=12)
ADDRESS = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6, network="2001:db8::/32"))
HOSTS = st.one_of(TOKEN, TOKEN.map(lambda name: f"{name}:8443"))
HOPS = st.lists(st.builds(Hop, ADDRESS, HOSTS, st.sampled_from(["http", "https"])), min_size=1, max_size=5)


def seen(peer: str = "127.0.0.1", **headers: str) -> Hop | None:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return OURS.seen(raw, peer)


def node(hop: Hop, port: int | None = None) -> str:
    """A hop's address as RFC 7239, section 6, writes it."""
    assert hop.client is not None
    text = f"[{hop.client}]" if hop.client.version == 6 else str(hop.client)
    return text if port is None else f"{text}:{port}"


@given(HOPS, st.booleans())
def test_what_is_written_by_the_grammar_is_read_back(hops: list[Hop], ports: bool) -> None:
    text = ", ".join(
        f'For="{node(hop, 4711 if ports else None)}" ;proto={hop.scheme}; host="{hop.host}";by=_us'
        for hop in hops
    )
    assert parse_forwarded(text) == hops


@given(st.text(max_size=60))
def test_anything_at_all_is_read_or_left(text: str) -> None:
    assert all(isinstance(hop, Hop) for hop in parse_forwarded(text))
    seen(forwarded=text, x_forwarded_for=text, x_forwarded_host=text, x_forwarded_proto=text)


@pytest.mark.parametrize("text", ["for", "for=", 'for="1.2.3.4', "for=1.2.3.4 proto=http", "=x", "a=b c=d"])
def test_a_malformed_header_says_nothing(text: str) -> None:
    assert parse_forwarded(text) == []


def test_quoted_and_escaped_values_and_empty_elements_are_read() -> None:
    hops = parse_forwarded(r',, for="\[2001:db8::1\]:80" ; host="a\.example" ,for=unknown,')
    assert hops == [Hop(address_of("2001:db8::1"), "a.example"), Hop()]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("unknown", None),
        ("_hidden", None),
        ("", None),
        ("999.1.1.1", None),
    ],
)
def test_addresses_with_and_without_ports(text: str, address: str | None) -> None:
    found = address_of(text)
    assert (None if found is None else str(found)) == address


@given(HOPS)
def test_nobody_but_a_trusted_proxy_is_listened_to(hops: list[Hop]) -> None:
    said = ",".join(f'for="{node(hop)}";host={hop.host}' for hop in hops)
    assert seen("192.0.2.1", forwarded=said, x_forwarded_for="1.2.3.4", x_forwarded_proto="https") is None


def test_without_a_word_there_is_none() -> None:
    assert seen(accept="*/*") is None


@pytest.mark.parametrize(
    ("headers", "hop"),
    [
        (
            {"x_forwarded_for": "192.0.2.9", "x_forwarded_proto": "https"},
            Hop(address_of("192.0.2.9"), "", "https"),
        ),
        # What the client wrote itself stands before what the proxy added.
        ({"x_forwarded_for": "8.8.8.8, 192.0.2.9"}, Hop(address_of("192.0.2.9"))),
        ({"forwarded": "for=8.8.8.8;host=evil, for=192.0.2.9;host=a"}, Hop(address_of("192.0.2.9"), "a")),
        # Two trusted proxies: the outer one saw the client, its host and its scheme.
        (
            {"forwarded": "for=192.0.2.9;host=a;proto=https, for=10.0.0.2;host=b;proto=http"},
            Hop(address_of("192.0.2.9"), "a", "https"),
        ),
        (
            {
                "x_forwarded_for": "192.0.2.9, 10.0.0.2",
                "x_forwarded_host": "a, b",
                "x_forwarded_proto": "https, http",
            },
            Hop(address_of("192.0.2.9"), "a", "https"),
        ),
        # One value for several hops is the nearest proxy's, which may have passed it on.
        (
            {"x_forwarded_for": "192.0.2.9, 10.0.0.2", "x_forwarded_proto": "https"},
            Hop(address_of("192.0.2.9"), "", "https"),
        ),
        ({"x_forwarded_host": "a b", "x_forwarded_proto": "gopher"}, Hop()),
        # Most proxies write X-Forwarded-* anew and pass Forwarded on from anybody.
        ({"x_forwarded_for": "192.0.2.9", "forwarded": "for=127.0.0.1"}, Hop(address_of("192.0.2.9"))),
    ],
)
def test_the_outermost_trusted_proxy_is_believed(headers: dict[str, str], hop: Hop) -> None:
    assert seen(**headers) == hop


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy"):
        TrustedProxies(["proxy"])
