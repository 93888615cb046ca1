"""Old recordings go with their files, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from palaver.jobs.archive import Archive
from palaver.recording.index import Entry, Part
from palaver.recording.storage import Retention, Storage
from palaver.store import Store

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("retention", "left"),
    [
        (Retention(), ["1", "2", "3", "4"]),
        (Retention(days=2.5), ["3", "4"]),
        (Retention(total_gb=0.000_002_5), ["2", "3", "4"]),
    ],
)
async def test_what_is_kept_no_longer_is_deleted_with_its_files(
    tmp_path: Path, retention: Retention, left: list[str]
) -> None:
    root = tmp_path / "recordings"
    root.mkdir()
    (tmp_path / "elsewhere").write_text("precious")
    store = await Store.open("sqlite://", master_key=b"master key of 32 bytes, or more..")
    for day in (1, 2, 3, 4):
        (root / f"{day}.mkv").write_bytes(bytes(1000))
        parts = [Part(file=f"{day}.mkv", started_ms=0, size=1000), Part(file="../elsewhere", started_ms=0)]
        ended_ms = day * DAY_MS if day < 4 else None  # the last one goes on
        await store.recordings.add(
            Entry(
                id=str(day),
                service="s",
                room="r",
                started_ms=day,
                ended_ms=ended_ms,
                container="mkv",
                audio="opus",
                video=None,
                parts=parts,
            )
        )
    archive = Archive(store, Storage(root), retention, lambda: 5.0 * DAY_MS / 1000)
    await archive.expire()
    assert sorted(path.stem for path in root.iterdir()) == left
    assert [entry.id for entry in await store.recordings.of("s")] == left
    assert (tmp_path / "elsewhere").read_text() == "precious"
    await store.close()
