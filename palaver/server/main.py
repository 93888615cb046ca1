"""The command line: `palaver serve`, `keys`, `token`, `doctor`, `version`, and a group for each noun of the API.

Heavy parts are imported where they are needed, so that a short command answers quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from palaver import __version__
from palaver.server.commands import (
    analytics,
    calls,
    doctor,
    invites,
    participants,
    recordings,
    rooms,
    streaming_ins,
    streaming_outs,
    streams,
    webhooks,
)
from palaver.server.commands.connect import asking, existing, room_called
from palaver.server.commands.shared import (
    DEFAULT_DATA,
    AsJson,
    ConfigFile,
    DataDir,
    SuperKeyFile,
    configuration,
    fail,
    secret_in,
)

if TYPE_CHECKING:
    from palaver.client import Palaver
    from palaver.server.config import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A WebRTC conference server.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def palaver(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """A WebRTC conference server."""


app.add_typer(rooms.app, name="rooms")
app.add_typer(participants.app, name="participants")
app.add_typer(streams.app, name="streams")
app.add_typer(streaming_ins.app, name="streaming-ins")
app.add_typer(calls.app, name="calls")
app.add_typer(streaming_outs.app, name="streaming-outs")
app.add_typer(recordings.app, name="recordings")
app.command()(invites.invite)
app.add_typer(invites.app, name="invites")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(analytics.app, name="analytics")
app.command()(webhooks.events)
app.command()(doctor.doctor)


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
    super_key: Annotated[
        str | None,
        typer.Option(help="Key of the super service; others can read it in the list of processes."),
    ] = None,
    super_key_file: SuperKeyFile = None,
) -> None:
    """Run the server. Without any option: for this machine only, with data in ./palaver-data."""
    if super_key_file is not None:
        super_key = secret_in(super_key_file, "--super-key-file")
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


@app.command()
def keys(
    data_dir: DataDir = DEFAULT_DATA,
    config: ConfigFile = None,
    as_json: AsJson = False,
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
@asking
def token(
    api: Palaver,
    room: Annotated[str, typer.Option(help="Id or name of a room.")],
    user: Annotated[str, typer.Option(help="The application's name for who joins.")],
    role: Annotated[str, typer.Option(help="One of the room's roles.")] = "presenter",
    create: Annotated[
        bool, typer.Option("--create", help="Make the room if there is none of this name.")
    ] = False,
    reusable: Annotated[
        bool, typer.Option("--reusable", help="Good more than once, for WHIP and WHEP.")
    ] = False,
    ttl_s: Annotated[
        int | None, typer.Option("--ttl", help="Seconds that it is valid, with --reusable.")
    ] = None,
) -> None:
    """Make a token with which a client joins a room."""
    if ttl_s is not None and not reusable:
        fail("--ttl needs --reusable", 2)
    if create and all(room not in (one.id, one.name) for one in api.rooms.list()):
        where = api.rooms.create(room).id
    else:
        where = room_called(api, room, "; --create makes it").id
    typer.echo(api.tokens.create(where, user, role, reusable=reusable, ttl_s=ttl_s))


@app.command()
def version() -> None:
    """Show the version."""
    typer.echo(__version__)


def run() -> None:
    """The command `palaver`."""
    app(prog_name="palaver")


if __name__ == "__main__":
    run()
