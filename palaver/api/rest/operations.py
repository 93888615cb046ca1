"""What an entry of the route table is, and what its handler gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from palaver.api.wire.parse import convert, without_nulls
from palaver.room.values import RoomId

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

    from palaver.api.auth.invitations import Invitations
    from palaver.api.auth.mauth import Caller
    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.http.ids import ObjectIds
    from palaver.api.http.portal_address import PortalAddress
    from palaver.api.rest.analyses import SeenByAnalyses
    from palaver.api.rest.recorded import Recorded
    from palaver.api.rest.settings import RestSettings
    from palaver.api.wire.streams import Dialect
    from palaver.events.feed import EventFeed
    from palaver.events.webhooks import WebhookSender
    from palaver.host import RoomHost, Rooms
    from palaver.jobs.jobs import Jobs
    from palaver.jobs.phones import Phones
    from palaver.store import RoomDefinition, Store
    from palaver.streaming.targets import TargetStates

VERSIONS: Final[tuple[Version, ...]] = ("/v1", "/v1.1")
Version = Literal["", "/v1", "/v1.1"]


@dataclass(frozen=True, slots=True)
class Api:
    """What all handlers share."""

    store: Store
    rooms: Rooms
    tokens: TokenDesk
    invitations: Invitations
    settings: RestSettings
    ids: ObjectIds
    portal: PortalAddress
    clock: Callable[[], float]
    jobs: Jobs
    recorded: Recorded
    targets: TargetStates
    feed: EventFeed
    webhooks: WebhookSender
    analyses: SeenByAnalyses
    phones: Phones

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.clock() * 1000)


@dataclass(slots=True)
class Call:
    """One authenticated request. ``room`` is set, and owned by the caller, below a room; ``body`` where it is taken."""

    api: Api
    caller: Caller
    version: Version
    path: dict[str, str]
    query: dict[str, str]
    scope: Scope
    room: RoomDefinition = field(init=False)
    body: Any = None

    @property
    def dialect(self) -> Dialect:
        """The shape of streams that this version of the API shows."""
        return "1.0" if self.version == "/v1" else "1.1"

    @property
    def running(self) -> RoomHost | None:
        """The room's host, while the room is in use."""
        return self.api.rooms.get(RoomId(self.room.id))


Handler = Callable[[Call], Awaitable["ASGIApp"]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter: an integer whose bad values are ignored."""

    name: str
    doc: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with all that the documentation says about it. Paths are below the version.

    ``takes`` and ``gives`` are the shapes of the JSON bodies; without ``gives`` the answer is the text ``says``, of
    ``media_type``.
    ``parse`` replaces the checks that ``takes`` implies. ``empty_body`` is taken for a missing one.
    With ``nulls``, a null member counts as absent.
    ``errors`` are those beside what authentication, the room and the body may cause.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    takes: Any = None
    gives: Any = None
    says: str = ""
    media_type: str = "text/html"
    errors: tuple[tuple[int, int], ...] = ()
    example: Any = None
    query: tuple[Parameter, ...] = ()
    versions: tuple[Version, ...] = VERSIONS
    super_only: bool = False
    parse: Callable[[Any], Any] | None = None
    empty_body: Any = None
    nulls: bool = False

    @property
    def in_room(self) -> bool:
        """Whether the path is that of a room or below one."""
        return "{room}" in self.path

    def parsed(self, body: Any) -> Any:
        """``body`` in the shape that the handler takes. Raises ProtocolError."""
        if body is None:
            body = self.empty_body
        if self.nulls:
            body = without_nulls(body)
        return self.parse(body) if self.parse else convert(body, self.takes)
