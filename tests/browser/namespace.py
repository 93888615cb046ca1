"""A network namespace of a test's own: what must not use loopback lives inside, and one link leads there."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CLONE_NEWNET = 0x40000000
_numbers = itertools.count()


@dataclass(frozen=True)
class Namespace:
    """A named namespace; ``inside`` is its own address, ``outside`` that of the test."""

    name: str
    inside: str
    outside: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a command in it."""
        return ("ip", "netns", "exec", self.name)

    def connect(self, host: str, port: int) -> socket.socket:
        """A TCP connection that begins inside; raises OSError."""
        made: list[socket.socket | OSError] = []

        def enter() -> None:  # a thread enters a namespace alone, and for good
            try:
                with open(f"/run/netns/{self.name}", "rb") as file:
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.create_connection((host, port), timeout=5))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make one with a link to here; both are gone at the end. Needs root."""
    number = next(_numbers)
    name = f"palaver-{os.getpid()}-{number}"
    subnet = f"10.{200 + number % 50}.{os.getpid() % 250}"
    one = Namespace(name, f"{subnet}.2", f"{subnet}.1")
    here, there = f"pv{os.getpid()}-{number}", "eth0"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _ip("address", "add", f"{one.outside}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", name, "address", "add", f"{one.inside}/30", "dev", there)
        _ip("-n", name, "link", "set", there, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield one
    finally:
        _ip("netns", "del", name)
