"""What a server has kept is not shown late: the latest key frame is the beginning."""

from __future__ import annotations

from dataclasses import dataclass

from palaver.streaming.live_edge import EDGE_WAIT_NS, MOST_BACKLOG_NS, LiveEdge

MS = 1_000_000


@dataclass(frozen=True)
class Packet:
    video: bool
    key: bool
    media_ns: int


def picture(at_ms: int, *, key: bool = False) -> Packet:
    return Packet(True, key, at_ms * MS)


def sound(at_ms: int) -> Packet:
    return Packet(False, True, at_ms * MS)


def test_the_backlog_is_skipped_up_to_its_last_key_frame() -> None:
    edge: LiveEdge[Packet] = LiveEdge(0)
    backlog = [
        picture(0, key=True),
        sound(0),
        picture(500),
        picture(1000, key=True),
        sound(1000),
        picture(1040),
    ]
    for packet in backlog:
        assert edge.take(packet, 0, 1) == []
    live = picture(1080)
    begun = edge.take(live, 1, 1 + EDGE_WAIT_NS)
    assert begun == [picture(1000, key=True), sound(1000), picture(1040), live]
    assert edge.take(picture(1120), 0, 0) == [picture(1120)]


def test_a_source_that_never_waits_is_taken_as_it_comes_after_a_while() -> None:
    edge: LiveEdge[Packet] = LiveEdge(0)
    assert edge.take(picture(0, key=True), 0, 0) == []
    assert edge.take(picture(40), MOST_BACKLOG_NS, MOST_BACKLOG_NS) == [picture(0, key=True), picture(40)]


def test_sound_alone_begins_with_its_newest() -> None:
    edge: LiveEdge[Packet] = LiveEdge(0)
    for at_ms in range(0, 2000, 20):
        edge.take(sound(at_ms), 0, 1)
    begun = edge.take(sound(2000), 1, 1 + EDGE_WAIT_NS)
    assert [one.media_ns // MS for one in begun] == [1900, 1920, 1940, 1960, 1980, 2000]
