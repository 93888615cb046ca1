"""`palaver streaming-outs`: streams that the server sends elsewhere, or serves itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from palaver.server.commands.connect import asking, first_view, room_called
from palaver.server.commands.output import print_json, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson  # noqa: TC001  # as above

if TYPE_CHECKING:
    from palaver.client import Palaver

app = typer.Typer(no_args_is_help=True, help="Streams that the server sends elsewhere, or serves itself.")


@app.command("list")
@asking
def list_streaming_outs(api: Palaver, room: RoomArgument, as_json: AsJson = False) -> None:
    """List the streaming-outs of a room, and how they stand."""
    found = list(api.streaming_outs.list(room_called(api, room).id))
    if as_json:
        print_json(found)
        return
    rows = ((one.id, one.protocol, one.state or "-", one.url, one.error or "-") for one in found)
    print_table(("ID", "PROTOCOL", "STATE", "URL", "ERROR"), rows)


@app.command()
@asking
def start(
    api: Palaver,
    room: RoomArgument,
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URL]…", help="Where to, such as rtmp://live.example/app/key. None: we serve it."
        ),
    ] = None,
    stream: Annotated[
        str, typer.Option("--from", metavar="STREAM", help="Id of a stream; default: the room's first view.")
    ] = "",
    protocol: Annotated[str, typer.Option("--protocol", help="rtmp, rtsp, hls or dash.")] = "",
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Leave the sound out.")] = False,
    no_video: Annotated[bool, typer.Option("--no-video", help="Leave the picture out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send a room live; print the id, and the URL where viewers find what we serve ourselves."""
    found = room_called(api, room)
    stream = stream or first_view(found) or ""
    if not stream:
        raise typer.BadParameter("the room has no views", param_hint="--from")
    source = {"from": stream}
    request: dict[str, Any] = {
        "media": {"audio": not no_audio and source, "video": not no_video and source},
        **({"urls": urls} if urls else {}),
    }
    if protocol or not urls:
        request["protocol"] = protocol or "hls"
    made = api.streaming_outs.create(found.id, request)
    if as_json:
        print_json(made)
    else:
        typer.echo(made.id if urls else f"{made.id}  {made.url}")


@app.command()
@asking
def stop(
    api: Palaver,
    room: RoomArgument,
    output: Annotated[str, typer.Argument(metavar="ID", help="Id of a streaming-out.")],
) -> None:
    """End a streaming-out."""
    api.streaming_outs.delete(room_called(api, room).id, output)
