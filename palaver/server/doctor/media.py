"""Checks of the media ports: whether packets of this machine get through to them, by UDP and by TCP, and how well."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from typing import TYPE_CHECKING, Final

from palaver.server import addresses
from palaver.server.doctor.findings import ok, problem, warning
from palaver.server.doctor.network import DEADLINE_S, hint_for, http_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.server.doctor.findings import Finding, Patient
    from palaver.server.state import State

_PROBES: Final = 3
_COUNTERS: Final = {"UDP": "palaver_media_packets_unknown_total ", "TCP": "palaver_media_tcp_accepted_total "}
_KINDS: Final = {"UDP": socket.SOCK_DGRAM, "TCP": socket.SOCK_STREAM}
_UDP_SEGMENT: Final = 103  # linux/udp.h
_SEGMENT: Final = 1200


def media_ports(patient: Patient) -> Iterator[Finding]:
    """Whether packets get through: to the running server, which counts them, or to a socket of ours in its place."""
    protocols = ("UDP", "TCP") if patient.config.media.tcp else ("UDP",)
    if patient.running is not None:
        for protocol in protocols:
            yield from _reach_running(patient.running, patient.config.media.public_addresses, protocol)
        return
    try:
        where = addresses.of_media(patient.config)
    except OSError as error:
        yield problem("media", f"{patient.config.http.host}: {error}", "see http.host and media.addresses")
        return
    first, threads = patient.config.media.port, addresses.media_threads(patient.config)
    for protocol in protocols:
        for address in where:
            yield _place(protocol, address, first, threads)


def _place(protocol: str, address: str, first: int, threads: int) -> Finding:
    named = f"port {first}" if threads == 1 else f"ports {first} to {first + threads - 1}"
    words = f"{protocol} {address}, {named if first else 'any port'}"
    try:
        through = [
            _loops(protocol, address, port) for port in (range(first, first + threads) if first else [0])
        ]
    except OverflowError as error:
        return problem("media", f"{words}: {error}", "choose a lower media.port")
    except OSError as error:
        return problem("media", f"{words}: {error.strerror or error}", hint_for(error, "media.port"))
    if all(through):
        return ok("media", f"{words}: free, packets of this machine arrive")
    return problem("media", f"{words}: free, but packets do not arrive", "see this machine's firewall")


def _loops(protocol: str, address: str, port: int) -> bool:
    """Whether a packet to a socket on ``address`` and ``port`` arrives. Raises OSError if the port is not free."""
    with _socket(protocol, address) as to, _socket(protocol, address) as probe:
        if protocol == "TCP":
            to.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        to.bind((address, port))
        message = _binding_request()
        try:
            if protocol == "TCP":
                to.listen()
                probe.connect(to.getsockname()[:2])
                return True
            probe.sendto(message, (address, to.getsockname()[1]))
            return to.recv(2048) == message
        except OSError:
            return False


def _reach_running(running: State, public: list[str], protocol: str) -> Iterator[Finding]:
    """Strangers are not answered and learn nothing; but they are counted where they arrive."""
    outside = [address for address in public if address not in running.media_addresses]
    for address in (*running.media_addresses, *outside):
        for port in running.media_ports:
            words = f"{protocol} {address} port {port}"
            arrived = _arrives(running, protocol, address, port)
            if arrived is None:
                yield warning("media", f"{words}: /metrics cannot be read, so arrivals cannot be counted")
            elif arrived:
                yield ok("media", f"{words}: packets of this machine arrive")
            elif address in outside:
                yield warning(
                    "media",
                    f"{words}: packets of this machine do not arrive",
                    "many NATs do not lead back inside: try from elsewhere, and see that it forwards the port",
                )
            elif protocol == "TCP":
                yield warning(
                    "media",
                    f"{words}: connections do not arrive; clients whose network lets no UDP through cannot take part",
                    "see this machine's firewall, and that the server runs with media.tcp",
                )
            else:
                yield problem("media", f"{words}: packets do not arrive", "see this machine's firewall")


def _arrives(running: State, protocol: str, address: str, port: int) -> bool | None:
    before = _counted(running, protocol)
    if before is None:
        return None
    try:
        for _ in range(_PROBES):
            with _socket(protocol, address) as probe:
                if protocol == "TCP":
                    probe.connect((address, port))
                else:
                    probe.sendto(_binding_request(), (address, port))
    except OSError:
        return False
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        now = _counted(running, protocol)
        if now is not None and now >= before + _PROBES:
            return True
        time.sleep(0.05)
    return False


def _counted(running: State, protocol: str) -> float | None:
    """How many packets or connections of strangers the core has counted; None if it does not say."""
    import httpx2

    try:
        with http_of(running) as http:
            lines = http.get("/metrics").text.splitlines()
    except (httpx2.HTTPError, OSError):
        return None
    counter = _COUNTERS[protocol]
    return next((float(line.split()[1]) for line in lines if line.startswith(counter)), None)


def _socket(protocol: str, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, _KINDS[protocol])
    made.settimeout(DEADLINE_S)
    return made


def _binding_request() -> bytes:
    """A STUN binding request without attributes (RFC 8489, section 5)."""
    return bytes((0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42)) + secrets.token_bytes(12)


def ipv6(patient: Patient) -> Iterator[Finding]:
    """Whether clients that have only IPv6 can reach a machine that has it."""
    try:
        where = list(
            (patient.running and patient.running.media_addresses) or addresses.of_media(patient.config)
        )
    except OSError:
        return  # the check of media ports says so
    where += patient.config.media.public_addresses
    if all(addresses.is_loopback(one) for one in where):
        return
    mine = [one for one in addresses.interface_addresses(ipv6=True) if ":" in one]
    usable = [one for one in mine if not addresses.is_loopback(one)]
    if any(":" in one and not addresses.is_loopback(one) for one in where):
        yield ok("ipv6", "media on IPv6 too")
    elif usable:
        yield warning(
            "ipv6",
            f"this machine has {', '.join(usable)}, but media is on IPv4 only",
            "add them to media.addresses, or set http.host to ::, for clients that have IPv6 only",
        )
    else:
        yield ok("ipv6", "this machine has no IPv6 address that others could use")


def segmentation(_patient: Patient) -> Iterator[Finding]:
    """Whether the kernel cuts a run of packets itself, which halves the work of sending video."""
    try:
        cut = _is_cut()
    except OSError as error:
        yield warning(
            "segmentation",
            f"the kernel refuses UDP segmentation offload: {error.strerror or error}",
            "packets are sent one by one, at about twice the processor time; see that Linux is 4.18 or later",
        )
        return
    if cut:
        yield ok(
            "segmentation",
            "the kernel cuts runs of packets itself; whether a network card does is its affair",
        )
    else:
        yield warning("segmentation", "the kernel takes a run of packets but does not cut it as asked")


def _is_cut() -> bool:
    """Send two packets as one run over loopback. Raises OSError if the kernel refuses."""
    with _socket("UDP", "127.0.0.1") as to, _socket("UDP", "127.0.0.1") as probe:
        to.bind(("127.0.0.1", 0))
        probe.setsockopt(socket.SOL_UDP, _UDP_SEGMENT, _SEGMENT)
        probe.sendto(bytes(2 * _SEGMENT), to.getsockname())
        with contextlib.suppress(TimeoutError):
            return [len(to.recv(4 * _SEGMENT)) for _ in range(2)] == [_SEGMENT, _SEGMENT]
    return False


def names(_patient: Patient) -> Iterator[Finding]:
    """Whether the names on the tiles of mixed views can be drawn in every script."""
    from palaver.media import nameplates  # only now: it reads the fonts

    absent = nameplates.missing(nameplates.painter())
    if not absent:
        yield ok("names", "mixed views can show names in every script")
        return
    scripts = ", ".join(script.name for script in absent)
    packages = " ".join(sorted({script.package for script in absent}))
    yield warning(
        "names",
        f"mixed views show boxes for names in these scripts: {scripts}",
        f"apt-get install {packages} (or put these fonts of Noto under /usr/share/fonts), then restart",
    )


CHECKS: Final = (media_ports, ipv6, segmentation, names)
