"""The requests themselves, without I/O: each function returns what to send and how to read the answer.

Both clients are thin shells over these, so a request is described once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec

from palaver.client.errors import RequestRefused, ServerUnreachable
from palaver.client.types import (
    Algorithms,
    Analysis,
    AnalysisEvent,
    Invite,
    Job,
    Page,
    Participant,
    Patch,
    Presence,
    Recording,
    Room,
    RoomOptions,
    Service,
    SipCall,
    Stream,
    StreamingOut,
    Webhook,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()

STARTING_S = 120.0
"""How long the server may take to start what depends on other machines."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One request. ``returns`` is the type of a JSON answer, ``str`` for a text, ``None`` for nothing of interest.

    ``timeout_s``: how long the answer may take where it is longer than others.
    """

    method: str
    path: str
    returns: Any
    body: Any = None
    query: tuple[tuple[str, str], ...] = ()
    timeout_s: float | None = None

    @property
    def content(self) -> bytes | None:
        """The body as JSON, or None."""
        return None if self.body is None else _ENCODER.encode(self.body)


def signature(service: str, key: str, timestamp_ms: int, nonce: str, realm: str = "palaver") -> str:
    """The Authorization header of one request: MAuth, the base64 of the hex HMAC-SHA256 of ``timestamp,cnonce``."""
    digest = hmac.new(key.encode(), f"{timestamp_ms},{nonce}".encode(), hashlib.sha256).hexdigest()
    fields = {
        "realm": realm,
        "mauth_signature_method": "HMAC_SHA256",
        "mauth_serviceid": service,
        "mauth_cnonce": nonce,
        "mauth_timestamp": str(timestamp_ms),
        "mauth_signature": base64.b64encode(digest.encode()).decode(),
    }
    return "MAuth " + ",".join(f"{name}={value}" for name, value in fields.items())


class _ErrorBody(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Error(msgspec.Struct):
    error: _ErrorBody


def read(operation: Operation[T], status: int, content: bytes, total: str | None = None) -> T:
    """The typed answer to ``operation``.

    Raises RequestRefused for a refusal, ServerUnreachable for an answer that is not Palaver's.
    """
    if status >= 400:
        try:
            error = msgspec.json.decode(content, type=_Error).error
        except msgspec.DecodeError:
            error = _ErrorBody(0, content[:200].decode("utf-8", "replace") or "no reason given")
        raise RequestRefused(status, error.code, error.message)
    if operation.returns is None:
        return None  # type: ignore[return-value]  # T is None for these operations
    if operation.returns is str:
        return content.decode()  # type: ignore[return-value]  # T is str for these operations
    try:
        answer = msgspec.json.decode(content, type=operation.returns)
    except msgspec.DecodeError as error:
        raise ServerUnreachable(
            f"{operation.method} {operation.path}: not a Palaver answer: {error}"
        ) from error
    if isinstance(answer, list):
        return Page(answer, int(total) if total and total.isdigit() else None)  # type: ignore[return-value]  # T is a Page for lists
    return answer  # type: ignore[no-any-return]  # T is what ``returns`` says


def _list_of(item: type[T]) -> Any:
    return list[item]  # type: ignore[valid-type]  # a type made at run time


def _at(*parts: str) -> str:
    return "/v1.1/rooms" + "".join("/" + quote(part, safe="") for part in parts)


def _paging(page: int | None, per_page: int | None) -> tuple[tuple[str, str], ...]:
    given = (("page", page), ("per_page", per_page))
    return tuple((name, str(value)) for name, value in given if value is not None)


class ServiceOperations:
    """Accounts; for the super service only."""

    def list(self) -> Operation[Page[Service]]:
        """All services."""
        return Operation("GET", "/services", list[Service])

    def get(self, service: str) -> Operation[Service]:
        """One service."""
        return Operation("GET", f"/services/{quote(service, safe='')}", Service)

    def create(self, name: str, key: str) -> Operation[Service]:
        """A new service; the server stores ``key`` encrypted."""
        return Operation("POST", "/services", Service, {"name": name, "key": key})

    def delete(self, service: str) -> Operation[None]:
        """Delete a service and its rooms."""
        return Operation("DELETE", f"/services/{quote(service, safe='')}", None)


class RoomOperations:
    """Definitions of rooms."""

    def list(self, page: int | None = None, per_page: int | None = None) -> Operation[Page[Room]]:
        """The service's rooms, oldest first; ``page`` counts from 1 and needs ``per_page``."""
        return Operation("GET", "/v1/rooms", list[Room], query=_paging(page, per_page))

    def get(self, room: str) -> Operation[Room]:
        """One room."""
        return Operation("GET", f"/v1/rooms/{quote(room, safe='')}", Room)

    def create(self, name: str, options: RoomOptions | None = None) -> Operation[Room]:
        """A new room with the server's defaults for what ``options`` leaves out."""
        return Operation("POST", "/v1/rooms", Room, {"name": name, "options": options or RoomOptions()})

    def update(self, room: str, options: RoomOptions) -> Operation[Room]:
        """Replace the members that ``options`` sets; a running room keeps what it started with."""
        return Operation("PUT", f"/v1/rooms/{quote(room, safe='')}", Room, options)

    def delete(self, room: str) -> Operation[None]:
        """Delete a room; whoever is in it is dropped."""
        return Operation("DELETE", f"/v1/rooms/{quote(room, safe='')}", None)


class TokenOperations:
    """Tickets for joining."""

    def create(
        self, room: str, user: str, role: str, *, reusable: bool = False, ttl_s: int | None = None
    ) -> Operation[str]:
        """A token; single use and 3 minutes unless ``reusable`` (for WHIP and WHEP), then ``ttl_s`` long."""
        body: dict[str, Any] = {"user": user, "role": role}
        if reusable:
            body |= {"reusable": True} | ({"ttlSeconds": ttl_s} if ttl_s is not None else {})
        return Operation("POST", f"/v1/rooms/{quote(room, safe='')}/tokens", str, body)


class InviteOperations:
    """Links by which people join at the page."""

    def list(self, room: str) -> Operation[Page[Invite]]:
        """All of a room, the oldest first."""
        return Operation("GET", _at(room, "invites"), list[Invite])

    def create(
        self, room: str, role: str = "presenter", *, ttl_s: int | None = None, uses: int | None = None
    ) -> Operation[Invite]:
        """A link; without ``ttl_s`` good until it is revoked, without ``uses`` for any number of people."""
        body: dict[str, Any] = {"role": role}
        if ttl_s is not None:
            body["ttlSeconds"] = ttl_s
        if uses is not None:
            body["uses"] = uses
        return Operation("POST", _at(room, "invites"), Invite, body)

    def revoke(self, room: str, invite: str) -> Operation[None]:
        """Let nobody else in by it; who came by it stays."""
        return Operation("DELETE", _at(room, "invites", invite), None)


class ParticipantOperations:
    """Who is in a room."""

    def list(self, room: str) -> Operation[Page[Participant]]:
        """Everybody in the room."""
        return Operation("GET", _at(room, "participants"), list[Participant])

    def get(self, room: str, participant: str) -> Operation[Participant]:
        """One participant."""
        return Operation("GET", _at(room, "participants", participant), Participant)

    def update(self, room: str, participant: str, changes: Sequence[Patch]) -> Operation[Participant]:
        """Change permissions: paths ``/permission/(publish|subscribe)[/(audio|video)]``."""
        return Operation("PATCH", _at(room, "participants", participant), Participant, changes)

    def drop(self, room: str, participant: str) -> Operation[None]:
        """Remove somebody from the room."""
        return Operation("DELETE", _at(room, "participants", participant), None)


class StreamOperations:
    """What can be subscribed to."""

    def list(self, room: str) -> Operation[Page[Stream]]:
        """All streams: views first, then by age."""
        return Operation("GET", _at(room, "streams"), list[Stream])

    def get(self, room: str, stream: str) -> Operation[Stream]:
        """One stream."""
        return Operation("GET", _at(room, "streams", stream), Stream)

    def update(self, room: str, stream: str, changes: Sequence[Patch]) -> Operation[Stream]:
        """Mute, mix or lay out a stream."""
        return Operation("PATCH", _at(room, "streams", stream), Stream, changes)

    def delete(self, room: str, stream: str) -> Operation[None]:
        """End a stream."""
        return Operation("DELETE", _at(room, "streams", stream), None)


class StreamingInOperations:
    """Streams that the server fetches from elsewhere; they are streams of the room too."""

    def create(
        self,
        room: str,
        url: str,
        *,
        audio: Presence = "auto",
        video: Presence = "auto",
        protocol: Literal["tcp", "udp"] = "tcp",
        buffer_size: int | None = None,
        loop: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> Operation[Stream]:
        """Fetch ``url``; the answer comes when the stream has arrived. ``buffer_size`` (bytes) is for udp;
        ``loop``: a file begins again at its end."""
        connection: dict[str, Any] = {"url": url, "transportProtocol": protocol}
        if buffer_size is not None:
            connection["bufferSize"] = buffer_size
        if loop:
            connection["loop"] = True
        body: dict[str, Any] = {"connection": connection, "media": {"audio": audio, "video": video}}
        if attributes is not None:
            body["attributes"] = attributes
        return Operation("POST", _at(room, "streaming-ins"), Stream, body, timeout_s=STARTING_S)

    def get(self, room: str, stream: str) -> Operation[Stream]:
        """One streaming-in."""
        return Operation("GET", _at(room, "streaming-ins", stream), Stream)

    def update(self, room: str, stream: str, changes: Sequence[Patch]) -> Operation[Stream]:
        """Mute it, or mix it."""
        return Operation("PATCH", _at(room, "streaming-ins", stream), Stream, changes)

    def delete(self, room: str, stream: str) -> Operation[None]:
        """End one, also one that waits for its source."""
        return Operation("DELETE", _at(room, "streaming-ins", stream), None)


class WebhookOperations:
    """Where the service hears of what happens in its rooms."""

    def list(self) -> Operation[Page[Webhook]]:
        """All, the oldest first."""
        return Operation("GET", "/v1.1/webhooks", list[Webhook])

    def get(self, webhook: str) -> Operation[Webhook]:
        """One, and how it goes."""
        return Operation("GET", _webhook(webhook), Webhook)

    def create(
        self, url: str, events: Sequence[str] | None = None, *, secret: str | None = None
    ) -> Operation[Webhook]:
        """Send events to ``url``: of these types, or all but the frequent ones. The answer has the secret."""
        body: dict[str, Any] = {"url": url}
        if events is not None:
            body["events"] = [*events]
        if secret is not None:
            body["secret"] = secret
        return Operation("POST", "/v1.1/webhooks", Webhook, body)

    def delete(self, webhook: str) -> Operation[None]:
        """Send nothing there any more."""
        return Operation("DELETE", _webhook(webhook), None)

    def test(self, webhook: str) -> Operation[None]:
        """Send an event of type "test" now; refused with the reason if the receiver does not take it."""
        return Operation("POST", _webhook(webhook) + "/test", None, timeout_s=STARTING_S)


def _webhook(webhook: str) -> str:
    return f"/v1.1/webhooks/{quote(webhook, safe='')}"


def events_path(room: str) -> str:
    """Where the events of a room are followed."""
    return _at(room, "events")


class JobOperations:
    """What goes on in a room by request: streaming-ins, recordings and the like, running or not."""

    def list(self, room: str) -> Operation[Page[Job]]:
        """All jobs, oldest first."""
        return Operation("GET", _at(room, "jobs"), list[Job])

    def get(self, room: str, job: str) -> Operation[Job]:
        """One job."""
        return Operation("GET", _at(room, "jobs", job), Job)

    def delete(self, room: str, job: str) -> Operation[None]:
        """End a job."""
        return Operation("DELETE", _at(room, "jobs", job), None)


class OutputOperations(Generic[T]):
    """One kind of output or call of a room; the four kinds differ only in name and type."""

    def __init__(self, name: str, returns: type[T]) -> None:
        self._name, self._returns = name, returns
        self._several = _list_of(returns)

    def list(self, room: str) -> Operation[Page[T]]:
        """All that run now."""
        return Operation("GET", _at(room, self._name), self._several)

    def create(self, room: str, request: dict[str, Any]) -> Operation[T]:
        """Start one; ``request`` is as the guide describes it."""
        return Operation("POST", _at(room, self._name), self._returns, request)

    def update(self, room: str, id: str, changes: Sequence[Patch]) -> Operation[T]:  # noqa: A002  # the API's word
        """Change what it takes, and how."""
        return Operation("PATCH", _at(room, self._name, id), self._returns, changes)

    def delete(self, room: str, id: str) -> Operation[None]:  # noqa: A002  # the API's word
        """Stop one."""
        return Operation("DELETE", _at(room, self._name, id), None)


class RecordingOperations(OutputOperations[Recording]):
    """Recordings of a room, and of all rooms."""

    def __init__(self) -> None:
        super().__init__("recordings", Recording)

    def get(self, room: str, id: str) -> Operation[Recording]:  # noqa: A002  # the API's word
        """One recording, also one that has ended."""
        return Operation("GET", _at(room, "recordings", id), Recording)

    def pause(self, room: str, id: str) -> Operation[Recording]:  # noqa: A002  # the API's word
        """Leave out what comes from now on."""
        return self.update(room, id, [Patch("replace", "/media/status", "inactive")])

    def resume(self, room: str, id: str) -> Operation[Recording]:  # noqa: A002  # the API's word
        """Go on where the pause began."""
        return self.update(room, id, [Patch("replace", "/media/status", "active")])

    def history(
        self, room: str | None = None, page: int | None = None, per_page: int | None = None
    ) -> Operation[Page[Recording]]:
        """All recordings of a room or, without one, of all rooms: those that ended, too."""
        query = _paging(page, per_page)
        if room is None:
            return Operation("GET", "/v1.1/recordings", list[Recording], query=query)
        return Operation("GET", _at(room, "recordings"), list[Recording], query=(("state", "all"), *query))

    def erase(self, id: str) -> Operation[None]:  # noqa: A002  # the API's word
        """Delete a recording that has ended, and its files."""
        return Operation("DELETE", f"/v1.1/recordings/{quote(id, safe='')}", None)


class AnalyticsOperations:
    """Algorithms that see and hear streams of a room, and what they have seen."""

    def algorithms(self) -> Operation[Algorithms]:
        """Those that the server has."""
        return Operation("GET", "/v1.1/analytics/algorithms", Algorithms)

    def list(self, room: str) -> Operation[Page[Analysis]]:
        """All that go on."""
        return Operation("GET", _at(room, "analytics"), list[Analysis])

    def get(self, room: str, id: str) -> Operation[Analysis]:  # noqa: A002  # the API's word
        """One that goes on."""
        return Operation("GET", _at(room, "analytics", id), Analysis)

    def create(self, room: str, request: dict[str, Any]) -> Operation[Analysis]:
        """Start one; ``request`` is as the guide describes it, with ``parameters`` of the algorithm."""
        return Operation("POST", _at(room, "analytics"), Analysis, request)

    def start(
        self,
        room: str,
        algorithm: str,
        *,
        video: str | None = None,
        audio: str | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> Operation[Analysis]:
        """Start one of the streams with these ids, with these parameters of the algorithm."""
        named = {"video": video, "audio": audio}
        media = {kind: {"from": stream} if stream else False for kind, stream in named.items()}
        return self.create(room, {"algorithm": algorithm, "parameters": parameters or {}, "media": media})

    def events(
        self,
        room: str,
        id: str,  # noqa: A002  # the API's word
        after: int = 0,
        per_page: int | None = None,
    ) -> Operation[Page[AnalysisEvent]]:
        """What one has seen after the event of that id, the oldest first; also one that has ended lately."""
        query = (("after", str(after)), *_paging(None, per_page))
        return Operation("GET", f"{_at(room, 'analytics', id)}/events", list[AnalysisEvent], query=query)

    def delete(self, room: str, id: str) -> Operation[None]:  # noqa: A002  # the API's word
        """Stop one."""
        return Operation("DELETE", _at(room, "analytics", id), None)


FETCH: Operation[None] = Operation("GET", "", None)
"""A file by its signed URL."""
RECORDINGS = RecordingOperations()
STREAMING_OUTS = OutputOperations("streaming-outs", StreamingOut)
SIP_CALLS = OutputOperations("sipcalls", SipCall)
ANALYTICS = AnalyticsOperations()


def cut(url: str, start_s: float | None, end_s: float | None) -> str:
    """The URL of a time range of what ``url`` downloads."""
    asked = {"from": start_s, "to": end_s}
    return url + "".join(f"&{name}={value:.3f}" for name, value in asked.items() if value is not None)
