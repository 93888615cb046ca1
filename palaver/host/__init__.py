"""Runs rooms: carries out their actions in order, tells their events, keeps their deadlines."""

from palaver.host.host import RoomHost
from palaver.host.rooms import Rooms

__all__ = ["RoomHost", "Rooms"]
