"""MAuth: management requests signed with a service's key, as OWT's REST clients write them."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palaver.api.auth.refusals import NotAuthenticated, Refusals
from palaver.api.auth.replay import AHEAD_S, CAPACITY, ReplayGuard
from palaver.api.clock import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palaver.store import Service, Services

WINDOW_S: Final = 300.0
"""How far the time of signing may be from ours."""

_METHOD: Final = "HMAC_SHA256"
_SCHEME: Final = re.compile(r"(?i)mauth\s+")
_PARAMETER: Final = re.compile(
    r'\s*(?P<name>[A-Za-z_]+)\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^",]*?))\s*(?:,|$)'
)
_SERVICE: Final = re.compile(r"[0-9a-f]{24}")
_TIMESTAMP: Final = re.compile(r"([0-9]{1,15})(?:\.[0-9]{1,9})?")
_MAX_HEADER: Final = 4096
_PURGE_EVERY_MS: Final = 60_000
_NO_KEY: Final = secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request, and the user and role that the signature covers, if it covers any."""

    service: Service
    user: str | None = None
    role: str | None = None


def sign(
    service: str,
    key: str,
    user: str = "",
    role: str = "",
    *,
    realm: str = "palaver",
    nonce: str | None = None,
    timestamp_ms: int | None = None,
) -> str:
    """The Authorization header of one request by ``service``; ``user`` and ``role`` are covered if both are given."""
    nonce = secrets.token_hex(8) if nonce is None else nonce
    timestamp = str(int(wall_clock() * 1000) if timestamp_ms is None else timestamp_ms)
    signed, names = f"{timestamp},{nonce}", ""
    if user and role:
        encoded = base64.b64encode(user.encode()).decode()
        signed += f",{encoded},{role}"
        names = f"mauth_username={encoded},mauth_role={role},"
    return (
        f"MAuth realm={realm},mauth_signature_method={_METHOD},{names}mauth_serviceid={service},"
        f"mauth_cnonce={nonce},mauth_timestamp={timestamp},mauth_signature={signature(key, signed)}"
    )


def signature(key: str, text: str) -> str:
    """base64 of the lower-case hexadecimal HMAC-SHA256 of ``text``, which holds one byte per character."""
    digest = hmac.digest(key.encode(), text.encode("latin-1"), "sha256").hex()
    return base64.b64encode(digest.encode()).decode()


class MAuth:
    """Checks signatures against the keys of ``services``.

    ``window_s`` bounds the age of a signature, ``ahead_s`` how far it may be in the future, and each is accepted once;
    a window of 0 turns all three off. ``capacity``: signatures of one service that are remembered.
    """

    def __init__(
        self,
        services: Services,
        *,
        window_s: float = WINDOW_S,
        ahead_s: float = AHEAD_S,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = wall_clock,
    ) -> None:
        self._services, self._clock = services, clock
        self._replays = ReplayGuard(window_s, ahead_s=ahead_s, capacity=capacity) if window_s > 0 else None
        self._purge_at_ms = 0
        self.refusals = Refusals(clock)

    async def authenticate(self, header: str) -> Caller:
        """Whose request has this Authorization header (latin-1 text). Raises NotAuthenticated, StoreError."""
        given = parameters(header)
        now_ms = int(self._clock() * 1000)
        timestamp = self._fresh(given, now_ms)
        service = await self._service(given["serviceid"])
        expected = signature(_NO_KEY if service is None else service.key, _signed(given))
        if (
            not hmac.compare_digest(expected.encode(), given["signature"].encode("latin-1"))
            or service is None
        ):
            raise NotAuthenticated("unknown service or wrong signature", "unknown")
        self._once(service.id, timestamp, given["cnonce"], now_ms)
        if given.get("username") and given.get("role"):
            return Caller(service, _user(given["username"]), _text(given["role"]))
        return Caller(service)

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name."""
        remembered = self._replays.remembered if self._replays else 0
        return {"auth_signatures_remembered": remembered, **self.refusals.stats()}

    def _fresh(self, given: dict[str, str], now_ms: int) -> int:
        """When the request was signed, which must be about now."""
        if self._replays is None:
            return 0
        timestamp = _timestamp(given)
        if self._replays.stale(timestamp, now_ms):
            raise NotAuthenticated(f"signed {(now_ms - timestamp) / 1000:.0f} s ago by its clock", "stale")
        if self._replays.ahead(timestamp, now_ms):
            raise NotAuthenticated(f"signed {(timestamp - now_ms) / 1000:.0f} s ahead of our clock", "ahead")
        return timestamp

    def _once(self, service: str, timestamp: int, nonce: str, now_ms: int) -> None:
        """Let a signature pass the first time."""
        if self._replays is None:
            return
        if now_ms >= self._purge_at_ms or now_ms < self._purge_at_ms - 2 * _PURGE_EVERY_MS:
            self._purge_at_ms = now_ms + _PURGE_EVERY_MS
            self._replays.purge(now_ms)
        if self._replays.forgotten(service, timestamp):
            raise NotAuthenticated("its service signs more than is remembered", "forgotten")
        if not self._replays.first(service, timestamp, nonce, now_ms):
            raise NotAuthenticated("the same signature was used before", "replayed")

    async def _service(self, service: str) -> Service | None:
        return await self._services.get(service) if _SERVICE.fullmatch(service) else None


def parameters(header: str) -> dict[str, str]:
    """The parameters of a MAuth header without their prefix ``mauth_``. Raises NotAuthenticated.

    Blanks around commas and quoted values are accepted, in any order. No value may contain a comma: what is signed is
    joined by commas, so one that does could pass the parts of one signature off as other parts.
    """
    scheme = _SCHEME.match(header)
    if scheme is None or len(header) > _MAX_HEADER:
        raise NotAuthenticated("no MAuth header")
    given: dict[str, str] = {}
    at = scheme.end()
    while at < len(header):
        found = _PARAMETER.match(header, at)
        if found is None:
            raise NotAuthenticated("malformed MAuth header")
        at = found.end()
        name = found["name"].lower().removeprefix("mauth_")
        value = found["plain"] if found["quoted"] is None else found["quoted"]
        if name in given or (name != "realm" and "," in value):
            raise NotAuthenticated("malformed MAuth header")
        given[name] = value
    for name in ("serviceid", "cnonce", "timestamp", "signature"):
        if not given.get(name):
            raise NotAuthenticated(f"no {name} in the MAuth header")
    if given.get("signature_method") != _METHOD:
        raise NotAuthenticated(f"signature method is not {_METHOD}")
    return given


def _signed(given: dict[str, str]) -> str:
    signed = f"{given['timestamp']},{given['cnonce']}"
    if given.get("username") and given.get("role"):
        signed += f",{given['username']},{given['role']}"
    return signed


def _timestamp(given: dict[str, str]) -> int:
    written = _TIMESTAMP.fullmatch(given["timestamp"])
    if written is None:
        raise NotAuthenticated("timestamp is not a number of milliseconds")
    return int(written[1])


def _user(written: str) -> str:
    """The user's name: base64 of UTF-8, or, where it cannot be that, as it stands."""
    try:
        decoded = base64.b64decode(written, validate=True).decode()
    except (binascii.Error, ValueError):
        return _text(written)
    return decoded if decoded.isprintable() else _text(written)


def _text(latin: str) -> str:
    """Header text, which arrives byte by byte, as what it says if that is UTF-8."""
    try:
        return latin.encode("latin-1").decode()
    except UnicodeDecodeError:
        return latin
