"""POST: how a session of WHIP or WHEP begins."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from palaver.api.http.answers import Answer, ApiError
from palaver.api.http.edge import base_of
from palaver.api.http.ids import is_object_id
from palaver.api.whip import plans, refusals
from palaver.api.whip.endpoint import FRAGMENT, SDP, Endpoint
from palaver.api.whip.sessions import Session, SessionEnded, digest
from palaver.api.wire import errors
from palaver.media.ports import NegotiationError
from palaver.media.webrtc import offers
from palaver.room.endpoints import WebRtcSink, WebRtcSource
from palaver.room.errors import Fault, RoomError
from palaver.room.messages import Publish, Subscribe
from palaver.room.values import RoomId, StreamId, SubscriptionId

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from palaver.api.whip.bearer import Bearers
    from palaver.api.whip.sessions import Sessions
    from palaver.api.whip.settings import WhipSettings
    from palaver.host import RoomHost, Rooms
    from palaver.jobs.opening import RoomOpener
    from palaver.media.webrtc.offers import OfferedSection
    from palaver.store import Store, TokenRecord

_NAME: Final = re.compile(r"[0-9a-zA-Z_-]{1,128}")


class Posting(Endpoint):
    """What WHIP and WHEP have in common: a token and an offer go in, an answer and the session's address come out."""

    methods = ("POST",)
    accept = (b"accept-post", SDP)

    def __init__(
        self,
        store: Store,
        rooms: Rooms,
        opener: RoomOpener,
        bearers: Bearers,
        sessions: Sessions,
        settings: WhipSettings,
    ) -> None:
        super().__init__(settings)
        self._store, self._rooms, self._opener = store, rooms, opener
        self._bearers, self._sessions = bearers, sessions
        self.started = 0
        self._ice_servers = settings.ice_servers

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """See Endpoint."""
        room, stream = scope["path_params"]["room"], scope["path_params"].get("stream")
        token = self._bearers.token(scope)
        who = await self._bearers.look(token)
        if who.room != room and not await self._is_called(who.room, room):
            raise await self._elsewhere(room)
        offer = await self.text(scope, receive)
        sections = offers.sections_of(offer)
        offers.credentials_of(offer)
        session, answer = await self.begin(token, who, stream, offer, sections)
        self.started += 1
        headers = (
            (b"location", (base_of(scope) + session.path).encode()),
            (b"etag", session.etag.encode()),
            (b"accept-patch", FRAGMENT),
            *((b"link", server.link()) for server in self._ice_servers(who.id)),
        )
        return Answer(201, answer.encode(), SDP, headers)

    async def begin(
        self,
        token: str,
        who: TokenRecord,
        stream: str | None,
        offer: str,
        sections: tuple[OfferedSection, ...],
    ) -> tuple[Session, str]:
        """The new session and its answer. Raises whatever Endpoint knows."""
        raise NotImplementedError

    async def _is_called(self, room: str, name: str) -> bool:
        """Whether the room of a token has this name: a token tells which of several rooms of one name is meant."""
        definition = await self._store.rooms.get(room)
        return definition is not None and definition.name == name

    async def _elsewhere(self, room: str) -> ApiError:
        """What to say to somebody with a token of another room than the one asked for."""
        if not is_object_id(room) or await self._store.rooms.get(room) is None:
            return ApiError(errors.ROOM_NOT_FOUND, "Room not found")
        return ApiError(errors.FORBIDDEN, "The token is for another room")

    async def _negotiated(self, session: Session, who: TokenRecord, first: Publish | Subscribe) -> str:
        try:
            return await self._sessions.begin(session, who, first)
        except SessionEnded as ended:
            raise ApiError(refusals.UNAVAILABLE, f"The session ended at once: {ended}") from None


class Whip(Posting):
    """``POST /whip/{room}`` and ``POST /whip/{room}/{stream}``: publish."""

    async def begin(
        self,
        token: str,
        who: TokenRecord,
        stream: str | None,
        offer: str,
        sections: tuple[OfferedSection, ...],
    ) -> tuple[Session, str]:
        """See Posting."""
        if stream is not None and not _NAME.fullmatch(stream):
            raise ApiError(errors.BAD_REQUEST, "stream: expected 1 to 128 letters, digits, - or _")
        tracks = plans.published(sections)
        name = StreamId(stream or secrets.token_hex(16))
        async with self._bearers.use(who):
            host = await self._opener.open(who.room)
            if replaced := self._check_free(host, name, token):
                self._sessions.end(replaced, "replaced by a newer session of the same token")
            session = Session("whip", host, digest(token), offer)
            source = WebRtcSource(session.transport, tracks)
            return session, await self._negotiated(session, who, Publish(session.participant, name, source))

    def _check_free(self, host: RoomHost, name: StreamId, token: str) -> Session | None:
        """The session that has to give way: encoders vanish without a word, and come back. Raises RoomError."""
        if name not in host.room.streams:
            return None
        known = self._sessions.publisher_of(host, name)
        if known is None or not known.belongs_to(token):
            raise RoomError(Fault.STREAM_EXISTS, name)
        return known


class Whep(Posting):
    """``POST /whep/{room}`` and ``POST /whep/{room}/{stream}``: play."""

    async def begin(
        self,
        token: str,
        who: TokenRecord,
        stream: str | None,
        offer: str,
        sections: tuple[OfferedSection, ...],
    ) -> tuple[Session, str]:
        """See Posting."""
        host = self._rooms.get(RoomId(who.room)) or await self._opener.open(who.room)
        source = await plans.playable(host, stream, self._settings.arrival_timeout_s)
        tracks = plans.subscribed(source, sections)
        session = Session("whep", host, digest(token), offer)
        name, sink = SubscriptionId(secrets.token_hex(16)), WebRtcSink(session.transport)
        first = Subscribe(session.participant, name, sink, tracks)
        try:
            async with self._bearers.use(who):
                return session, await self._negotiated(session, who, first)
        except NegotiationError as refusal:
            raise NegotiationError(f"{refusal}; the stream has {plans.described(source)}") from None
