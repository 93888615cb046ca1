"""What `palaver doctor` finds out: whether a server could run here, or how well the running one does.

Checks look and never change anything; each yields findings in the order in which a person wants them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from palaver.server import state

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


def examine(config: Config, data_dir: Path) -> list[Finding]:
    """Every finding about a server of this configuration and data directory."""
    from palaver.server import doctor_data, doctor_media, doctor_network, doctor_settings, doctor_system

    running, findings = None, []
    try:
        running = state.read(data_dir)
    except (OSError, msgspec.DecodeError) as error:
        findings.append(problem("server", f"{data_dir / state.FILE} cannot be read: {error}"))
    if running is not None and not running.alive:
        findings.append(
            warning(
                "server",
                f"a server (process {running.pid}) ended without cleaning up",
                "nothing to do: the next start does; its log may say why it ended",
            )
        )
        running = None
    patient = Patient(config, data_dir, running)
    for checks in (doctor_data, doctor_system, doctor_network, doctor_media, doctor_settings):
        for check in checks.CHECKS:
            findings += check(patient)
    return findings
