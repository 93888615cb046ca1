"""`palaver streaming-ins`: streams that the server fetches from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from palaver.server.commands.connect import asking, room_called
from palaver.server.commands.output import print_json, print_made, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson  # noqa: TC001  # as above

if TYPE_CHECKING:
    from palaver.client import Palaver

KIND = "streaming-in"

app = typer.Typer(no_args_is_help=True, help="Streams that the server fetches from elsewhere.")


@app.command("list")
@asking
def list_streaming_ins(api: Palaver, room: RoomArgument, as_json: AsJson = False) -> None:
    """List the streaming-ins of a room, also those that wait for their source."""
    found = [job for job in api.jobs.list(room_called(api, room).id) if job.kind == KIND]
    if as_json:
        print_json(found)
        return
    print_table(("ID", "STATUS", "ERROR"), ((job.id, job.status, job.error or "-") for job in found))


@app.command()
@asking
def start(
    api: Palaver,
    room: RoomArgument,
    source: Annotated[
        str, typer.Argument(metavar="URL", help="What to fetch, such as rtsp://camera.example/stream.")
    ],
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Leave its sound out.")] = False,
    no_video: Annotated[bool, typer.Option("--no-video", help="Leave its picture out.")] = False,
    udp: Annotated[bool, typer.Option("--udp", help="Receive it by UDP.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a stream into a room; wait for it and print its id."""
    made = api.streaming_ins.create(
        room_called(api, room).id,
        source,
        audio=False if no_audio else "auto",
        video=False if no_video else "auto",
        protocol="udp" if udp else "tcp",
    )
    print_made(made, as_json=as_json)


@app.command()
@asking
def stop(
    api: Palaver,
    room: RoomArgument,
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Id of a streaming-in.")],
) -> None:
    """End a streaming-in."""
    api.streaming_ins.delete(room_called(api, room).id, stream)
