"""From a command's options to a client of the server it means, and from names to ids."""

from __future__ import annotations

import functools
import inspect
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from palaver.room.ids import view_id
from palaver.server.commands.shared import (
    DEFAULT_DATA,
    ConfigFile,
    DataDir,
    configuration,
    fail,
    secret_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.client import Palaver, Room
    from palaver.server.data import DataDirectory

P = ParamSpec("P")

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="PALAVER_URL", help="Server to ask, as https://host:port.  [default: the running one]"
    ),
]
ServiceId = Annotated[
    str | None, typer.Option("--service", envvar="PALAVER_SERVICE", help="Id of a service, with --url.")
]
ServiceKey = Annotated[
    str | None, typer.Option("--key", envvar="PALAVER_KEY", help="Its key; better in the variable or a file.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", envvar="PALAVER_KEY_FILE", help="File with that key.")
]
TrustFile = Annotated[
    Path | None,
    typer.Option("--ca", envvar="PALAVER_CA", help="PEM file of certificates to trust, with --url."),
]


@dataclass(frozen=True, slots=True)
class Target:
    """The options that say which server is meant, and as whom."""

    data_dir: DataDir = DEFAULT_DATA
    config: ConfigFile = None
    url: Url = None
    service: ServiceId = None
    key: ServiceKey = None
    key_file: KeyFile = None
    ca: TrustFile = None

    def client(self) -> Palaver:
        """A client of that server, or the end with a message."""
        if self.url is None:
            if self.service or self.key or self.key_file or self.ca:
                fail("--service, --key, --key-file and --ca need --url", 2)
            from palaver.server.run import api_of

            return api_of(configuration(self.config, {}), existing(self.data_dir), fail)
        key = self.key or (secret_in(self.key_file, "--key-file") if self.key_file else None)
        if not (self.service and key):
            fail("--url needs --service and --key-file or --key (or PALAVER_SERVICE and PALAVER_KEY)", 2)
        if not self.url.startswith(("http://", "https://")):
            fail("--url: expected http://host:port or https://host:port", 2)
        from palaver.client import Palaver

        return Palaver(self.url, self.service, key, verify=self._trusted())

    def _trusted(self) -> ssl.SSLContext | bool:
        if self.ca is None:
            return True
        try:
            return ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            fail(f"--ca {self.ca}: {error}", 2)


def existing(data_dir: Path) -> DataDirectory:
    """A data directory that a server has used, or the end with a message."""
    from palaver.server.data import DataError, open_directory

    if not data_dir.is_dir():
        fail(
            f"data directory {data_dir.absolute()} does not exist: start the server once, or name it by --data-dir"
        )
    try:
        return open_directory(data_dir)
    except DataError as error:
        fail(error)


def asking(command: Callable[Concatenate[Palaver, P], None]) -> Callable[..., None]:
    """``command``, with the options of :class:`Target` in place of its client; a refusal ends it with exit code 1."""
    common = list(inspect.signature(Target).parameters.values())
    common_types = get_type_hints(Target, include_extras=True)

    @functools.wraps(command)
    def run(**options: Any) -> None:
        from palaver.client import PalaverError

        target = Target(**{one.name: options.pop(one.name) for one in common})
        try:
            with target.client() as api:
                command(api, **options)  # type: ignore[call-arg]  # typer gives what the signature below names
        except PalaverError as error:
            fail(error)

    types = common_types | get_type_hints(command, localns={"Palaver": object}, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    options = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[one.name])
        for one in [*own, *common]
    ]
    run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]  # as inspect documents it
    run.__annotations__ = {one.name: one.annotation for one in options}
    del run.__wrapped__  # typer would look through it
    return run


def first_view(room: Room) -> str | None:
    """The id of the mixed stream of a room's first view; a room that does not run has none yet, but its id is known."""
    return view_id(room.id, room.views[0].label) if room.views else None


def room_called(api: Palaver, wanted: str, hint: str = "") -> Room:
    """The room with this id, or else the only one with this name; or the end with a message."""
    rooms = api.rooms.list().items
    by_id = [room for room in rooms if room.id == wanted]
    found = by_id or [room for room in rooms if room.name == wanted]
    if not found:
        fail(f"no room of this service is called {wanted}{hint}")
    if len(found) > 1:
        fail(f"{len(found)} rooms are called {wanted}; say which: {', '.join(room.id for room in found)}")
    return found[0]
