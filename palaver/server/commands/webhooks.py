"""`palaver webhooks`: where events are sent; `palaver events`: what happens in a room, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from palaver.server.commands.connect import asking, room_called
from palaver.server.commands.output import plain, print_json, print_line, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson  # noqa: TC001  # typer reads the annotations

if TYPE_CHECKING:
    from palaver.client import Palaver

app = typer.Typer(no_args_is_help=True, help="Webhooks: where the events of rooms are sent.")

Which = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Id of a webhook.")]


@app.command("list")
@asking
def list_webhooks(api: Palaver, as_json: AsJson = False) -> None:
    """List the webhooks of the service, and how they go."""
    found = api.webhooks.list().items
    if as_json:
        print_json(found)
        return
    print_table(
        ("ID", "URL", "DELIVERED", "WAITING", "LAST ERROR"),
        (
            (one.id, plain(one.url), str(one.delivered), str(one.waiting), plain(one.error or "-"))
            for one in found
        ),
    )


@app.command()
@asking
def create(
    api: Palaver,
    to: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="A type of events, again for each.  [default: all but the frequent ones]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send the events of the service's rooms to a URL; prints the id and the secret that signs them."""
    made = api.webhooks.create(to, event or None)
    if as_json:
        print_json(made)
    else:
        typer.echo(f"id      {made.id}\nsecret  {made.secret}")


@app.command()
@asking
def delete(api: Palaver, webhook: Which) -> None:
    """Send nothing there any more."""
    api.webhooks.delete(webhook)


@app.command()
@asking
def test(api: Palaver, webhook: Which) -> None:
    """Send an event of type "test" now, and say whether it was taken."""
    api.webhooks.test(webhook)
    typer.echo("delivered")


@asking
def events(api: Palaver, room: RoomArgument) -> None:
    """Print what happens in a room, an event a line as JSON, until the room is deleted."""
    for event in api.events(room_called(api, room).id):
        print_line(event)
