"""`palaver streams`: what can be subscribed to in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from palaver.server.commands.connect import asking, room_called
from palaver.server.commands.output import plain, print_json, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson, fail

if TYPE_CHECKING:
    from palaver.client import Palaver, Stream

app = typer.Typer(no_args_is_help=True, help="The streams of a room.")

Which = Annotated[str, typer.Argument(metavar="STREAM", help="Id of a stream.")]
Audio = Annotated[bool, typer.Option("--audio", help="Only the sound.")]
Video = Annotated[bool, typer.Option("--video", help="Only the picture.")]


@app.command("list")
@asking
def list_streams(api: Palaver, room: RoomArgument, as_json: AsJson = False) -> None:
    """List the streams of a room: views first, then by age."""
    found = api.streams.list(room_called(api, room).id).items
    if as_json:
        print_json(found)
        return
    print_table(
        ("ID", "TYPE", "OWNER", "AUDIO", "VIDEO"),
        ((one.id, one.type, one.info.get("owner", "-"), *_media(one)) for one in found),
    )


@app.command()
@asking
def show(api: Palaver, room: RoomArgument, stream: Which, as_json: AsJson = False) -> None:
    """Show one stream."""
    _show(api.streams.get(room_called(api, room).id, stream), as_json)


@app.command()
@asking
def mute(
    api: Palaver,
    room: RoomArgument,
    stream: Which,
    audio: Audio = False,
    video: Video = False,
    as_json: AsJson = False,
) -> None:
    """Stop forwarding a stream's sound and picture, or one of them."""
    _switch(api, (room, stream), (audio, video), "inactive", as_json)


@app.command()
@asking
def unmute(
    api: Palaver,
    room: RoomArgument,
    stream: Which,
    audio: Audio = False,
    video: Video = False,
    as_json: AsJson = False,
) -> None:
    """Forward them again."""
    _switch(api, (room, stream), (audio, video), "active", as_json)


@app.command()
@asking
def delete(api: Palaver, room: RoomArgument, stream: Which) -> None:
    """End a stream, as its owner could."""
    api.streams.delete(room_called(api, room).id, stream)


def _switch(
    api: Palaver, where: tuple[str, str], only: tuple[bool, bool], status: str, as_json: bool
) -> None:
    from palaver.client import Patch

    room, stream = room_called(api, where[0]).id, where[1]
    media = api.streams.get(room, stream).media
    audio, video = only if any(only) else (bool(media.get("audio")), bool(media.get("video")))
    changes = [
        Patch("replace", f"/media/{kind}/status", status)
        for kind, wanted in (("audio", audio), ("video", video))
        if wanted
    ]
    if not changes:
        fail("this stream has neither audio nor video")
    _show(api.streams.update(room, stream, changes), as_json)


def _show(one: Stream, as_json: bool) -> None:
    if as_json:
        print_json(one)
        return
    audio, video = _media(one)
    typer.echo(f"id     {one.id}\ntype   {plain(one.type)}\nowner  {plain(one.info.get('owner', '-'))}")
    typer.echo(f"audio  {audio}\nvideo  {video}")


def _media(one: Stream) -> tuple[str, str]:
    return _track(one.media.get("audio")), _track(one.media.get("video"))


def _track(track: Any) -> str:
    """A track as codec and status; the first form of a video is what its owner sends at best."""
    if not isinstance(track, dict):
        return "-"
    forms = track.get("original") or [track]
    codec = forms[0].get("format", {}).get("codec", "?")
    return plain(f"{codec} {track.get('status', '')}".strip())
