"""Checks of what the configuration opens to others, and of the certificate."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.server import addresses
from palaver.server.doctor.findings import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.server.doctor.findings import Finding, Patient

_SOON_DAYS: Final = 14


def weakening(patient: Patient) -> Iterator[Finding]:
    """Settings that give up some safety. Flags of a running server are not seen here."""
    config = patient.config
    on_loopback = addresses.is_loopback(config.http.host)
    found = []
    if config.auth.replay_window_s == 0:
        found.append(
            warning(
                "settings",
                "auth.replay_window_s = 0: whoever sees a signed request can repeat it",
                "leave it out once no script signs only once",
            )
        )
    if config.page.demo and not on_loopback:
        found.append(
            warning(
                "settings",
                "page.demo on an address that others reach: anybody may join and make rooms",
                "leave it out where strangers are",
            )
        )
    if config.http.plain and not on_loopback:
        found.append(
            warning(
                "settings",
                "http.plain: keys and conversations pass in clear unless a proxy in front ends TLS",
                "see that only the proxy reaches this port",
            )
        )
    if "*" in config.http.cors_origins and not on_loopback:
        found.append(
            warning(
                "settings",
                'http.cors_origins = ["*"]: pages of any origin may use REST and the portal',
                "list the origins of your pages",
            )
        )
    yield from found or [ok("settings", "nothing in the configuration weakens the server")]


def certificate(patient: Patient) -> Iterator[Finding]:
    """Whether it can be read, and when it runs out."""
    http = patient.config.http
    file = Path(http.tls_cert) if http.tls_cert else None
    if patient.running is not None and patient.running.certificate:
        file = Path(patient.running.certificate)
    if bool(http.tls_cert) != bool(http.tls_key):
        yield problem("certificate", "http.tls_cert and http.tls_key go together: one is missing")
        return
    if file is None:
        tls = not (http.plain or addresses.is_loopback(http.host))
        yield ok("certificate", "the start makes a self-signed one" if tls else "none: no TLS")
        return
    try:
        ends, self_signed = _ends(file)
    except (OSError, ValueError) as error:
        yield problem("certificate", f"{file}: {error}", "see http.tls_cert")
        return
    days = (ends - datetime.datetime.now(datetime.UTC)).total_seconds() / 86400
    words = f"{file} is valid until {ends:%Y-%m-%d}"
    if days <= 0:
        yield problem("certificate", f"{file} ran out on {ends:%Y-%m-%d}", "renew it, and start again")
    elif days < _SOON_DAYS:
        yield warning("certificate", f"{words}, {days:.0f} days from now", "renew it, and start again")
    elif self_signed and not addresses.is_loopback(http.host):
        yield warning(
            "certificate", f"{words}; it is self-signed: browsers ask", "set http.tls_cert and http.tls_key"
        )
    else:
        yield ok("certificate", words)


def _ends(file: Path) -> tuple[datetime.datetime, bool]:
    """When a PEM file's first certificate runs out, and whether it is its own issuer. Raises OSError, ValueError."""
    from cryptography import x509

    found = x509.load_pem_x509_certificate(file.read_bytes())
    return found.not_valid_after_utc, found.issuer == found.subject


CHECKS: Final = (certificate, weakening)
