"""The paths of WHIP and WHEP, and everything behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from palaver.api.whip.bearer import Bearers
from palaver.api.whip.posting import Whep, Whip
from palaver.api.whip.session_endpoint import SessionEndpoint
from palaver.api.whip.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palaver.api.auth.tokens import TokenDesk
    from palaver.api.whip.endpoint import Endpoint
    from palaver.api.whip.posting import Posting
    from palaver.api.whip.sessions import Protocol
    from palaver.api.whip.settings import WhipSettings
    from palaver.host import Rooms
    from palaver.jobs.opening import RoomOpener
    from palaver.store import Store


class WhipAndWhep:
    """Both protocols: one set of sessions, two ways to begin one."""

    def __init__(
        self, store: Store, rooms: Rooms, opener: RoomOpener, tokens: TokenDesk, settings: WhipSettings
    ) -> None:
        self._sessions = sessions = Sessions(settings.verdict_timeout_s)
        bearers = Bearers(tokens, settings.realm)
        self._whip = Whip(store, rooms, opener, bearers, sessions, settings)
        self._whep = Whep(store, rooms, opener, bearers, sessions, settings)
        self._of_whip = SessionEndpoint("whip", bearers, sessions, settings)
        self._of_whep = SessionEndpoint("whep", bearers, sessions, settings)

    def routes(self) -> list[BaseRoute]:
        """Every path, whatever the method; a slash at the end makes no difference."""
        paths: list[tuple[str, Endpoint]] = [
            ("/whip/{room}", self._whip),
            ("/whip/{room}/{stream}", self._whip),
            ("/whip/{room}/sessions/{session}", self._of_whip),
            ("/whep/{room}", self._whep),
            ("/whep/{room}/{stream}", self._whep),
            ("/whep/{room}/sessions/{session}", self._of_whep),
        ]
        return [Route(path + end, endpoint) for path, endpoint in paths for end in ("", "/")]

    def whip_stats(self) -> Mapping[str, float]:
        """Gauges and counters of WHIP by metric name without prefix."""
        return self._stats("whip", self._whip, self._of_whip)

    def whep_stats(self) -> Mapping[str, float]:
        """The same of WHEP."""
        return self._stats("whep", self._whep, self._of_whep)

    def _stats(
        self, protocol: Protocol, posting: Posting, of_session: SessionEndpoint
    ) -> Mapping[str, float]:
        return {
            "sessions": self._sessions.count(protocol),
            "sessions_started_total": posting.started,
            "requests_refused_total": posting.refused + of_session.refused,
        }
