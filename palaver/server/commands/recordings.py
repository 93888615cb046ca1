"""`palaver recordings`: what is recorded in rooms, and what was."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palaver.server.commands.connect import asking, first_view, room_called
from palaver.server.commands.output import plain, print_json, print_made, print_table
from palaver.server.commands.rooms import RoomArgument  # noqa: TC001  # typer reads the annotations
from palaver.server.commands.shared import AsJson, fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.client import Palaver, RecordedPart, Recording

app = typer.Typer(no_args_is_help=True, help="Recordings of rooms.")

Which = Annotated[str, typer.Argument(metavar="RECORDING", help="Id of a recording.")]


@app.command("list")
@asking
def list_recordings(
    api: Palaver,
    room: Annotated[
        str | None, typer.Argument(metavar="[ROOM]", help="Id or name; all rooms without.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List recordings, those that ended too, the oldest first."""
    found = api.recordings.history(room_called(api, room).id if room is not None else None).items
    if as_json:
        print_json(found)
        return
    print_table(
        ("ID", "ROOM", "STATE", "STARTED (UTC)", "LENGTH", "MB", "FILE"),
        (
            (
                one.id,
                one.room,
                one.state,
                _time(one.started),
                _length(one.seconds),
                f"{one.bytes / 1e6:.1f}",
                _file(one),
            )
            for one in found
        ),
    )


@app.command()
@asking
def start(
    api: Palaver,
    room: RoomArgument,
    audio: Annotated[
        str | None, typer.Option(help="Stream whose sound is recorded.  [default: the first view]")
    ] = None,
    video: Annotated[
        str | None, typer.Option(help="Stream whose picture is recorded.  [default: the first view]")
    ] = None,
    container: Annotated[str, typer.Option(help="auto, mkv, mp4, ts, m4a, ogg or mka.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Start a recording, by default of the room's first view."""
    found = room_called(api, room)
    if audio is None and video is None:
        audio = video = first_view(found)
        if video is None:
            fail("the room has no view: say which streams by --audio and --video")
    media = {"audio": {"from": audio} if audio else False, "video": {"from": video} if video else False}
    started = api.recordings.create(found.id, {"container": container, "media": media})
    print_made(started, as_json=as_json)


@app.command()
@asking
def stop(api: Palaver, room: RoomArgument, recording: Which) -> None:
    """End a recording; its files stay."""
    api.recordings.delete(room_called(api, room).id, recording)


@app.command()
@asking
def pause(api: Palaver, room: RoomArgument, recording: Which) -> None:
    """Leave out what comes from now on."""
    api.recordings.pause(room_called(api, room).id, recording)


@app.command()
@asking
def resume(api: Palaver, room: RoomArgument, recording: Which) -> None:
    """Go on where the pause began."""
    api.recordings.resume(room_called(api, room).id, recording)


@app.command()
@asking
def delete(api: Palaver, recording: Which) -> None:
    """Delete a recording that has ended, and its files."""
    api.recordings.erase(recording)


@app.command()
@asking
def download(
    api: Palaver,
    recording: Which,
    to: Annotated[Path, typer.Option(help="Directory for the files.")] = Path(),
    start: Annotated[str | None, typer.Option("--from", help="Only from there: seconds, or 1:02:03.")] = None,
    end: Annotated[str | None, typer.Option("--until", help="Only until there.")] = None,
) -> None:
    """Download all parts of a recording, or a range of it; existing files are not overwritten.

    A range begins at the key frame before; nothing is encoded anew.
    """
    found = next((one for one in api.recordings.history() if one.id == recording), None)
    if found is None:
        fail(f"no recording of this service has the id {recording}")
    start_s = _asked(start, "--from") or 0.0
    end_s = _asked(end, "--until")
    if end_s is not None and end_s <= start_s:
        fail("--until: expected more than --from")
    whole = start is None and end is None
    ranges = list(_ranges(found.parts, start_s, end_s))
    if not (whole or ranges):
        fail(f"--from: the recording is {_length(found.seconds)} long")
    for part, first_s, last_s in [(part, None, None) for part in found.parts] if whole else ranges:
        name = Path(part.file)
        cut = "" if first_s is None else f"-{first_s:g}" + ("" if last_s is None else f"-{last_s:g}")
        _fetch(api, part, to / f"{name.stem}{cut}{name.suffix}", first_s, last_s)


def _asked(text: str | None, option: str) -> float | None:
    """Seconds of "83.5", "1:23.5" or "0:01:23.5"."""
    if text is None:
        return None
    if not re.fullmatch(r"([0-9]{1,5}:){0,2}[0-9]{1,7}(\.[0-9]{1,6})?", text):
        fail(f"{option}: expected seconds, or hours, minutes and seconds such as 1:02:03")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def _ranges(
    parts: list[RecordedPart], start_s: float, end_s: float | None
) -> Iterator[tuple[RecordedPart, float, float | None]]:
    """What of each part is in a range of the whole recording."""
    before_s = 0.0
    for part in parts:
        after_s = before_s + part.seconds
        if start_s < after_s and (end_s is None or end_s > before_s):
            last = None if end_s is None or end_s >= after_s else round(end_s - before_s, 3)
            yield part, round(max(start_s - before_s, 0.0), 3), last
        before_s = after_s


def _fetch(api: Palaver, part: RecordedPart, file: Path, start_s: float | None, end_s: float | None) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    try:
        with file.open("xb") as target, Progress(*columns, console=Console(stderr=True)) as bars:
            bar = bars.add_task(file.name, total=part.bytes or None if start_s is None else None)
            api.recordings.download(
                part, target, lambda done: bars.update(bar, completed=done), start_s=start_s, end_s=end_s
            )
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    typer.echo(str(file))


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _length(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def _file(one: Recording) -> str:
    more = f" (+{len(one.parts) - 1})" if len(one.parts) > 1 else ""
    return plain(one.parts[0].file + more) if one.parts else "-"
