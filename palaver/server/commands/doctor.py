"""`palaver doctor`: what is in the way of a good conference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from palaver.server.commands.output import plain, print_json
from palaver.server.commands.shared import (
    DEFAULT_DATA,
    AsJson,
    ConfigFile,
    DataDir,
    read_configuration,
)
from palaver.server.config import Config, ConfigError

if TYPE_CHECKING:
    from palaver.server.doctor.findings import Finding

_COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "problem": typer.colors.RED}


def doctor(data_dir: DataDir = DEFAULT_DATA, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Look at configuration, data, ports, certificate and limits, and at the running server. Changes nothing.

    Ends with 1 if there is a problem, with 0 if there are warnings at most.
    """
    from palaver.server.doctor.examine import examine
    from palaver.server.doctor.findings import Level, ok, problem

    try:
        settings, findings = read_configuration(config, {}), [ok("configuration", "can be read")]
    except ConfigError as error:
        findings = [problem("configuration", str(error), "the checks that follow use the defaults")]
        settings = Config()
    findings += examine(settings, data_dir)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            _print(finding)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


def _print(finding: Finding) -> None:
    level = typer.style(f"{finding.level:8}", fg=_COLOURS[finding.level])
    typer.echo(f"{level}{finding.check}: {plain(finding.words)}")
    if finding.hint:
        typer.echo(f"{'':8}→ {plain(finding.hint)}")
