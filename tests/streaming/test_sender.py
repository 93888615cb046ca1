"""Segments reach the other side in order, or not at all; a playlist never promises what is not there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palaver.streaming import sender as sending
from palaver.streaming.sender import FolderStore, Refused, Sender, without

PLAYLIST = """#EXTM3U
#EXT-X-TARGETDURATION:2
#EXTINF:2.0,
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000+0000
a-1.ts
#EXTINF:2.0,
a-2.ts
#EXTINF:2.0,
a-3.ts
"""


class Shop:
    """A store that notes what it is given, and refuses what ``refuses`` says."""

    def __init__(self) -> None:
        self.put_names: list[str] = []
        self.deleted: list[str] = []
        self.files: dict[str, bytes] = {}
        self.refuses: set[str] = set()

    def put(self, name: str, data: bytes) -> None:
        if name in self.refuses:
            raise Refused("the server answered 500")
        self.put_names.append(name)
        self.files[name] = data

    def delete(self, name: str) -> None:
        self.deleted.append(name)


@contextmanager
def sender(store: Shop | FolderStore, states: list[str], kept: int = 3) -> Iterator[Sender]:
    one = Sender(store, kept=kept, state=states.append)
    thread = threading.Thread(target=one.run)
    thread.start()
    yield one
    one.end(20)
    thread.join(20)
    assert not thread.is_alive()


def test_a_playlist_comes_after_its_segments_and_old_segments_are_deleted() -> None:
    store, states = Shop(), list[str]()
    with sender(store, states) as one:
        for number in range(5):
            one.add(f"a-{number}.ts", b"x")
        one.add("a.m3u8", b"")
    assert store.put_names == ["a-0.ts", "a-1.ts", "a-2.ts", "a-3.ts", "a-4.ts", "a.m3u8"]
    assert store.deleted == ["a-0.ts", "a-1.ts"]
    assert states == [""]


def test_what_is_refused_is_tried_again_and_told() -> None:
    store, states = Shop(), list[str]()
    store.refuses.add("a-1.ts")
    told = threading.Event()

    def state(error: str) -> None:
        states.append(error)
        store.refuses.clear()
        told.set()

    one = Sender(store, kept=3, state=state)
    thread = threading.Thread(target=one.run)
    thread.start()
    one.add("a-1.ts", b"x")
    assert told.wait(20)
    one.end(20)
    thread.join(20)
    assert states == ["the server answered 500", ""]
    assert store.put_names == ["a-1.ts"]
    assert one.counters["file_retries"] == 1


def test_a_segment_that_never_arrives_is_taken_out_of_the_playlist() -> None:
    store, states = Shop(), list[str]()
    store.refuses.add("a-2.ts")
    now = iter(range(0, 10_000, 5))
    one = Sender(store, kept=9, state=states.append, clock=lambda: float(next(now)))
    for name in ("a-1.ts", "a-2.ts", "a-3.ts"):
        one.add(name, b"x")
    one.add("a.m3u8", PLAYLIST.encode())
    thread = threading.Thread(target=one.run)
    thread.start()
    one.end(1e9)
    thread.join(20)
    assert store.put_names == ["a-1.ts", "a-3.ts", "a.m3u8"]
    assert b"a-2.ts" not in store.files["a.m3u8"]
    assert b"#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\na-3.ts" in store.files["a.m3u8"]


def test_memory_is_bounded_and_of_a_playlist_only_the_newest_waits() -> None:
    one = Sender(Shop(), kept=3, state=lambda _: None)
    for number in range(100):
        one.add(f"a-{number}.ts", bytes(1 << 20))
        one.add("a.m3u8", str(number).encode())
    assert one._bytes <= sending.MOST_BYTES
    assert sum(waiting.name == "a.m3u8" for waiting in one._waiting) == 1
    assert one.counters["files_lost"] >= 60


def test_a_folder_shows_whole_files_only(tmp_path: Path) -> None:
    states = list[str]()
    with sender(FolderStore(tmp_path / "live"), states, kept=1) as one:
        one.add("a-1.ts", b"one")
        one.add("a-2.ts", b"two")
    assert {path.name: path.read_bytes() for path in (tmp_path / "live").iterdir()} == {"a-2.ts": b"two"}


def test_a_playlist_without_missing_segments_stays_as_it_is() -> None:
    assert without(PLAYLIST, set()) == PLAYLIST
    assert "a-1.ts" not in without(PLAYLIST, {"a-1.ts"})
