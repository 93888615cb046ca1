"""The command line: `palaver serve`, `keys`, `token`, `version`.

Heavy parts are imported where they are needed, so that a short command answers quickly.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from palaver import __version__
from palaver.server.config import Config, ConfigError, Settings, load

if TYPE_CHECKING:
    from palaver.server.data import DataDirectory

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A WebRTC conference server.",
)

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar="PALAVER_DATA_DIR", help="Directory of everything the server keeps."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", envvar="PALAVER_CONFIG", help="Settings; default: palaver.toml, if there."),
]
DEFAULT_DATA = Path("palaver-data")
DEFAULT_CONFIG = Path("palaver.toml")


def fail(message: object, code: int = 1) -> NoReturn:
    """End with a message for people."""
    typer.echo(f"palaver: {message}", err=True)
    raise typer.Exit(code)


def configuration(file: Path | None, flags: Settings) -> Config:
    """The configuration, or the end with a message (exit code 2)."""
    if file is None and DEFAULT_CONFIG.is_file():
        file = DEFAULT_CONFIG
    try:
        return load(file, os.environ, flags)
    except ConfigError as error:
        fail(error, 2)


def given(**values: Any) -> dict[str, Any]:
    """The flags that were set."""
    return {name: value for name, value in values.items() if value is not None}


@app.command()
def serve(
    data_dir: DataDir = DEFAULT_DATA,
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port of REST, portal and page.  [default: 3000]")] = None,
    media_port: Annotated[int | None, typer.Option(help="First port of media.  [default: 50000]")] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Let people at the page join without a token.")
    ] = False,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="No TLS: a proxy in front of us ends it.")
    ] = False,
    tls_cert: Annotated[str | None, typer.Option(help="PEM file of the certificate.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file of its key.")] = None,
    super_id: Annotated[str | None, typer.Option(help="Id of the super service.")] = None,
    super_key: Annotated[str | None, typer.Option(help="Key of the super service.")] = None,
) -> None:
    """Run the server. Without any option: for this machine only, with data in ./palaver-data."""
    flags: Settings = {
        "http": given(host=host, port=port, tls_cert=tls_cert, tls_key=tls_key, plain=plain_http or None),
        "media": given(port=media_port),
        "page": given(demo=demo or None),
        "service": given(super_id=super_id, super_key=super_key),
    }
    settings = configuration(config, flags)
    from palaver.server.startup import quick_imports

    with quick_imports():
        from palaver.server import compose  # noqa: F401  # run_server needs it; here it comes quickly
        from palaver.server.run import run_server

    raise typer.Exit(run_server(settings, data_dir, fail))


def existing(data_dir: Path) -> DataDirectory:
    """A data directory that a server has used, or the end with a message."""
    from palaver.server.data import DataError, open_directory

    if not data_dir.is_dir():
        fail(
            f"data directory {data_dir.absolute()} does not exist: start the server once, or name it by --data-dir"
        )
    try:
        return open_directory(data_dir)
    except DataError as error:
        fail(error)


@app.command()
def keys(
    data_dir: DataDir = DEFAULT_DATA,
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show the ids and keys of the super and the sample service."""
    from palaver.server.run import read_accounts

    found = read_accounts(configuration(config, {}), existing(data_dir), fail)
    if as_json:
        import json

        typer.echo(json.dumps({name: {"id": one.id, "key": one.key} for name, one in found.items()}))
        return
    for name, one in found.items():
        typer.echo(f"{name:8}id   {one.id}\n{'':8}key  {one.key}")


@app.command()
def token(
    room: Annotated[str, typer.Option(help="Id or name of a room of the sample service.")],
    user: Annotated[str, typer.Option(help="The application's name for who joins.")],
    role: Annotated[str, typer.Option(help="One of the room's roles.")] = "presenter",
    create: Annotated[
        bool, typer.Option("--create", help="Make the room if there is none of this name.")
    ] = False,
    data_dir: DataDir = DEFAULT_DATA,
    config: ConfigFile = None,
) -> None:
    """Make a token with which a client joins a room of the running server."""
    from palaver.client import PalaverError
    from palaver.server.run import api_of

    try:
        with api_of(configuration(config, {}), existing(data_dir), fail) as api:
            found = next((one.id for one in api.rooms.list() if room in (one.id, one.name)), None)
            if found is None and not create:
                fail(f"no room of the sample service is called {room}; --create makes it")
            made = api.tokens.create(found or api.rooms.create(room).id, user, role)
    except PalaverError as error:
        fail(error)
    typer.echo(made)


@app.command()
def version() -> None:
    """Show the version."""
    typer.echo(__version__)


def run() -> None:
    """The command `palaver`."""
    app(prog_name="palaver")


if __name__ == "__main__":
    run()
