"""`palaver calls`: phones in rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from palaver.server.commands.connect import asking, first_view, room_called
from palaver.server.commands.output import print_json, print_made, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson, fail

if TYPE_CHECKING:
    from palaver.client import Palaver

app = typer.Typer(no_args_is_help=True, help="Phones in rooms.")


@app.command("list")
@asking
def list_calls(api: Palaver, room: RoomArgument, as_json: AsJson = False) -> None:
    """List the calls of a room."""
    found = list(api.sip_calls.list(room_called(api, room).id))
    if as_json:
        print_json(found)
        return
    print_table(("ID", "TYPE", "PEER"), ((call.id, call.type, call.peer) for call in found))


@app.command()
@asking
def dial(
    api: Palaver,
    room: RoomArgument,
    peer: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Whom to call: sip:ann@example.org, or a number.")
    ],
    source: Annotated[
        str | None, typer.Option("--from", help="Stream that the phone gets; default: the first view.")
    ] = None,
    video: Annotated[bool, typer.Option("--video", help="With pictures, both ways.")] = False,
    as_json: AsJson = False,
) -> None:
    """Call a phone into a room; wait until it answers, and print the id of the call."""
    called = room_called(api, room)
    if source is None and (source := first_view(called)) is None:
        fail("the room has no view; name a stream with --from")
    made = api.sip_calls.create(
        called.id,
        {
            "peerURI": peer,
            "mediaIn": {"audio": True, "video": video},
            "mediaOut": {"audio": {"from": source}, "video": {"from": source} if video else False},
        },
    )
    print_made(made, as_json=as_json)


@app.command()
@asking
def end(
    api: Palaver,
    room: RoomArgument,
    call: Annotated[str, typer.Argument(metavar="CALL", help="Id of a call.")],
) -> None:
    """Hang up."""
    api.sip_calls.delete(room_called(api, room).id, call)
