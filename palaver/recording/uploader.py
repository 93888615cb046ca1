"""The process that uploads finished files to S3 or what speaks its language, one after the other, until all are there.

``python -m palaver.recording.uploader FOLDER``: a line of JSON on its standard input says where to; it ends with that.
What happens to each task is told in lines of JSON on its standard output. It may be killed at any moment: another one
goes on with the parts that are there, and uploads nothing twice.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from palaver.backoff import Backoff
from palaver.recording.upload_tasks import Destination, Task, TaskFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_PART: Final = 5 << 20
"""Bytes that S3 wants of every part but the last."""
_MOST_PARTS: Final = 10_000
_LOOK_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 300.0
_CONNECT_S: Final = 10.0
_READ_S: Final = 60.0
_BLOCK: Final = 1 << 20
_NO_LIST: Final = frozenset({"NoSuchUpload", "NotImplemented"})
"""What servers answer that have no list of uploads, or none yet."""


class Told(Struct, kw_only=True):
    """What became of a task: it is ``done``, or it failed for that reason and is tried again."""

    recording: str
    part: int
    done: bool = False
    reason: str = ""


class Gone(Exception):
    """The file of a task is not there any more."""


class Mismatch(Exception):
    """What is in the bucket is not the file."""


class Uploader:
    """Uploads the tasks of a folder."""

    def __init__(self, folder: TaskFolder, destination: Destination, client: Any) -> None:
        self._folder, self._to, self._client = folder, destination, client
        self._pauses: dict[tuple[str, int], tuple[float, Backoff]] = {}  # until when, and how long next

    def look(self) -> Iterator[Told]:
        """Try every task whose turn it is."""
        import botocore.exceptions as faults

        for task in list(self._folder.all()):
            name = (task.recording, task.part)
            until, backoff = self._pauses.get(name) or (0.0, Backoff(most_s=_LONGEST_PAUSE_S))
            if task.done or task.gone or time.monotonic() < until:
                continue
            try:
                self._upload(task)
            except (faults.BotoCoreError, faults.ClientError, OSError, Mismatch, Gone) as failure:
                self._pauses[name] = (time.monotonic() + backoff.after(), backoff)
                yield Told(recording=task.recording, part=task.part, reason=str(failure))
            else:
                self._pauses.pop(name, None)
                yield Told(recording=task.recording, part=task.part, done=True)

    def _upload(self, task: Task) -> None:
        path = Path(task.path)
        if not path.is_file():
            self._abort(task)
            task.gone = True
            self._folder.put(task)
            raise Gone(f"{task.path} is not there any more")
        if not task.sha256:
            self._measure(task, path)
        if not self._is_there(task):
            if not task.upload_id:
                self._begin(task)
            self._send(task, path)
            if not self._is_there(task):
                raise Mismatch(f"{task.key} in the bucket is not the file {task.path}")
        self._abort(task)  # one that another process began and could not remember
        task.done = True
        self._folder.put(task)

    def _measure(self, task: Task, path: Path) -> None:
        """Settle what the file is and how it is divided, whatever the settings become later."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        task.size, task.sha256 = path.stat().st_size, digest.hexdigest()
        task.part_bytes = max(self._to.part_bytes, LEAST_PART, -(-task.size // _MOST_PARTS))
        self._folder.put(task)

    def _is_there(self, task: Task) -> bool:
        """Whether the object is the file: its size, and the hash that was given with it."""
        import botocore.exceptions as faults

        try:
            found = self._client.head_object(Bucket=self._to.bucket, Key=task.key)
        except faults.ClientError as refused:
            if refused.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return False
            raise
        # Some servers write names of metadata as those of headers.
        given = {name.lower(): value for name, value in found["Metadata"].items()}
        same: bool = found["ContentLength"] == task.size and given.get("sha256") == task.sha256
        return same

    # ── in parts ────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, task: Task) -> None:
        """An upload; one of the same name that a process before us began is not forgotten, but ended."""
        self._abort(task)
        begun = self._client.create_multipart_upload(
            Bucket=self._to.bucket, Key=task.key, Metadata={"sha256": task.sha256}
        )
        task.upload_id = begun["UploadId"]
        self._folder.put(task)

    def _send(self, task: Task, path: Path) -> None:
        """Send what is missing, and put it together."""
        which = {"Bucket": self._to.bucket, "Key": task.key, "UploadId": task.upload_id}
        known = self._known(task)
        parts = []
        with path.open("rb") as file:
            for number in range(1, max(-(-task.size // task.part_bytes), 1) + 1):
                body = file.read(task.part_bytes)
                tag = known.get(number)
                # S3 keeps no secret about what it has: the tag of a part is the MD5 of it.
                if tag is None or tag.strip('"') != _md5(body).hex():
                    sent = self._client.upload_part(
                        **which,
                        PartNumber=number,
                        Body=body,
                        ContentMD5=base64.b64encode(_md5(body)).decode(),
                    )
                    tag = sent["ETag"]
                parts.append({"PartNumber": number, "ETag": tag})
        self._client.complete_multipart_upload(**which, MultipartUpload={"Parts": parts})

    def _known(self, task: Task) -> dict[int, str]:
        """The parts that are there, by number; an upload that is gone begins anew."""
        import botocore.exceptions as faults

        pages = self._client.get_paginator("list_parts")
        try:
            found = pages.paginate(Bucket=self._to.bucket, Key=task.key, UploadId=task.upload_id)
            return {part["PartNumber"]: part["ETag"] for page in found for part in page.get("Parts", ())}
        except faults.ClientError as refused:
            if refused.response.get("Error", {}).get("Code") == "NoSuchUpload":
                task.upload_id = ""
                self._folder.put(task)
            raise

    def _abort(self, task: Task) -> None:
        """End uploads of this key that are not complete, where the server can tell which there are."""
        import botocore.exceptions as faults

        pages = self._client.get_paginator("list_multipart_uploads")
        try:
            found = list(pages.paginate(Bucket=self._to.bucket, Prefix=task.key))
        except faults.ClientError as refused:
            if refused.response.get("Error", {}).get("Code") in _NO_LIST:
                return
            raise
        for one in (upload for page in found for upload in page.get("Uploads", ())):
            if one["Key"] == task.key:
                which = {"Bucket": self._to.bucket, "Key": task.key, "UploadId": one["UploadId"]}
                self._client.abort_multipart_upload(**which)


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def client(to: Destination) -> Any:
    """boto3's client; checksums that other servers refuse are only sent where they are required."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "max_attempts": 2},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if to.endpoint else {},
    )
    return boto3.client(
        "s3",
        endpoint_url=to.endpoint or None,
        region_name=to.region or None,
        aws_access_key_id=to.access_key or None,
        aws_secret_access_key=to.secret_key or None,
        config=config,
    )


def main(folder: str) -> None:
    """Upload until the standard input ends, which it does with the node: then leave at once, whatever is under way."""
    first = sys.stdin.buffer.readline()
    to = msgspec.json.decode(first, type=Destination)
    threading.Thread(target=_leave_with_node, daemon=True).start()
    tasks = TaskFolder(Path(folder))
    with tasks.locked():
        uploader = Uploader(tasks, to, client(to))
        while True:
            for told in uploader.look():
                sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
                sys.stdout.buffer.flush()
            time.sleep(_LOOK_S)


def _leave_with_node() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
