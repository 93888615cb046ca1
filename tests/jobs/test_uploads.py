"""What the node does about uploads: it asks for what has ended, and believes only what was verified."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from palaver.jobs.archive import Archive
from palaver.jobs.uploads import Uploads
from palaver.recording.index import Entry, Part
from palaver.recording.storage import Retention, Storage
from palaver.recording.upload_tasks import Destination, TaskFolder
from palaver.store import Store


class House:
    """A store with one recording of two parts that has ended, and one that goes on."""

    def __init__(self, store: Store, directory: Path, *, delete_local: bool = True) -> None:
        self.store, self.files = store, directory / "recordings"
        self.storage, self.folder = Storage(self.files), TaskFolder(directory / "uploads")
        self.uploads = Uploads(
            store,
            self.storage,
            self.folder,
            Destination(bucket="meetings"),
            prefix="all/",
            delete_local=delete_local,
        )

    async def entry(self) -> Entry:
        found = await self.store.recordings.get("42")
        assert found is not None
        return found

    def uploaded(self, number: int) -> None:
        """As the uploader says it."""
        task = self.folder.get("42", number)
        assert task is not None
        task.done = True
        self.folder.put(task)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = await Store.open("sqlite://", master_key=b"master key of 32 bytes, or more..")
    (tmp_path / "recordings").mkdir()
    for recording, ended_ms in (("42", 5000), ("43", None)):
        parts = [Part(file=f"{recording}.{number}.mkv", started_ms=1) for number in (1, 2)]
        for part in parts:
            (tmp_path / "recordings" / part.file).write_bytes(b"x")
        await store.recordings.add(
            Entry(
                id=recording,
                service="s",
                room="r",
                started_ms=1,
                ended_ms=ended_ms,
                container="mkv",
                audio="opus",
                video=None,
                parts=parts,
            )
        )
    yield House(store, tmp_path)
    await store.close()


async def test_what_has_ended_is_asked_for_once(house: House) -> None:
    for _ in range(2):
        await house.uploads.look()
        tasks = list(house.folder.all())
        assert [(task.recording, task.part, task.key) for task in tasks] == [
            ("42", 1, "all/42.1.mkv"),
            ("42", 2, "all/42.2.mkv"),
        ]
    assert house.uploads.stats()["waiting"] == 1


async def test_a_file_is_deleted_once_its_object_is_known_and_not_before(house: House) -> None:
    await house.uploads.look()
    house.uploaded(1)
    await house.uploads.look()
    first, second = (await house.entry()).parts
    assert (first.object, second.object) == ("s3://meetings/all/42.1.mkv", "")
    assert sorted(path.name for path in house.files.iterdir()) == ["42.2.mkv", "43.1.mkv", "43.2.mkv"]
    house.uploaded(2)
    await house.uploads.look()
    assert list(house.folder.all()) == []
    assert house.uploads.stats() == {"waiting": 0, "done_total": 2, "failed_total": 0, "bytes_total": 0}


async def test_a_server_that_died_in_between_takes_over_later(house: House, tmp_path: Path) -> None:
    await house.uploads.look()
    house.uploaded(1)
    house.uploaded(2)
    after = House(house.store, tmp_path, delete_local=False)
    await after.uploads.look()
    assert [part.object for part in (await house.entry()).parts] == [
        "s3://meetings/all/42.1.mkv",
        "s3://meetings/all/42.2.mkv",
    ]
    assert len(list(house.files.iterdir())) == 4


async def test_a_file_that_is_gone_is_not_waited_for(house: House) -> None:
    (house.files / "42.1.mkv").unlink()
    await house.uploads.look()
    task = house.folder.get("42", 2)
    assert task is not None
    task.gone = True
    house.folder.put(task)
    await house.uploads.look()
    assert [part.lost for part in (await house.entry()).parts] == [True, True]
    assert house.uploads.stats()["waiting"] == 0


async def test_a_recording_that_was_deleted_is_forgotten_when_nothing_is_left_of_it(house: House) -> None:
    await house.uploads.look()
    await house.store.recordings.delete("42")
    await house.uploads.look()
    assert len(list(house.folder.all())) == 2  # the uploader ends what it began
    house.uploaded(1)
    house.uploaded(2)
    await house.uploads.look()
    assert list(house.folder.all()) == []


async def test_what_is_not_uploaded_yet_does_not_expire(house: House) -> None:
    archive = Archive(house.store, house.storage, Retention(days=1), lambda: 1e9, needed=Uploads.pending)
    await archive.expire()
    assert (house.files / "42.1.mkv").exists()
    await house.uploads.look()
    for number in (1, 2):
        house.uploaded(number)
    await house.uploads.look()
    await archive.expire()
    assert await house.store.recordings.get("42") is None
