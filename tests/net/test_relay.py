"""The tests' own bad network does what it is told."""

from __future__ import annotations

import random
import socket
import time

import pytest

from tests.net.relay import Conditions, Direction, relay


def direction(conditions: Conditions, seed: int = 1) -> Direction:
    return Direction(conditions, random.Random(seed))


def test_packets_are_lost_at_the_given_share_and_the_same_ones_for_the_same_seed() -> None:
    def fates(seed: int) -> list[bool]:
        one = direction(Conditions(loss=0.2), seed)
        return [one.arrival(0, 100) is None for _ in range(5000)]

    assert sum(fates(3)) / 5000 == pytest.approx(0.2, abs=0.02)
    assert fates(3) == fates(3) != fates(4)


def test_a_rate_spaces_packets_and_a_full_queue_drops() -> None:
    one = direction(Conditions(rate_bps=800_000, queue_s=0.05, delay_s=0.01))
    arrivals = [one.arrival(0, 1000) for _ in range(10)]  # each takes 10 ms of the line
    assert arrivals[:6] == [pytest.approx(0.01 * (n + 2)) for n in range(6)]
    assert arrivals[6:] == [None] * 4
    assert one.overflowed == 4
    assert one.arrival(1, 1000) == pytest.approx(1.02)  # the line was free again


def test_jitter_delays_but_never_reorders() -> None:
    dense = direction(Conditions(delay_s=0.05, jitter_s=0.04))
    arrivals = [dense.arrival(n / 1000, 100) or 0 for n in range(1000)]
    assert arrivals == sorted(arrivals)
    sparse = direction(Conditions(delay_s=0.05, jitter_s=0.04))
    late = [(sparse.arrival(n, 100) or 0) - n for n in range(1000)]
    assert 0.05 <= min(late) < 0.051
    assert 0.089 < max(late) <= 0.09


def test_a_relay_carries_five_megabits_both_ways_and_delays_them() -> None:
    with relay() as running, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        server.settimeout(5)
        running.set(Conditions(delay_s=0.02), Conditions(delay_s=0.03))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", running.entrance(server.getsockname()[1])))
            client.settimeout(5)
            started = time.monotonic()
            client.send(b"ping")
            packet, behind = server.recvfrom(2048)
            server.sendto(packet, behind)
            assert client.recv(2048) == b"ping"
            assert time.monotonic() - started >= 0.05
            for burst in range(12):
                packets = [(burst * 50 + n).to_bytes(2) * 520 for n in range(50)]
                for packet in packets:
                    client.send(packet)
                assert [server.recv(2048) for _ in packets] == packets
            assert running.up.passed == 601  # five megabits, and the first
            assert (running.up.lost, running.up.overflowed) == (0, 0)
