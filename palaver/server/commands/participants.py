"""`palaver participants`: who is in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from palaver.server.commands.connect import asking, room_called
from palaver.server.commands.output import plain, print_json, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson, fail

if TYPE_CHECKING:
    from palaver.client import Grant, Palaver, Participant

app = typer.Typer(no_args_is_help=True, help="Who is in a room.")

Whom = Annotated[
    str, typer.Argument(metavar="PARTICIPANT", help="Id of a participant, or a user name that only one has.")
]
_KINDS = "audio, video, both or none"
_GRANTS = {"audio": (True, False), "video": (False, True), "both": (True, True), "none": (False, False)}


@app.command("list")
@asking
def list_participants(api: Palaver, room: RoomArgument, as_json: AsJson = False) -> None:
    """List who is in a room, in order of arrival."""
    found = api.participants.list(room_called(api, room).id).items
    if as_json:
        print_json(found)
    else:
        print_table(
            ("ID", "USER", "ROLE", "MAY PUBLISH", "MAY SUBSCRIBE"),
            (
                (one.id, one.user, one.role, _kinds(one.permission.publish), _kinds(one.permission.subscribe))
                for one in found
            ),
        )


@app.command()
@asking
def show(api: Palaver, room: RoomArgument, participant: Whom, as_json: AsJson = False) -> None:
    """Show one participant."""
    _show(_participant(api, room_called(api, room).id, participant), as_json)


@app.command()
@asking
def permit(
    api: Palaver,
    room: RoomArgument,
    participant: Whom,
    publish: Annotated[str | None, typer.Option(help=f"What may be published: {_KINDS}.")] = None,
    subscribe: Annotated[str | None, typer.Option(help=f"What may be subscribed to: {_KINDS}.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change what a participant may do from now on; what goes on already goes on."""
    from palaver.client import Patch

    changes = []
    for name, kinds in (("publish", publish), ("subscribe", subscribe)):
        if kinds is not None:
            if kinds not in _GRANTS:
                fail(f"--{name}: expected {_KINDS}", 2)
            audio, video = _GRANTS[kinds]
            changes.append(Patch("replace", f"/permission/{name}", {"audio": audio, "video": video}))
    if not changes:
        fail("nothing to change: give --publish, --subscribe or both", 2)
    where = room_called(api, room).id
    _show(api.participants.update(where, _participant(api, where, participant).id, changes), as_json)


@app.command()
@asking
def drop(api: Palaver, room: RoomArgument, participant: Whom) -> None:
    """Remove somebody from a room."""
    where = room_called(api, room).id
    api.participants.drop(where, _participant(api, where, participant).id)


def _participant(api: Palaver, room: str, wanted: str) -> Participant:
    everybody = api.participants.list(room).items
    found = [one for one in everybody if one.id == wanted] or [one for one in everybody if one.user == wanted]
    if not found:
        fail(f"nobody in this room is called {wanted}")
    if len(found) > 1:
        fail(
            f"{len(found)} participants are called {wanted}; say which: {', '.join(one.id for one in found)}"
        )
    return found[0]


def _show(one: Participant, as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
    typer.echo(f"id             {one.id}\nuser           {plain(one.user)}\nrole           {plain(one.role)}")
    typer.echo(
        f"may publish    {_kinds(one.permission.publish)}\nmay subscribe  {_kinds(one.permission.subscribe)}"
    )


def _kinds(grant: Grant) -> str:
    return next(name for name, kinds in _GRANTS.items() if kinds == (grant.audio, grant.video))
