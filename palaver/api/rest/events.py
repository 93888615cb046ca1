"""/v1/rooms/{room}/events: what happens in a room, as it happens, beyond OWT."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import msgspec

from palaver.api.http.body import header
from palaver.api.http.server_sent import EventStream, written
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire.events import event_info
from palaver.events.feed import ROOM_DELETED, Missed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from palaver.events.feed import EventFeed

_MAX_ID: Final = 64


async def follow_events(call: Call) -> EventStream:
    """Server-sent events, from now on or after ``Last-Event-ID``.

    An event ``missed`` says that some are not known any more. The stream goes on
    while the room does not run, and ends when it is deleted.
    """
    after = header(call.scope, b"last-event-id").decode("latin-1")[:_MAX_ID]
    return EventStream(_texts(call.api.feed, call.room.id, after or call.api.feed.newest()))


async def _texts(feed: EventFeed, room: str, after: str) -> AsyncGenerator[bytes]:
    yield f"id: {after}\n\n".encode()  # where to go on if the connection breaks before the first event
    async with aclosing(feed.follow(room, after)) as events:
        async for event in events:
            if isinstance(event, Missed):
                yield written("missed", "{}")
            else:
                yield written(event.type, msgspec.json.encode(event_info(event)).decode(), event.id)
                if event.type == ROOM_DELETED:
                    return


OPERATIONS: Final = (
    Operation(
        "GET",
        "/rooms/{room}/events",
        follow_events,
        media_type="text/event-stream",
        says='id: 19a1b2c3d4-1\nevent: participant.joined\ndata: {"id": …}\n\n',
    ),
)
