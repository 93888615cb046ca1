"""Names stay within the directory; the oldest recordings go first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.recording.storage import Kept, OutsideError, Retention, Storage, check_pattern, part_name

BEGUN = datetime(2026, 10, 25, 0, 59, 7, tzinfo=UTC)


def test_a_name_tells_room_time_and_recording(tmp_path: Path) -> None:
    assert Storage(tmp_path).name("r00m", "42", BEGUN) == "r00m/20261025-005907-42"


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_no_room_or_recording_leads_out_of_the_directory(room: str, recording: str) -> None:
    root = Path("/nowhere/recordings")
    path = Storage(root).resolve(Storage(root).name(room, recording, BEGUN))
    assert path.is_relative_to(root)
    assert ".." not in path.parts


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "..", "", "."])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutsideError):
        Storage(tmp_path).resolve(name)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    with pytest.raises(OutsideError):
        Storage(inside).resolve("link/x.mkv")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{room}", "{id} is needed"),
        ("{id}/{nobody}", "unknown field {nobody}"),
        ("../{id}", "below the directory"),
        ("/{id}", "below the directory"),
        ("{id!r}", "no format"),
        ("{id", "not a pattern"),
        ("{room.__class__}/{id}", "unknown field"),
    ],
)
def test_a_pattern_that_gives_no_usable_names_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_pattern(pattern)


def test_the_parts_of_a_recording_are_told_apart() -> None:
    assert [part_name("a/b", part, "mkv") for part in (1, 2)] == ["a/b.mkv", "a/b.part2.mkv"]


def test_old_recordings_go_and_then_the_oldest_until_the_rest_fits() -> None:
    kept = [Kept("new", 9 * 86_400, 600_000_000), Kept("old", 0, 1), Kept("mid", 8 * 86_400, 600_000_000)]
    now = 10 * 86_400.0
    assert Retention().expired(kept, now) == []
    assert Retention(days=5).expired(kept, now) == ["old"]
    assert Retention(total_gb=1).expired(kept, now) == ["old", "mid"]
    assert Retention(days=1.5, total_gb=1).expired(kept, now) == ["old", "mid"]
