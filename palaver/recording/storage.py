"""Where recordings are kept: names that cannot lead out of their directory, free space, and what is kept how long."""

from __future__ import annotations

import os
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

FIELDS: Final = ("room", "id", "date", "time")
DEFAULT_PATTERN: Final = "{room}/{date}-{time}-{id}"
_UNSAFE: Final = re.compile(r"[^0-9A-Za-z._-]|^\.+")
_LONGEST: Final = 200  # bytes of a path, which every file system takes
_DAY_S: Final = 86_400.0
_GB: Final = 1_000_000_000


class OutsideError(ValueError):
    """A name that leads out of the directory of recordings."""


def check_pattern(pattern: str) -> None:
    """Raise ValueError, which says why, for a name pattern that gives no usable names."""
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(pattern)]
    except ValueError as error:
        raise ValueError(f"not a pattern: {error}") from None
    names = {name for name, _, _ in fields if name is not None}
    if unknown := sorted(names - set(FIELDS)):
        raise ValueError(f"unknown field {{{unknown[0]}}}: expected {', '.join(FIELDS)}")
    if any(spec or conversion for _, spec, conversion in fields):
        raise ValueError("fields take no format")
    if "id" not in names:
        raise ValueError("{id} is needed, so that no two recordings have the same name")
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError("a name is below the directory of recordings")


@dataclass(frozen=True, slots=True)
class Storage:
    """A directory. ``pattern`` names recordings in it; ``floor_bytes`` of its disk are left free."""

    directory: Path
    pattern: str = DEFAULT_PATTERN
    floor_bytes: int = 0

    def name(self, room: str, recording: str, begun: datetime) -> str:
        """The name of a recording, without its extension and relative to the directory. ``begun`` is UTC."""
        values = {
            "room": _plain(room),
            "id": _plain(recording),
            "date": begun.strftime("%Y%m%d"),
            "time": begun.strftime("%H%M%S"),
        }
        name = self.pattern.format_map(values)[:_LONGEST]
        self.resolve(name)
        return name

    def resolve(self, name: str) -> Path:
        """The place of a file, wherever links lead. Raises OutsideError."""
        root = self.directory.resolve()
        path = (root / name).resolve()
        if path == root or not path.is_relative_to(root):
            raise OutsideError(f"{name!r} leads out of the directory of recordings")
        return path

    @property
    def free_bytes(self) -> int:
        """Space that is left for anybody. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize


def part_name(name: str, part: int, container: str) -> str:
    """The file of a recording's part, counted from 1: the first has the recording's own name."""
    return f"{name}.{container}" if part == 1 else f"{name}.part{part}.{container}"


def _plain(text: str) -> str:
    return _UNSAFE.sub("_", text) or "_"


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording that has ended: when, in seconds since the epoch, and how large it is."""

    id: str
    ended_s: float
    size: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long recordings are kept and how much of them; 0: for ever, everything."""

    days: float = 0.0
    total_gb: float = 0.0

    def expired(self, recordings: Iterable[Kept], now_s: float) -> list[str]:
        """Those to be deleted, oldest first."""
        oldest_first = sorted(recordings, key=lambda one: one.ended_s)
        total = sum(one.size for one in oldest_first)
        gone = []
        for one in oldest_first:
            old = bool(self.days) and now_s - one.ended_s > self.days * _DAY_S
            large = bool(self.total_gb) and total > self.total_gb * _GB
            if not (old or large):
                break
            gone.append(one.id)
            total -= one.size
        return gone
