"""Files reach a bucket, whatever happens to the uploader."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from palaver.recording.upload_tasks import Task, TaskFolder
from palaver.recording.uploader import Uploader
from palaver.recording.uploader import client as new_client
from tests.recording.bucket import NAME, Bucket, Uploading, bucket

KILLS = int(os.environ.get("PALAVER_KILLS", "0"))
# Requests of a file of three parts: is it there; unfinished ones; begin; which parts; three parts; complete; is it
# there; unfinished ones.
MOMENTS = [(number, when) for number in range(10) for when in ("before", "after")]
TRIED = [(2, "after"), (7, "after")]


@pytest.fixture(scope="module")
def target() -> Iterator[Bucket]:
    with bucket() as one:
        yield one


def one_by_itself(tmp_path: Path, target: Bucket) -> Uploading:
    return Uploading(tmp_path, target, f"{tmp_path.name}.mkv")


def test_a_file_is_uploaded_in_parts_and_known_to_be_the_same(tmp_path: Path, target: Bucket) -> None:
    uploading, before = one_by_itself(tmp_path, target), len(target.requests)
    uploading.until_done()
    assert target.requests[before:] == [
        "HEAD",
        "GET",
        "POST",
        "GET",
        "PUT",
        "PUT",
        "PUT",
        "POST",
        "HEAD",
        "GET",
    ]
    uploading.check()


@pytest.mark.parametrize(("number", "when"), TRIED)
def test_an_uploader_that_is_killed_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, target: Bucket, number: int, when: str
) -> None:
    uploading = one_by_itself(tmp_path, target)
    assert uploading.killed_at(number, when)
    uploading.until_done()
    uploading.check()


@pytest.mark.skipif(not KILLS, reason="PALAVER_KILLS says how often; see make soak")
@pytest.mark.timeout(3600)
def test_many_kills(tmp_path: Path, target: Bucket) -> None:
    chance = random.Random(7)
    for kill in range(KILLS):
        directory = tmp_path / str(kill)
        directory.mkdir()
        uploading = Uploading(directory, target, f"soak-{kill}.mkv")
        for _ in range(chance.randint(1, 3)):
            uploading.killed_at(*MOMENTS[chance.randrange(len(MOMENTS))])
        uploading.until_done()
        uploading.check()
        uploading.path.unlink()


def test_parts_that_are_there_are_not_sent_again(tmp_path: Path, target: Bucket) -> None:
    uploading = one_by_itself(tmp_path, target)
    assert uploading.killed_at(5, "after")
    before = len(target.requests)
    uploading.until_done()
    assert target.requests[before:].count("PUT") == 1
    uploading.check()


class Here:
    """An uploader in this process."""

    def __init__(self, tmp_path: Path, target: Bucket, content: bytes) -> None:
        self.path, self.key = tmp_path / "it.mkv", f"here/{tmp_path.name}"
        self.path.write_bytes(content)
        self.folder = TaskFolder(tmp_path / "uploads")
        self.folder.put(Task(recording="42", part=1, path=str(self.path), key=self.key))
        self.uploader = Uploader(self.folder, target.to, target.client)


def test_an_upload_that_the_bucket_has_forgotten_begins_anew(tmp_path: Path, target: Bucket) -> None:
    here = Here(tmp_path, target, b"x" * 1000)
    (task,) = here.folder.all()
    task.upload_id = "forgotten"
    here.folder.put(task)
    (told,) = here.uploader.look()
    assert "NoSuchUpload" in told.reason
    assert list(here.uploader.look()) == []  # it is tried again later
    here.uploader._pauses.clear()
    (told,) = here.uploader.look()
    assert (told.done, told.reason) == (True, "")
    assert target.client.get_object(Bucket=NAME, Key=here.key)["Body"].read() == b"x" * 1000


def test_another_object_of_that_name_is_not_taken_for_the_file(tmp_path: Path, target: Bucket) -> None:
    here = Here(tmp_path, target, b"mine")
    target.client.put_object(Bucket=NAME, Key=here.key, Body=b"your")
    (told,) = here.uploader.look()
    assert told.done
    assert target.client.get_object(Bucket=NAME, Key=here.key)["Body"].read() == b"mine"


def test_a_file_that_is_gone_leaves_nothing_in_the_bucket(tmp_path: Path, target: Bucket) -> None:
    here = Here(tmp_path, target, b"x")
    target.client.create_multipart_upload(Bucket=NAME, Key=here.key)
    here.path.unlink()
    (told,) = here.uploader.look()
    assert "not there any more" in told.reason
    assert target.unfinished() == []
    assert [task.gone for task in here.folder.all()] == [True]


def test_a_bucket_that_does_not_exist_is_told(tmp_path: Path, target: Bucket) -> None:
    here = Here(tmp_path, target, b"x")
    here.uploader._to = type(target.to)(bucket="none")
    (told,) = here.uploader.look()
    assert "bucket" in told.reason.lower()
    assert here.path.exists()


def test_an_empty_file_is_uploaded_too(tmp_path: Path, target: Bucket) -> None:
    here = Here(tmp_path, target, b"")
    (told,) = here.uploader.look()
    assert told.done


def test_a_task_file_that_makes_no_sense_is_none(tmp_path: Path) -> None:
    folder = TaskFolder(tmp_path)
    (tmp_path / "42-1.json").write_text("{")
    (tmp_path / "42-x.json").write_text("{}")
    assert list(folder.all()) == []


def test_a_server_that_lists_no_uploads_and_writes_names_in_capitals_is_understood(
    tmp_path: Path, target: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path, target, b"x" * 100)

    def answer(parsed: dict[str, Any], **_: Any) -> None:
        if "Metadata" in parsed:
            parsed["Metadata"] = {name.title(): value for name, value in parsed["Metadata"].items()}

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "NoSuchUpload"}}, "ListMultipartUploads")

    client = here.uploader._client = new_client(target.to)
    client.meta.events.register("after-call.s3.HeadObject", answer)
    client.meta.events.register("before-call.s3.ListMultipartUploads", refuse)
    (told,) = here.uploader.look()
    assert (told.done, told.reason) == (True, "")
