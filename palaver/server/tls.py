"""Certificates: those given, or a self-signed one for browsers that ask for a secure page."""

from __future__ import annotations

import datetime
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palaver.server.data import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DAYS: Final = 397  # what browsers accept at most
_RENEW_DAYS: Final = 30


class TlsError(Exception):
    """A certificate that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files; ``fingerprint`` (SHA-256) is set for one that we made, for people to compare."""

    cert: Path
    key: Path
    fingerprint: str | None = None


def self_signed(directory: Path, addresses: Sequence[str]) -> Certificate:
    """Our own certificate for these addresses, kept in ``directory`` until it runs out or the addresses change."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    cert_file, key_file = directory / "self-signed.crt", directory / "self-signed.key"
    names = sorted({"localhost", socket.gethostname(), *addresses})
    now = datetime.datetime.now(datetime.UTC)
    if cert_file.exists() and key_file.exists():
        kept = x509.load_pem_x509_certificate(cert_file.read_bytes())
        if _names(kept) == names and kept.not_valid_after_utc - now > datetime.timedelta(days=_RENEW_DAYS):
            return Certificate(cert_file, key_file, _fingerprint(kept))
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Palaver, self-signed")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    for file in (cert_file, key_file):
        file.unlink(missing_ok=True)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(key_file, private)
    write_private(cert_file, made.public_bytes(pem))
    return Certificate(cert_file, key_file, _fingerprint(made))


def _general_name(name: str):  # type: ignore[no-untyped-def]  # noqa: ANN202  # the type would import the library at start
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names(certificate) -> list[str]:  # type: ignore[no-untyped-def]  # noqa: ANN001  # as above
    from cryptography import x509

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(str(name.value) for name in names)


def _fingerprint(certificate) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001  # as above
    from cryptography.hazmat.primitives import hashes

    return ":".join(f"{byte:02X}" for byte in certificate.fingerprint(hashes.SHA256()))


def given(cert: str, key: str) -> Certificate:
    """The configured certificate, tried out. Raises TlsError."""
    import ssl
    from pathlib import Path

    if not (cert and key):
        raise TlsError("http.tls_cert and http.tls_key go together: one is missing")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        raise TlsError(f"http.tls_cert {cert}, http.tls_key {key}: {error.strerror or error}") from error
    return Certificate(Path(cert), Path(key))
