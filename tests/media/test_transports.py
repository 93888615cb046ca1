"""Where transports live among the threads of the core."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from palaver.media.formats import Payload
from palaver.media.webrtc.negotiation import Bound
from palaver.media.webrtc.sessions import BoundSection, Session, Transport
from palaver.media.webrtc.transports import TOGETHER, Transports
from palaver.room.endpoints import WebRtcSource
from palaver.room.messages import OpenSource
from palaver.room.values import ParticipantId, RoomId, StreamId, TransportId

_numbers = itertools.count(1)


def join(transports: Transports, room: str, stream: str | None = None) -> tuple[int, Transport]:
    """One more transport of a room, as the engine adds it: the thread it got, and itself."""
    wanted = StreamId(stream) if stream else None
    thread, _ = transports.place(RoomId(room), wanted)
    number = next(_numbers)
    handle = thread << 56 | number
    transport = Transport(RoomId(room), TransportId(f"t{number}"), ParticipantId("p"), handle)
    transports.add(transport, wanted)
    return thread, transport


def carry(transports: Transports, transport: Transport, name: str, sections: int) -> Session:
    """A session on it, with so many sections in use."""
    action = OpenSource(StreamId(name), transport.owner, WebRtcSource(transport.id, ()), (), ())
    transports.open(session := Session(name, transport, action))
    for mid in map(str, range(sections)):
        bound = Bound(name, "audio", mid, Payload(111), (111,), sends=False)
        transports.bind(session, mid, BoundSection(bound, transport.thread << 56 | next(_numbers)))
    return session


def test_small_rooms_stay_together_and_apart_from_each_other() -> None:
    transports = Transports(4)
    for room in "abcd":
        assert len({join(transports, room)[0] for _ in range(6)}) == 1
    homes = {transports.place(RoomId(room))[0] for room in "abcd"}
    assert len(homes) == 4


@pytest.mark.parametrize("threads", [2, 4])
def test_a_big_room_is_spread(threads: int) -> None:
    transports = Transports(threads)
    placed = Counter(join(transports, "big")[0] for _ in range(4 * TOGETHER))
    assert placed[0] >= TOGETHER
    assert max(placed.values()) <= 1.3 * 4 * TOGETHER / threads
    assert len(placed) == threads


def test_sections_in_use_count_and_those_given_up_do_not() -> None:
    transports = Transports(2)
    _, first = join(transports, "room")
    session = carry(transports, first, "many", TOGETHER - 1)
    assert transports.place(RoomId("room"))[0] == 1
    assert transports.unbind(session, "0") is not None
    assert transports.place(RoomId("room"))[0] == 0
    assert len(list(transports.end(session))) == TOGETHER - 2
    _, other = join(transports, "other")
    assert other.thread == 1, "one transport each by now"
    assert transports.place(RoomId("third"))[0] == 0


def test_those_who_get_one_stream_are_put_together() -> None:
    transports = Transports(2)
    streams = [f"s{number}" for number in range(8)]
    for stream in streams:
        carry(transports, join(transports, "big")[1], stream, 2)
    homes = {
        stream: Counter(join(transports, "big", stream)[0] for _ in range(TOGETHER // 4))
        for stream in streams
    }
    apart = [stream for stream, threads in homes.items() if len(threads) > 1]
    assert len(apart) <= 3, homes
    placed = sum(homes.values(), Counter())
    assert max(placed.values()) <= 1.3 * TOGETHER, placed
    for stream in streams:
        session = transports.session(RoomId("big"), stream)
        assert session is not None
        list(transports.end(session))
    media = transports.room(RoomId("big"))
    assert media is not None
    assert media.nearest == {}


def test_all_of_a_room_are_in_one_group_wherever_they_live() -> None:
    transports = Transports(2)
    groups = set()
    for _ in range(60):
        groups.add(transports.place(RoomId("big"))[1])
        join(transports, "big")
    assert len(groups) == 1


def test_those_who_leave_make_room() -> None:
    transports = Transports(2)
    members = [join(transports, "big") for _ in range(2 * TOGETHER)]
    for _, transport in members:
        transports.remove(transport)
    assert len(transports) == 0
    transports.close_room(RoomId("big"))
    assert transports.rooms == 0
    assert [join(transports, room)[0] for room in "ab"] == [0, 1]


def test_a_transport_that_was_renamed_is_counted_once() -> None:
    transports = Transports(2)
    _, transport = join(transports, "a")
    transports.rename(transport, 1 << 56 | 5)
    assert transports.place(RoomId("b"))[0] == 0
    transports.remove(transport)
    assert transports.place(RoomId("c"))[0] == 0
