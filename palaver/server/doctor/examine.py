"""Runs every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from palaver.server import state
from palaver.server.doctor import data, media, network, phones, settings, system
from palaver.server.doctor.findings import Finding, Patient, problem, warning

if TYPE_CHECKING:
    from pathlib import Path

    from palaver.server.config import Config


def examine(config: Config, data_dir: Path) -> list[Finding]:
    """Every finding about a server of this configuration and data directory."""
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
    for checks in (data, system, network, media, phones, settings):
        for check in checks.CHECKS:
            findings += check(patient)
    return findings
