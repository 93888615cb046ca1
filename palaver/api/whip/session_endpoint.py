"""PATCH and DELETE of a session: trickling, restarting ICE (RFC 9725 §4.3), ending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.api.http.answers import Answer, ApiError
from palaver.api.http.body import header
from palaver.api.whip import refusals
from palaver.api.whip.endpoint import FRAGMENT, SDP, Endpoint
from palaver.api.whip.sessions import SessionEnded, new_etag
from palaver.api.wire import errors
from palaver.media.ports import NegotiationError, TransportNotFound
from palaver.media.webrtc import offers

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

    from palaver.api.whip.bearer import Bearers
    from palaver.api.whip.sessions import Protocol, Session, Sessions
    from palaver.api.whip.settings import WhipSettings
    from palaver.media.webrtc.offers import Fragment


class SessionEndpoint(Endpoint):
    """``/whip/{room}/sessions/{session}``, or the same of WHEP."""

    methods = ("PATCH", "DELETE")
    accept = (b"accept-patch", FRAGMENT)

    def __init__(
        self, protocol: Protocol, bearers: Bearers, sessions: Sessions, settings: WhipSettings
    ) -> None:
        super().__init__(settings)
        self._protocol: Protocol = protocol
        self._bearers, self._sessions = bearers, sessions

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """See Endpoint."""
        token = self._bearers.token(scope)
        path = scope["path_params"]
        session = self._sessions.get(path["session"], self._protocol, path["room"])
        if session is None:
            raise _gone()
        self._bearers.check_own(token, session)
        if scope["method"] == "DELETE":
            self._sessions.end(session, "deleted by the client")
            return Answer(200, b"", SDP)
        text = await self.text(scope, receive)
        try:
            fragment = offers.read_fragment(text)
        except NegotiationError as refusal:
            raise ApiError(errors.BAD_REQUEST, str(refusal)) from None
        async with session.lock:
            return await self._patch(session, header(scope, b"if-match").decode("latin-1"), fragment)

    async def _patch(self, session: Session, condition: str, fragment: Fragment) -> Answer:
        if not condition:
            raise ApiError(refusals.PRECONDITION_REQUIRED, "If-Match: required")
        if session.etag not in _tags(condition) and condition.strip() != "*":
            raise ApiError(refusals.PRECONDITION_FAILED, "If-Match: not the entity tag of this ICE session")
        try:
            if fragment.credentials in (None, offers.credentials_of(session.offer)):
                return await self._trickle(session, fragment)
            return await self._restart(session, fragment)
        except (SessionEnded, TransportNotFound):
            raise _gone() from None

    async def _trickle(self, session: Session, fragment: Fragment) -> Answer:
        for candidate in fragment.candidates:
            await session.host.add_candidate(session.participant, session.transport, candidate)
        return Answer(204, b"", FRAGMENT)

    async def _restart(self, session: Session, fragment: Fragment) -> Answer:
        """A refused restart leaves everything as it was."""
        assert fragment.credentials is not None
        offer = offers.restarted(session.offer, fragment.credentials, fragment.candidates)
        answer = await self._sessions.negotiate(session, offer)
        session.etag = new_etag()
        return Answer(200, offers.fragment_of(answer).encode(), FRAGMENT, ((b"etag", session.etag.encode()),))


def _tags(condition: str) -> list[str]:
    """The strong entity tags of an If-Match header (RFC 9110 §13.1.1): weak ones never match."""
    return [tag.strip() for tag in condition.split(",")]


def _gone() -> ApiError:
    return ApiError(errors.NOT_FOUND, "Session not found")
