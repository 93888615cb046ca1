"""`palaver invite` makes a link into a room; `palaver invites` lists and revokes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from palaver.server.commands.connect import asking, room_called
from palaver.server.commands.output import print_json, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson, fail

if TYPE_CHECKING:
    from palaver.client import Invite, Palaver

app = typer.Typer(no_args_is_help=True, help="Invitations to rooms.")

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhdw])")


@asking
def invite(
    api: Palaver,
    room: Annotated[str, typer.Option(help="Id or name of a room.")],
    lasting: Annotated[
        str | None,
        typer.Option("--for", help="How long it is good: 30m, 12h, 7d or 2w.  [default: until revoked]"),
    ] = None,
    role: Annotated[str, typer.Option(help="One of the room's roles.")] = "presenter",
    uses: Annotated[int | None, typer.Option(min=1, help="How many people may come by it.")] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the room if there is none of this name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a link by which people join a room at the page."""
    ttl_s = None if lasting is None else _seconds(lasting)
    if create and all(room not in (one.id, one.name) for one in api.rooms.list()):
        where = api.rooms.create(room).id
    else:
        where = room_called(api, room, "; --create makes it").id
    made = api.invites.create(where, role, ttl_s=ttl_s, uses=uses)
    if as_json:
        print_json(made)
    else:
        typer.echo(made.url)


@app.command("list")
@asking
def list_invites(api: Palaver, room: RoomArgument, as_json: AsJson = False) -> None:
    """List the invitations of a room."""
    found = api.invites.list(room_called(api, room).id).items
    if as_json:
        print_json(found)
        return
    print_table(
        ("ID", "ROLE", "USED", "EXPIRES (UTC)", "LINK"),
        ((one.id, one.role, _used(one), _until(one), one.url) for one in found),
    )


@app.command()
@asking
def revoke(
    api: Palaver,
    room: RoomArgument,
    invite: Annotated[str, typer.Argument(metavar="INVITE", help="Id of an invitation.")],
) -> None:
    """Let nobody else in by an invitation; who came by it stays."""
    api.invites.revoke(room_called(api, room).id, invite)


def _seconds(written: str) -> int:
    found = _DURATION.fullmatch(written)
    if found is None or int(found[1]) == 0:
        fail(f"--for {written}: expected a number and a unit, as in 30m, 12h, 7d or 2w", 2)
    return int(found[1]) * _UNITS[found[2]]


def _used(one: Invite) -> str:
    return f"{one.used} of {one.uses}" if one.uses is not None else str(one.used)


def _until(one: Invite) -> str:
    if one.expires is None:
        return "never"
    return f"{datetime.fromtimestamp(one.expires / 1000, UTC):%Y-%m-%d %H:%M}"
