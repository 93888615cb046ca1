"""Checks of ports and addresses: whether clients can get through to the server."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import secrets
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final

from palaver.server import addresses
from palaver.server.doctor import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.server.doctor import Finding, Patient
    from palaver.server.state import State

_DEADLINE_S: Final = 2.0
_PROBES: Final = 3
_UNKNOWN: Final = "palaver_media_packets_unknown_total "


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
            "http", f"cannot listen on {words}: {error.strerror or error}", _hint(error, "http.port")
        )
    else:
        yield ok("http", f"{words} is free")


def _hint(error: OSError, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"another program has it: end that, or change {setting}"
    if error.errno == errno.EACCES:
        return f"ports below 1024 need a privilege: change {setting}"
    return "see http.host and media.addresses"


def _ready(running: State) -> Finding:
    where = f"the running server (process {running.pid}, {running.url})"
    import httpx2

    try:
        with _http(running) as http:
            answer = http.get("/readyz")
    except (httpx2.HTTPError, OSError) as error:
        words = str(error) or type(error).__name__
        return problem("http", f"{where} does not answer: {words}", "see its log; start it again")
    if answer.status_code != 200:
        return problem("http", f"{where} is not ready: {answer.text[:200]}", "see its log")
    return ok("http", f"{where} is ready")


@contextlib.contextmanager
def _http(running: State):  # type: ignore[no-untyped-def]  # noqa: ANN202  # the type would import the library at start
    import httpx2

    trusted = ssl.create_default_context(cafile=running.certificate) if running.certificate else True
    with httpx2.Client(base_url=running.url, timeout=_DEADLINE_S, verify=trusted) as client:
        yield client


def media_ports(patient: Patient) -> Iterator[Finding]:
    """Whether datagrams get through: to the running server, which counts them, or to a socket of ours in its place."""
    if patient.running is not None:
        yield from _reach_running(patient.running, patient.config.media.public_addresses)
        return
    try:
        where = addresses.of_media(patient.config)
    except OSError as error:
        yield problem("media", f"{patient.config.http.host}: {error}", "see http.host and media.addresses")
        return
    first, threads = patient.config.media.port, addresses.media_threads(patient.config)
    ports = range(first, first + threads) if first else [0]
    for address in where:
        try:
            through = [_loops(address, port) for port in ports]
        except (OSError, OverflowError) as error:
            number = f"ports {first} to {first + threads - 1}"
            reason = getattr(error, "strerror", None) or str(error)
            hint = _hint(error, "media.port") if isinstance(error, OSError) else "choose a lower media.port"
            yield problem("media", f"UDP {address}, {number}: {reason}", hint)
            continue
        named = f"port {first}" if threads == 1 else f"ports {first} to {first + threads - 1}"
        words = f"UDP {address}, {named if first else 'any port'}"
        if all(through):
            yield ok("media", f"{words}: free, datagrams of this machine arrive")
        else:
            yield problem(
                "media", f"{words}: free, but datagrams do not arrive", "see this machine's firewall"
            )


def _loops(address: str, port: int) -> bool:
    """Whether a datagram to a socket on ``address`` and ``port`` arrives. Raises OSError if the port is not free."""
    with _udp(address) as to, _udp(address) as probe:
        to.bind((address, port))
        to.settimeout(_DEADLINE_S)
        message = _binding_request()
        try:
            probe.sendto(message, (address, to.getsockname()[1]))
            return to.recv(2048) == message
        except OSError:
            return False


def _reach_running(running: State, public: list[str]) -> Iterator[Finding]:
    """A request for nobody is not answered, so that strangers learn nothing; but it is counted where it arrives."""
    outside = [address for address in public if address not in running.media_addresses]
    for address in (*running.media_addresses, *outside):
        for port in running.media_ports:
            words = f"UDP {address} port {port}"
            arrived = _arrives(running, address, port)
            if arrived is None:
                yield warning("media", f"{words}: /metrics cannot be read, so arrivals cannot be counted")
            elif arrived:
                yield ok("media", f"{words}: datagrams of this machine arrive")
            elif address in outside:
                yield warning(
                    "media",
                    f"{words}: datagrams of this machine do not arrive",
                    "many NATs do not lead back inside: try from elsewhere, and see that it forwards the port",
                )
            else:
                yield problem("media", f"{words}: datagrams do not arrive", "see this machine's firewall")


def _arrives(running: State, address: str, port: int) -> bool | None:
    before = _unknown(running)
    if before is None:
        return None
    try:
        with _udp(address) as probe:
            for _ in range(_PROBES):
                probe.sendto(_binding_request(), (address, port))
    except OSError:
        return False
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        now = _unknown(running)
        if now is not None and now >= before + _PROBES:
            return True
        time.sleep(0.05)
    return False


def _unknown(running: State) -> float | None:
    """How many datagrams of strangers the core has counted; None if it does not say."""
    import httpx2

    try:
        with _http(running) as http:
            lines = http.get("/metrics").text.splitlines()
    except (httpx2.HTTPError, OSError):
        return None
    return next((float(line.split()[1]) for line in lines if line.startswith(_UNKNOWN)), None)


def _udp(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM)


def _binding_request() -> bytes:
    """A STUN binding request without attributes (RFC 8489, section 5)."""
    return bytes((0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42)) + secrets.token_bytes(12)


def public_addresses(patient: Patient) -> Iterator[Finding]:
    """Whether clients on the Internet are told an address that they can reach."""
    public = patient.config.media.public_addresses
    wrong = [one for one in public if not _is_address(one)]
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


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


CHECKS: Final = (http_port, media_ports, public_addresses)
