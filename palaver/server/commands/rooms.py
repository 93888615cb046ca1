"""`palaver rooms`: the rooms of a service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from palaver.server.commands.connect import asking, room_called
from palaver.server.commands.output import plain, print_json, print_made, print_table
from palaver.server.commands.shared import AsJson, fail

if TYPE_CHECKING:
    from palaver.client import Palaver, RoomOptions

app = typer.Typer(no_args_is_help=True, help="The rooms of a service.")

RoomArgument = Annotated[str, typer.Argument(metavar="ROOM", help="Id or name of a room.")]
Limit = Annotated[
    int | None, typer.Option("--limit", help="How many may be in the room at a time; -1 for any number.")
]
OptionsFile = Annotated[
    Path | None,
    typer.Option("--options", help="JSON file with options as the management API takes them; - for stdin."),
]


@app.command("list")
@asking
def list_rooms(api: Palaver, as_json: AsJson = False) -> None:
    """List all rooms, oldest first."""
    rooms = api.rooms.list().items
    if as_json:
        print_json(rooms)
    else:
        print_table(
            ("ID", "NAME", "LIMIT"), ((one.id, one.name, _limit(one.participant_limit)) for one in rooms)
        )


@app.command()
@asking
def show(api: Palaver, room: RoomArgument, as_json: AsJson = False) -> None:
    """Show one room."""
    found = room_called(api, room)
    if as_json:
        print_json(found)
        return
    typer.echo(f"id            {found.id}\nname          {plain(found.name)}")
    typer.echo(f"participants  {_limit(found.participant_limit)}\ninputs        {_limit(found.input_limit)}")
    typer.echo(f"roles         {_names(found.roles, 'role')}\nviews         {_names(found.views, 'label')}")


@app.command()
@asking
def create(
    api: Palaver,
    name: Annotated[str, typer.Argument(help="Name of the room; several may have the same.")],
    limit: Limit = None,
    options: OptionsFile = None,
    as_json: AsJson = False,
) -> None:
    """Create a room, and print its id."""
    print_made(api.rooms.create(name, _options(options, limit)), as_json=as_json)


@app.command()
@asking
def update(
    api: Palaver,
    room: RoomArgument,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    limit: Limit = None,
    options: OptionsFile = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given of a room; while it runs, it keeps what it started with."""
    wanted = _options(options, limit)
    if name is not None:
        wanted.name = name
    print_made(api.rooms.update(room_called(api, room).id, wanted), as_json=as_json)


@app.command()
@asking
def delete(api: Palaver, room: RoomArgument) -> None:
    """Delete a room; whoever is in it is dropped."""
    api.rooms.delete(room_called(api, room).id)


def _options(file: Path | None, limit: int | None) -> RoomOptions:
    from palaver.client import RoomOptions

    try:
        text = b"{}" if file is None else sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        known = {f.encode_name for f in msgspec.structs.fields(RoomOptions)}
        unknown = msgspec.json.decode(text, type=dict[str, Any]).keys() - known
        options = msgspec.json.decode(text, type=RoomOptions)
    except (OSError, msgspec.DecodeError) as error:
        fail(f"--options {file}: {error}", 2)
    if unknown:
        fail(f"--options {file}: no such option: {', '.join(map(plain, sorted(unknown)))}", 2)
    if limit is not None:
        options.participant_limit = limit
    return options


def _limit(value: Any) -> str:
    return str(value) if isinstance(value, int) and value >= 0 else "none"


def _names(values: Any, name: str) -> str:
    return ", ".join(plain(getattr(one, name)) for one in values) if isinstance(values, list) else "-"
