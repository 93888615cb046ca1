"""Reads server-sent events, without I/O: lines go in, events come out; and how long to wait before the next attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from palaver.client.errors import ServerUnreachable
from palaver.client.types import Event

if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE_S: Final = 45.0
"""A server says something at least every 15 s; after so long a silence it is asked again."""
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
LAST: Final = "room.deleted"


class EventReader:
    """The state of one following: what has come of the next event, the last one's id, and since when nobody answers."""

    def __init__(self, after: str | None, give_up_s: float, clock: Callable[[], float]) -> None:
        self._after, self._give_up_s, self._clock = after, give_up_s, clock
        self._kind = self._id = ""
        self._data: list[str] = []
        self._pause = _FIRST_PAUSE_S
        self._heard: float | None = None
        self.over = False
        """No more events will come."""

    @property
    def was_connected(self) -> bool:
        """Whether the server has answered before."""
        return self._heard is not None

    def headers(self) -> dict[str, str]:
        """What to add to a request so that it goes on after the last event."""
        return {"accept": "text/event-stream"} | ({"last-event-id": self._after} if self._after else {})

    def connected(self) -> None:
        """The server answers."""
        self._kind, self._id, self._data = "", "", []
        self._pause, self._heard = _FIRST_PAUSE_S, self._clock()

    def lost(self, error: ServerUnreachable | None) -> float:
        """The connection ended: seconds to wait before the next attempt. Raises ``error`` if it is time to give up."""
        now = self._clock()
        if error is not None and (self._heard is None or now - self._heard > self._give_up_s):
            raise error
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE_S)
        return pause

    def line(self, text: str) -> Event | None:
        """Take the next line; the event that it completes. Raises ServerUnreachable for what is none."""
        self._heard = self._clock()
        if text:
            name, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._kind = value
            elif name == "id":
                self._id = value
            elif name == "data":
                self._data.append(value)
            return None
        kind, data, self._kind, self._data = self._kind, "\n".join(self._data), "", []
        if not kind:
            self._after = self._id or self._after  # where the stream begins
            return None
        if kind == "missed":
            return Event("", "missed", "", 0, {})
        try:
            event = msgspec.json.decode(data, type=Event)
        except msgspec.DecodeError as error:
            raise ServerUnreachable(f"not an event of a Palaver server: {error}") from error
        self._after = self._id or self._after
        self.over = kind == LAST
        return event
