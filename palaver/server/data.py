"""The data directory: who may use it now, and the secrets that outlive a restart."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRETS_FILE: Final = "secrets.json"
_PROBE: Final = ".writable"
_PROBE_BYTES: Final = 65_536


class DataError(Exception):
    """The data directory cannot be used; the text says why and where."""


Key = Annotated[str, msgspec.Meta(pattern="^([0-9a-fA-F]{2}){32,}$")]


class Secrets(msgspec.Struct, frozen=True):
    """Random keys as hex: of the store, of tokens, of reconnection tickets, of the page's cookies."""

    master: Key
    tokens: Key
    tickets: Key
    cookies: Key


class Account(msgspec.Struct, frozen=True):
    """A service's id and its key in clear."""

    id: str
    key: str


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A directory of ours, mode 0700, with files of mode 0600."""

    path: Path
    secrets: Secrets = field(repr=False)

    @property
    def database_url(self) -> str:
        """SQLite in this directory."""
        return f"sqlite:///{self.path / 'palaver.db'}"

    def try_writing(self) -> None:
        """Write some bytes into it, as a look whether that is possible. Raises OSError."""
        descriptor = os.open(self.path / _PROBE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(bytes(_PROBE_BYTES))


def open_directory(path: Path) -> DataDirectory:
    """The directory with its secrets, made where they do not exist, closed to others. Raises DataError."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(path)
        return DataDirectory(path, _secrets(path / SECRETS_FILE))
    except OSError as error:
        raise DataError(f"data directory {path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"data directory {path}: {SECRETS_FILE} is damaged: {error}") from error


def _close_to_others(path: Path) -> None:
    """Take the rights of others away from the directory and the files in it. Raises DataError, OSError."""
    for one in (path, *path.iterdir()):
        with contextlib.suppress(FileNotFoundError):  # SQLite's and our own temporary files go away
            _close(one, directory=one == path)


def _close(path: Path, *, directory: bool) -> None:
    mode = path.lstat().st_mode
    if not mode & 0o077 or not (directory or stat.S_ISREG(mode)):
        return
    try:
        path.chmod(0o700 if directory else 0o600)
    except PermissionError:  # it is another's, whose group may be how we may use it
        if mode & 0o007:
            raise DataError(f"{path} is open to everybody and not ours to change: chmod o= it") from None


def _secrets(file: Path) -> Secrets:
    with contextlib.suppress(FileNotFoundError):
        return msgspec.json.decode(file.read_bytes(), type=Secrets)
    made = Secrets(*(secrets.token_hex(32) for _ in Secrets.__struct_fields__))
    write_private(file, msgspec.json.encode(made))
    return msgspec.json.decode(file.read_bytes(), type=Secrets)


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only we may read, whole or not at all; an existing one is kept. Raises OSError."""
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):  # another start of ours was quicker
            os.link(fresh, file)
    finally:
        fresh.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(directory: DataDirectory) -> Iterator[None]:
    """Hold the directory for one server. Raises DataError while another has it."""
    file = directory.path / "server.lock"
    try:
        stream = file.open("a")
    except OSError as error:
        raise DataError(f"data directory {directory.path}: {error.strerror or error}") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"data directory {directory.path}: another palaver serve uses it") from error
        yield
