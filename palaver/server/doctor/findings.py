"""What a check gets and what it finds."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from palaver.server.config import Config
    from palaver.server.state import State


class Level(enum.StrEnum):
    """How bad it is: a warning works but not well or not safely, a problem does not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, and what to do about it."""

    check: str
    level: Level
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at. ``running`` is the state that a living server left."""

    config: Config
    data_dir: Path
    running: State | None


def ok(check: str, words: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, words)


def warning(check: str, words: str, hint: str = "") -> Finding:
    """It works, but."""
    return Finding(check, Level.WARNING, words, hint)


def problem(check: str, words: str, hint: str = "") -> Finding:
    """It does not work."""
    return Finding(check, Level.PROBLEM, words, hint)
