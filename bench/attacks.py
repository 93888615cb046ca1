"""Attacks by HTTP, each for some seconds from an address of its own: what `bench.floods` starts beside a call.

    python -m bench.attacks KIND PORT SECONDS [SERVICE KEY]

Prints how often it was tried.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys
import time
from collections.abc import Callable

from palaver.api.auth.mauth import sign

SOURCE = "127.0.0.66"
HELD = 1500
PIECE = b"y" * 1400


def connected(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), 5, (SOURCE, 0))
    one.setblocking(False)
    return one


def endless_trailers(port: int, until: float) -> int:
    """Four connections at a time, each sending one trailer as fast as it is taken."""
    head = b"POST /demo/join HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    tries, held = 0, list[socket.socket]()
    while time.monotonic() < until:
        while len(held) < 4:
            held.append(connected(port))
            held[-1].send(head)
            tries += 1
        blocked = 0
        for one in list(held):
            try:
                one.send(PIECE)
            except BlockingIOError:
                blocked += 1
            except OSError:
                one.close()
                held.remove(one)
        if blocked == len(held):
            time.sleep(0.001)
    return tries


def held_connections(port: int, until: float) -> int:
    """As many as can be had that have sent half a header, and new ones for those that were closed."""
    tries, waiting = 0, selectors.DefaultSelector()
    while time.monotonic() < until:
        while len(waiting.get_map()) < HELD and time.monotonic() < until:
            one = connected(port)
            tries += 1
            with contextlib.suppress(OSError):
                one.send(b"GET / HTTP/1.1\r\nX: ")
            waiting.register(one, selectors.EVENT_READ)
        for key, _ in waiting.select(0.05):
            one = key.fileobj  # type: ignore[assignment]  # what was registered
            try:
                gone = not one.recv(4096)
            except OSError:
                gone = True
            if gone:
                waiting.unregister(one)
                one.close()
    return tries


def signed_requests(port: int, until: float, service: str, key: str) -> int:
    """Signed requests of one service, so many that not all of them can be remembered."""
    tries = 0
    with socket.create_connection(("127.0.0.1", port), 5, (SOURCE, 0)) as one:
        while time.monotonic() < until:
            batch = b"".join(
                f"GET /v1/rooms HTTP/1.1\r\nHost: localhost\r\nAuthorization: {sign(service, key)}\r\n\r\n".encode()
                for _ in range(20)
            )
            one.sendall(batch)
            tries += 20
            answered = 0
            while answered < 20:
                some = one.recv(1 << 20)
                if not some:
                    return tries
                answered += some.count(b"HTTP/1.1 ")
    return tries


KINDS: dict[str, tuple[Callable[..., int], str, str]] = {
    "trailers": (endless_trailers, "a trailer without end", "http_bodies_oversized"),
    "held": (held_connections, f"{HELD} connections with half a header", "http_headers_timed_out"),
    "lock-out": (signed_requests, "signed requests of another service", "auth_refused_forgotten"),
}
"""What it does, in words, and the counter that tells of it."""


def main() -> None:
    kind, port, seconds, *account = sys.argv[1:]
    print(KINDS[kind][0](int(port), time.monotonic() + float(seconds), *account))


if __name__ == "__main__":
    main()
