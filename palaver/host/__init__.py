"""Runs rooms: carries out their actions in order, tells their events, keeps their deadlines."""

from palaver.host.host import RoomHost
from palaver.host.rooms import Rooms
from palaver.media import offers
from palaver.media.offers import Fragment, OfferedSection
from palaver.media.ports import EngineError, NegotiationError, TransportNotFound

__all__ = [
    "EngineError",
    "Fragment",
    "NegotiationError",
    "OfferedSection",
    "RoomHost",
    "Rooms",
    "TransportNotFound",
    "offers",
]
