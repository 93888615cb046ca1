"""What a running server leaves in its data directory for the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "server.json"


class State(msgspec.Struct, frozen=True):
    """Where the server is: its URL, its process, its certificate, and where its media listens."""

    url: str
    pid: int
    certificate: str | None
    media_addresses: tuple[str, ...] = ()
    media_ports: tuple[int, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether that process is there still."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def write(directory: Path, state: State) -> None:
    """Leave ``state``. Raises OSError."""
    (directory / FILE).write_bytes(msgspec.json.encode(state))


def read(directory: Path) -> State | None:
    """The state that was left, or None. Raises OSError, msgspec.DecodeError."""
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=State)
    except FileNotFoundError:
        return None


def forget(directory: Path) -> None:
    """Take it away."""
    (directory / FILE).unlink(missing_ok=True)
