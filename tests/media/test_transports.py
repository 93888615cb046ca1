"""Where transports live among the threads of the core."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from palaver.media.sessions import Transport
from palaver.media.transports import TOGETHER, Transports
from palaver.room.values import ParticipantId, RoomId, TransportId

_numbers = itertools.count(1)


def join(transports: Transports, room: str) -> tuple[int, Transport]:
    """One more transport of a room, as the engine adds it: the thread it got, and itself."""
    thread, _ = transports.place(RoomId(room))
    number = next(_numbers)
    handle = thread << 56 | number
    transport = Transport(RoomId(room), TransportId(f"t{number}"), ParticipantId("p"), handle)
    transports.add(transport)
    return thread, transport


def test_small_rooms_stay_together_and_apart_from_each_other() -> None:
    transports = Transports(4)
    for room in "abcd":
        assert len({join(transports, room)[0] for _ in range(6)}) == 1
    homes = {transports.place(RoomId(room))[0] for room in "abcd"}
    assert len(homes) == 4


@pytest.mark.parametrize("threads", [2, 4])
def test_a_big_room_is_spread(threads: int) -> None:
    transports = Transports(threads)
    placed = Counter(join(transports, "big")[0] for _ in range(100))
    assert placed[0] >= TOGETHER
    assert max(placed.values()) <= 1.3 * 100 / threads
    assert len(placed) == threads


def test_all_of_a_room_are_in_one_group_wherever_they_live() -> None:
    transports = Transports(2)
    groups = set()
    for _ in range(60):
        groups.add(transports.place(RoomId("big"))[1])
        join(transports, "big")
    assert len(groups) == 1


def test_those_who_leave_make_room() -> None:
    transports = Transports(2)
    members = [join(transports, "big") for _ in range(60)]
    for _, transport in members:
        transports.remove(transport)
    assert len(transports) == 0
    assert [join(transports, room)[0] for room in "ab"] == [0, 1]


def test_a_transport_that_was_renamed_is_counted_once() -> None:
    transports = Transports(2)
    _, transport = join(transports, "a")
    transports.rename(transport, 1 << 56 | 5)
    assert transports.place(RoomId("b"))[0] == 0
    transports.remove(transport)
    assert transports.place(RoomId("c"))[0] == 0
