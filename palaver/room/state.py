"""What a room remembers; the handlers of each noun share it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from palaver.room.messages import TransportUp
from palaver.room.register import Register
from palaver.room.transports import Transports
from palaver.room.views import Views

if TYPE_CHECKING:
    from palaver.room.messages import Outcome
    from palaver.room.negotiations import Negotiations
    from palaver.room.values import RoomConfig, TransportId


@dataclass(slots=True)
class RoomState:
    """The tables of a room. ``mixed`` counts the streams of its views, which it has for as long as it is open."""

    config: RoomConfig
    negotiations: Negotiations
    register: Register = field(default_factory=Register)
    views: Views = field(init=False)
    transports: Transports = field(default_factory=Transports)
    mixed: int = 0
    closed: bool = False

    def __post_init__(self) -> None:
        self.views = Views(self.register.streams)
        self.views.open(self.config)
        self.mixed = len(self.register.streams)

    def transport_up(self, transport: TransportId | None) -> list[Outcome]:
        """Tell the owner, once: a ready source or sink says as much as the transport's own report."""
        owner = self.transports.came_up(transport) if transport is not None else None
        return [TransportUp(owner, transport)] if owner is not None and transport is not None else []
