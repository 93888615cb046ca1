"""What commands share: their common options, how they end, and the configuration they read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from palaver.server.config import Config, ConfigError, Settings, load

DEFAULT_DATA = Path("palaver-data")
DEFAULT_CONFIG = Path("palaver.toml")

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar="PALAVER_DATA_DIR", help="Directory of everything the server keeps."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", envvar="PALAVER_CONFIG", help="Settings; default: palaver.toml, if there."),
]
SuperKeyFile = Annotated[Path | None, typer.Option("--super-key-file", help="File with that key.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


def fail(message: object, code: int = 1) -> NoReturn:
    """End with a message for people."""
    typer.echo(f"palaver: {message}", err=True)
    raise typer.Exit(code)


def warn(message: str) -> None:
    """Tell people something that does not keep the command from its work."""
    typer.echo(f"palaver: {message}", err=True)


def read_configuration(file: Path | None, flags: Settings) -> Config:
    """The configuration. Raises ConfigError."""
    if file is None and DEFAULT_CONFIG.is_file():
        file = DEFAULT_CONFIG
    return load(file, os.environ, flags, warn)


def configuration(file: Path | None, flags: Settings) -> Config:
    """The configuration, or the end with a message (exit code 2)."""
    try:
        return read_configuration(file, flags)
    except ConfigError as error:
        fail(error, 2)


def secret_in(file: Path, option: str) -> str:
    """The secret that a file holds, without the end of its line, or the end with a message."""
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{option} {file}: {getattr(error, 'strerror', None) or error}", 2)
