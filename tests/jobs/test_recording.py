"""What is asked of a recording survives a restart."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from palaver.jobs.kinds import JobFailed
from palaver.jobs.outgoing import WantedPicture, WantedSound
from palaver.jobs.recording import Recording, Recordings
from palaver.recording.storage import Storage
from palaver.room.endpoints import FileSink
from palaver.room.values import AudioFormat, Resolution, VideoFormat, VideoParameters

ORDER = Recording(
    WantedSound("s", "opus", 48_000, 2),
    WantedPicture("t", "h264", "CB", (640, 480), 24, "x0.8", 2),
    ("video",),
    room="room",
    begun_ms=1_700_000_000_000,
    container="mkv",
)


def test_an_order_comes_back_from_the_store_as_it_was() -> None:
    for order in (ORDER, Recording(None, WantedPicture("t"), room="room", begun_ms=1, container="auto")):
        stored = msgspec.json.encode(msgspec.to_builtins(order))
        assert msgspec.convert(msgspec.json.decode(stored), Recording) == order


def test_an_order_asks_the_room_for_its_tracks() -> None:
    command = Recordings(Storage(Path("/recordings"))).command("42", ORDER)
    sound, picture = command.tracks
    assert command.by is None
    assert command.sink == FileSink("room/20231114-221320-42", "mkv", ("video",))
    assert (sound.stream, sound.format) == ("s", AudioFormat("opus", 48_000, 2))
    assert (picture.stream, picture.format) == ("t", VideoFormat("h264", "CB"))
    assert picture.parameters == VideoParameters(Resolution(640, 480), 24, "x0.8", 2)


def test_what_was_paused_begins_paused_so_that_it_can_go_on() -> None:
    sound, picture = Recordings(Storage(Path("/recordings"))).command("42", ORDER).tracks
    assert (sound.active, picture.active) == (True, False)


async def test_nothing_is_begun_where_too_little_space_is_left(tmp_path: Path) -> None:
    await Recordings(Storage(tmp_path)).check(ORDER)
    with pytest.raises(JobFailed, match="too little space"):
        await Recordings(Storage(tmp_path, floor_bytes=1 << 62)).check(ORDER)
    (tmp_path / "file").touch()
    with pytest.raises(JobFailed, match="cannot be stored"):
        await Recordings(Storage(tmp_path / "file" / "below")).check(ORDER)
