"""Certificates, made and given."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from palaver.server.tls import TlsError, given, self_signed


def test_a_self_signed_certificate_is_kept_until_the_addresses_change(tmp_path: Path) -> None:
    first = self_signed(tmp_path, ["192.0.2.7", "::1"])
    assert self_signed(tmp_path, ["::1", "192.0.2.7"]).fingerprint == first.fingerprint
    assert self_signed(tmp_path, ["192.0.2.8"]).fingerprint != first.fingerprint


def test_its_key_is_ours_alone_and_fits(tmp_path: Path) -> None:
    made = self_signed(tmp_path, ["192.0.2.7"])
    assert made.key.stat().st_mode & 0o077 == 0
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.cert, made.key)
    assert given(str(made.cert), str(made.key)).fingerprint is None


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="go together"):
        given("cert.pem", "")


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match=r"nowhere\.pem"):
        given("nowhere.pem", "nowhere.key")
