"""`palaver analytics`: the algorithms there are, a new plugin, and one run on a file without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from palaver.server.commands.output import print_json, print_table
from palaver.server.commands.shared import AsJson, ConfigFile, configuration, fail, warn

if TYPE_CHECKING:
    from palaver.analytics.found import Algorithm

app = typer.Typer(no_args_is_help=True, help="Algorithms that see and hear streams.")

Paths = Annotated[
    list[Path] | None,
    typer.Option(
        "--path", help="Folder or file with plugins, beside those of analytics.path.", metavar="PATH"
    ),
]


@app.command("list")
def list_algorithms(config: ConfigFile = None, path: Paths = None, as_json: AsJson = False) -> None:
    """List the algorithms that the server would find, and the plugins that cannot be used."""
    from palaver.analytics.found import search  # loads NumPy, which other commands need not wait for

    found, broken = search(_paths(config, path))
    shown = [found[name] for name in sorted(found)]
    if as_json:
        print_json([_described(one) for one in shown])
    else:
        print_table(
            ("NAME", "PARAMETERS", "FROM", "DOES"),
            ((one.kind.name, " ".join(one.kind.parameters()), one.origin, one.doc) for one in shown),
        )
    for bad in broken:
        warn(f"{bad.origin} cannot be used: {bad.error.splitlines()[-1]}")


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What the algorithm is called: lower case, digits and '-'.")],
    directory: Annotated[
        Path | None, typer.Option("--directory", help="Where to write it.  [default: ./NAME]", metavar="PATH")
    ] = None,
) -> None:
    """Write a package with an algorithm and its test."""
    from palaver.analytics.template import NameRefused, write_package

    folder = directory or Path(name)
    try:
        files = write_package(name, folder)
    except (NameRefused, OSError) as error:
        fail(error if isinstance(error, NameRefused) else f"{folder}: {error.strerror or error}")
    for one in files:
        typer.echo(one)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="Name of an algorithm, or another name of it.")],
    file: Annotated[Path, typer.Option("--file", help="Any file that FFmpeg reads.", metavar="FILE")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to draw what it saw.  [default: FILE-NAME.mp4]", metavar="FILE"),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="A parameter, such as threshold=0.1; may be repeated.", metavar="NAME=VALUE"
        ),
    ] = None,
    config: ConfigFile = None,
    path: Paths = None,
    as_json: AsJson = False,
) -> None:
    """Run an algorithm on a file, without a server: print what it tells, and draw it into a copy."""
    from palaver.analytics.found import UnknownAlgorithm, find
    from palaver.analytics.on_file import NotUsable, run_on_file
    from palaver.analytics.plugin import BadAnalyzer, BadParameters
    from palaver.server.analytics import aliases

    settings = configuration(config, {}).analytics
    try:
        algorithm = find(aliases(settings.aliases).get(name, name), _paths(config, path))
        analyzer = algorithm.kind.made(_parameters(parameter or []))
    except (UnknownAlgorithm, BadParameters, BadAnalyzer, ValueError) as error:
        fail(error)
    drawn = out or file.with_name(f"{file.stem}-{algorithm.kind.name}.mp4")
    if drawn.resolve() == file.resolve():
        fail(f"--out {drawn}: is the file itself")
    analyzer.start()
    try:
        for told in run_on_file(analyzer, file, drawn):
            seen = {"time": round(told.time, 3), "name": told.seen.name, "data": told.seen.data}
            if as_json:
                typer.echo(msgspec.json.encode(seen))
            else:
                data = " ".join(f"{key}={value}" for key, value in told.seen.data.items())
                typer.echo(f"{told.time:9.3f} s  {told.seen.name}  {data}".rstrip())
    except NotUsable as error:
        fail(error)
    if drawn.exists() and not as_json:
        typer.echo(f"drawn into {drawn}", err=True)


def _paths(config: Path | None, more: list[Path] | None) -> list[str]:
    settings = configuration(config, {}).analytics
    return [*(str(one) for one in more or []), *settings.path]


def _parameters(written: list[str]) -> dict[str, Any]:
    """Parameters of ``name=value``; a value is JSON or, if it is none, text. Raises ValueError."""
    found: dict[str, Any] = {}
    for one in written:
        name, equals, value = one.partition("=")
        if not equals:
            raise ValueError(f"--set {one}: expected NAME=VALUE")
        try:
            found[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found


def _described(one: Algorithm) -> dict[str, Any]:
    return {
        "name": one.kind.name,
        "origin": one.origin,
        "description": one.doc,
        "parameters": msgspec.json.schema(one.kind.shape()),
    }
