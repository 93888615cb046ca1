"""Every transport of the in-process engine: by its name in a room, by the core's handle, and by the sections on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.media.webrtc.sessions import RoomConnections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.media.webrtc.sessions import BoundSection, Session, Transport
    from palaver.room.values import RoomId, StreamId, TransportId


TOGETHER: Final = 400
"""A thread with a load below this takes all transports of its rooms; one above it, no more than its share.

A load counts transports and the sections on them in use. This much, 133 subscribers to audio and video of 1.5 Mbit/s,
keeps a seventh of a core busy; and if they all get the same picture, the last one gets it four milliseconds after the
first. Up to there, to wake a second core for the same packets costs more than it gains."""
_SHARE: Final = (
    1.25  # of the average, which a thread with few rooms may go above without another being any better
)


class Transports:
    """What the rooms of a node have in the engine.

    Rooms, and the transports of big ones, are spread over ``threads`` threads of the core.
    """

    def __init__(self, threads: int) -> None:
        self._load = [0] * threads  # transports and bound sections of each thread
        self._groups = 0  # groups ever used: transports of one hear each other's data channels
        self._rooms: dict[RoomId, RoomConnections] = {}
        self._by_handle: dict[int, Transport] = {}
        self._sections: dict[int, tuple[Session, str]] = {}  # producer or consumer → its session and mid

    def __len__(self) -> int:
        """Every transport, session and section that is remembered, to see that it goes."""
        sessions = sum(len(room.sessions) for room in self._rooms.values())
        return len(self._by_handle) + len(self._sections) + sessions

    @property
    def rooms(self) -> int:
        """How many rooms have a place."""
        return len(self._rooms)

    def room(self, room: RoomId) -> RoomConnections | None:
        """What the room has; None if nothing."""
        return self._rooms.get(room)

    def session(self, room: RoomId, id: str) -> Session | None:  # noqa: A002  # it is one
        """The source or sink ``id`` of a room."""
        found = self._rooms.get(room)
        return found.sessions.get(id) if found else None

    def get(self, room: RoomId, id: TransportId) -> Transport | None:  # noqa: A002  # it is one
        """The transport ``id`` of a room."""
        found = self._rooms.get(room)
        return found.transports.get(id) if found else None

    def of(self, room: RoomId) -> list[Transport]:
        """All transports of a room."""
        found = self._rooms.get(room)
        return list(found.transports.values()) if found else []

    def sessions(self) -> Iterator[Session]:
        """Every source and sink of all rooms."""
        for media in self._rooms.values():
            yield from media.sessions.values()

    def by_handle(self, handle: int) -> Transport | None:
        """The transport that the core calls ``handle``."""
        return self._by_handle.get(handle)

    def place(self, room: RoomId, stream: StreamId | None = None) -> tuple[int, int]:
        """The thread and the group of the core for the next transport of the room, which is to get ``stream``.

        A room begins on the idlest thread, and in a group that never was. It stays there as long as that thread has no
        more than its share; then its next transports go to the others, those who get the same stream to the same one:
        what a stream's subscribers cost apart is a wake-up for each of its bursts on every thread that has any.
        """
        idlest = self._load.index(min(self._load))
        if (found := self._rooms.get(room)) is None:
            return idlest, self._groups + 1
        share = max(TOGETHER, _SHARE * sum(self._load) / len(self._load))
        wanted = found.thread_for(stream) if stream is not None else found.thread
        return wanted if self._load[wanted] < share else idlest, found.group

    def begin(self, room: RoomId) -> RoomConnections:
        """What the room has; its place is settled now if it has nothing yet."""
        media = self._rooms.get(room)
        if media is None:
            media = self._rooms[room] = RoomConnections(*self.place(room))
            self._groups = max(self._groups, media.group)
        return media

    def close_room(self, room: RoomId) -> None:
        """Forget the place of a room whose transports are closed."""
        self._rooms.pop(room, None)

    def add(self, transport: Transport, stream: StreamId | None = None) -> None:
        """Remember a new transport, which is to get ``stream``."""
        media = self.begin(transport.room)
        media.transports[transport.id] = self._by_handle[transport.handle] = transport
        self._load[transport.thread] += 1
        if stream in media.sessions:
            media.nearest[stream] = transport.thread

    def rename(self, transport: Transport, handle: int) -> None:
        """The core calls it ``handle`` from now on."""
        del self._by_handle[transport.handle]
        self._load[transport.thread] -= 1
        transport.handle = handle
        self._load[transport.thread] += 1
        self._by_handle[handle] = transport

    def remove(self, transport: Transport) -> None:
        """Forget a transport whose sessions have ended."""
        if self._by_handle.pop(transport.handle, None):
            self._load[transport.thread] -= 1
        self._rooms[transport.room].transports.pop(transport.id, None)

    def open(self, session: Session) -> None:
        """Remember a session on its transport."""
        transport = session.transport
        transport.sessions[session.id] = self._rooms[transport.room].sessions[session.id] = session

    def bind(self, session: Session, mid: str, section: BoundSection) -> None:
        """Remember what serves section ``mid`` of a session."""
        self._sections[section.handle] = (session, mid)
        session.sections[mid] = section
        self._load[section.thread] += 1

    def unbind(self, session: Session, mid: str) -> BoundSection | None:
        """Forget what serves section ``mid`` of a session; what it was."""
        section = session.sections.pop(mid, None)
        if section is not None:
            self._forget(section)
        return section

    def section(self, handle: int) -> tuple[Session, str] | None:
        """Whose producer or consumer ``handle`` is, and its section."""
        return self._sections.get(handle)

    def end(self, session: Session) -> Iterator[BoundSection]:
        """Forget a session; yields what it had in the core."""
        session.transport.sessions.pop(session.id, None)
        if media := self._rooms.get(session.transport.room):
            media.sessions.pop(session.id, None)
            media.nearest.pop(session.id, None)
        for section in session.sections.values():
            self._forget(section)
            yield section
        session.sections.clear()
        session.wanted.clear()

    def _forget(self, section: BoundSection) -> None:
        if self._sections.pop(section.handle, None):
            self._load[section.thread] -= 1
