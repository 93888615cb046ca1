"""Checks of ports and addresses: whether clients can get through to the server."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING, Final

from palaver.server import addresses
from palaver.server.doctor.findings import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

    from palaver.server.doctor.findings import Finding, Patient
    from palaver.server.state import State

DEADLINE_S: Final = 2.0


def http_port(patient: Patient) -> Iterator[Finding]:
    """Whether the running server is ready, or else whether its port is free."""
    if patient.running is not None:
        yield _ready(patient.running)
        return
    http = patient.config.http
    words = f"{http.host} port {http.port}"
    if http.port == 0:
        yield ok("http", f"any free port of {http.host}")
        return
    try:
        info = socket.getaddrinfo(http.host, http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        socket.create_server(info[4][:2], family=info[0]).close()
    except OSError as error:
        yield problem(
            "http", f"cannot listen on {words}: {error.strerror or error}", hint_for(error, "http.port")
        )
    else:
        yield ok("http", f"{words} is free")


def hint_for(error: OSError, setting: str) -> str:
    """What to do about a port that cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return f"another program has it: end that, or change {setting}"
    if error.errno == errno.EACCES:
        return f"ports below 1024 need a privilege: change {setting}"
    return "see http.host and media.addresses"


def _ready(running: State) -> Finding:
    where = f"the running server (process {running.pid}, {running.url})"
    import httpx2

    try:
        with http_of(running) as http:
            answer = http.get("/readyz")
    except (httpx2.HTTPError, OSError) as error:
        words = str(error) or type(error).__name__
        return problem("http", f"{where} does not answer: {words}", "see its log; start it again")
    if answer.status_code != 200:
        return problem("http", f"{where} is not ready: {answer.text[:200]}", "see its log")
    return ok("http", f"{where} is ready")


@contextlib.contextmanager
def http_of(running: State) -> Iterator[httpx2.Client]:
    """A client of the running server that trusts its certificate."""
    import httpx2

    trusted = ssl.create_default_context(cafile=running.certificate) if running.certificate else True
    with httpx2.Client(base_url=running.url, timeout=DEADLINE_S, verify=trusted) as client:
        yield client


def public_addresses(patient: Patient) -> Iterator[Finding]:
    """Whether clients on the Internet are told an address that they can reach."""
    public = patient.config.media.public_addresses
    wrong = [one for one in public if not addresses.is_address(one)]
    if wrong:
        yield problem("addresses", f"media.public_addresses: {', '.join(wrong)} is no IP address")
        return
    try:
        where = list(
            (patient.running and patient.running.media_addresses) or addresses.of_media(patient.config)
        )
        found = [ipaddress.ip_address(one) for one in where]
    except (OSError, ValueError):
        return  # the check of media ports says so
    private = [one for one in public if not ipaddress.ip_address(one).is_global]
    if private:
        yield warning(
            "addresses",
            f"media.public_addresses has {', '.join(private)}, which nobody on the Internet can reach",
            "right behind a NAT of your own network only",
        )
    if all(one.is_loopback for one in found):
        yield ok("addresses", "media on loopback: for this machine only")
    elif public:
        yield ok("addresses", f"clients are told {', '.join(public)} beside {', '.join(where)}")
    elif any(one.is_global for one in found):
        yield ok("addresses", f"clients are told {', '.join(where)}")
    else:
        yield warning(
            "addresses",
            f"clients are told private addresses only: {', '.join(where)}",
            "for clients elsewhere set media.public_addresses to what they reach this machine by",
        )


CHECKS: Final = (http_port, public_addresses)
