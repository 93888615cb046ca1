"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec
import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDTH_OF_PIPES = 200


def print_json(value: Any) -> None:
    """``value`` as the management API writes it, indented."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_made(made: Any, *, as_json: bool) -> None:
    """What was made: its id alone, or all of it."""
    if as_json:
        print_json(made)
    else:
        typer.echo(made.id)


def print_line(value: Any) -> None:
    """``value`` as JSON in one line, at once."""
    typer.echo(msgspec.json.encode(value).decode())
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table as wide as the terminal. What strangers named cannot command the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    width = None if sys.stdout.isatty() else _WIDTH_OF_PIPES
    Console(width=width, highlight=False).print(table)


def plain(value: object) -> str:
    """``value`` as text without control characters."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(value))
