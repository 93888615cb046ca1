"""What is to be uploaded: a small file for each, which the node writes and the uploader keeps up to date."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIX: Final = ".json"


class Destination(Struct, kw_only=True, frozen=True):
    """A bucket, and how it is reached: by AWS's own ways where ``endpoint`` and keys are empty."""

    bucket: str
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = ""
    part_bytes: int = 16 << 20


class Task(Struct, kw_only=True):
    """One file on its way. The rest is filled in as it is known; ``done``: the object was found to be the file.

    ``gone``: there is no file any more, and of the object no part.
    """

    recording: str
    part: int
    path: str
    key: str
    size: int = 0
    sha256: str = ""
    upload_id: str = ""
    part_bytes: int = 0
    done: bool = False
    gone: bool = False


class TaskFolder:
    """The tasks of a server. What is written is complete, whatever dies meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only uploader; wait until another one has gone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def put(self, task: Task) -> None:
        """Remember a task as it is now. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        final = self._path(task.recording, task.part)
        fresh = final.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(task))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(final)
        self._sync()

    def get(self, recording: str, part: int) -> Task | None:
        """The task of a part, counted from 1. Raises OSError."""
        try:
            return msgspec.json.decode(self._path(recording, part).read_bytes(), type=Task)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:  # it was not we who wrote that: begin anew
            return None

    def forget(self, recording: str, part: int) -> None:
        """Nothing is to be done for a part any more. Raises OSError."""
        self._path(recording, part).unlink(missing_ok=True)

    def all(self) -> Iterator[Task]:
        """Every task, the oldest recordings first. Raises OSError."""
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            recording, _, part = path.stem.partition("-")
            if part.isdigit() and (task := self.get(recording, int(part))) is not None:
                yield task

    def _path(self, recording: str, part: int) -> Path:
        return self.folder / f"{recording}-{part}{_SUFFIX}"

    def _sync(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
