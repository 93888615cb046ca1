"""A bad network of our own: a UDP relay on loopback that loses, delays and slows down what passes."""

from __future__ import annotations

import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Address = tuple[str, int]


@dataclass(frozen=True)
class Conditions:
    """How one direction behaves. A packet that would wait longer than ``queue_s`` for its turn is dropped."""

    loss: float = 0.0  # share of the packets
    delay_s: float = 0.0
    jitter_s: float = 0.0  # added to the delay, evenly spread; never reorders
    rate_bps: float | None = None
    queue_s: float = 0.3


@dataclass
class Direction:
    """Packets one way: decides without I/O when each one comes out, if it does. Same seed, same fate."""

    conditions: Conditions
    dice: random.Random
    passed: int = 0
    lost: int = 0
    overflowed: int = 0
    _free: float = 0.0
    _last: float = 0.0

    def arrival(self, now: float, size: int) -> float | None:
        """When a packet that enters ``now`` comes out; None if it is lost."""
        conditions = self.conditions
        if self.dice.random() < conditions.loss:
            self.lost += 1
            return None
        sent = now
        if conditions.rate_bps is not None:
            start = max(now, self._free)
            if start - now > conditions.queue_s:
                self.overflowed += 1
                return None
            sent = self._free = start + size * 8 / conditions.rate_bps
        late = conditions.delay_s + conditions.jitter_s * self.dice.random()
        self.passed += 1
        self._last = max(sent + late, self._last)
        return self._last


@dataclass
class _Pipe:
    """One direction, and what is under way in it: (when it comes out, packet, from which socket, to whom)."""

    direction: Direction
    under_way: deque[tuple[float, bytes, socket.socket, Address]] = field(default_factory=deque)


@dataclass
class _Entrance:
    """A port that stands for a port of the server; every client that comes has a socket of its own behind it."""

    outside: socket.socket
    server: Address
    behind: dict[Address, socket.socket] = field(default_factory=dict)


class Relay:
    """Runs on a thread of its own. ``up`` leads from clients to the server, ``down`` back."""

    def __init__(self, seed: int = 1) -> None:
        self.up = Direction(Conditions(), random.Random(seed))
        self.down = Direction(Conditions(), random.Random(seed + 1))
        self._pipes = (_Pipe(self.up), _Pipe(self.down))
        self._selector = selectors.DefaultSelector()
        self._entrances: dict[int, _Entrance] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def set(self, up: Conditions, down: Conditions) -> None:
        """Change the network. What is under way arrives as it would have."""
        self.up.conditions, self.down.conditions = up, down

    def entrance(self, port: int) -> int:
        """The port that leads through here to ``port`` of the server."""
        with self._lock:
            if port not in self._entrances:
                entrance = self._entrances[port] = _Entrance(_socket(), ("127.0.0.1", port))
                self._selector.register(entrance.outside, selectors.EVENT_READ, (entrance, None))
            return int(self._entrances[port].outside.getsockname()[1])

    def run(self) -> None:
        """Carry packets until stopped."""
        while not self._stopping.is_set():
            for key, _ in self._selector.select(self._wait()):
                self._receive(*key.data)
            self._deliver()
        with self._lock:
            for key in list(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered
            self._selector.close()

    def stop(self) -> None:
        self._stopping.set()

    def _wait(self) -> float:
        """Seconds until the next packet is due; short, so that a new entrance and a stop are noticed."""
        due = [pipe.under_way[0][0] for pipe in self._pipes if pipe.under_way]
        return max(0.0, min([*due, time.monotonic() + 0.02]) - time.monotonic())

    def _receive(self, entrance: _Entrance, client: Address | None) -> None:
        """Take everything that waits: at an entrance from any client, or behind it for one client."""
        up, down = self._pipes
        source = entrance.outside if client is None else entrance.behind[client]
        while True:
            try:
                packet, sender = source.recvfrom(2048)
            except BlockingIOError:
                return
            if client is None:
                self._enter(up, packet, self._behind(entrance, sender), entrance.server)
            else:
                self._enter(down, packet, entrance.outside, client)

    def _behind(self, entrance: _Entrance, client: Address) -> socket.socket:
        if client not in entrance.behind:
            made = entrance.behind[client] = _socket()
            self._selector.register(made, selectors.EVENT_READ, (entrance, client))
        return entrance.behind[client]

    @staticmethod
    def _enter(pipe: _Pipe, packet: bytes, out: socket.socket, target: Address) -> None:
        arrival = pipe.direction.arrival(time.monotonic(), len(packet))
        if arrival is not None:
            pipe.under_way.append((arrival, packet, out, target))

    def _deliver(self) -> None:
        for pipe in self._pipes:
            while pipe.under_way and pipe.under_way[0][0] <= time.monotonic():
                _, packet, out, target = pipe.under_way.popleft()
                try:
                    out.sendto(packet, target)
                except (BlockingIOError, ConnectionRefusedError):
                    pipe.direction.overflowed += 1


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


@contextmanager
def relay(seed: int = 1) -> Iterator[Relay]:
    """A running relay with perfect conditions."""
    made = Relay(seed)
    thread = threading.Thread(target=made.run, name="relay")
    thread.start()
    try:
        yield made
    finally:
        made.stop()
        thread.join()
