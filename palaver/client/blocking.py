"""The blocking client."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Concatenate, Generic, ParamSpec, Self, TypeVar

import httpx2

from palaver.client import operations as ops
from palaver.client.errors import ServerUnreachable
from palaver.client.signing import Signer
from palaver.client.stream import SILENCE_S, EventReader

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from palaver.client.operations import Operation
    from palaver.client.types import Event, Page, Patch, RecordedPart, SipCall, StreamingOut

O = TypeVar("O", covariant=True)  # noqa: E741  # the operations of one resource, or more of them
P = ParamSpec("P")
T = TypeVar("T")


class Resource(Generic[O]):
    """One resource of the API, bound to a client."""

    def __init__(self, client: Palaver, operations: O) -> None:
        self._client, self._operations = client, operations


def _sent(make: Callable[Concatenate[O, P], Operation[T]]) -> Callable[Concatenate[Resource[O], P], T]:
    """The method that sends what ``make`` describes and returns the typed answer."""

    @functools.wraps(make)
    def method(self: Resource[O], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._client.send(make(self._operations, *args, **kwargs))

    return method


class Services(Resource[ops.ServiceOperations]):
    """Accounts; for the super service only."""

    list = _sent(ops.ServiceOperations.list)
    get = _sent(ops.ServiceOperations.get)
    create = _sent(ops.ServiceOperations.create)
    delete = _sent(ops.ServiceOperations.delete)


class Rooms(Resource[ops.RoomOperations]):
    """Definitions of rooms."""

    list = _sent(ops.RoomOperations.list)
    get = _sent(ops.RoomOperations.get)
    create = _sent(ops.RoomOperations.create)
    update = _sent(ops.RoomOperations.update)
    delete = _sent(ops.RoomOperations.delete)


class Tokens(Resource[ops.TokenOperations]):
    """Tickets for joining."""

    create = _sent(ops.TokenOperations.create)


class Invites(Resource[ops.InviteOperations]):
    """Links by which people join at the page."""

    list = _sent(ops.InviteOperations.list)
    create = _sent(ops.InviteOperations.create)
    revoke = _sent(ops.InviteOperations.revoke)


class Participants(Resource[ops.ParticipantOperations]):
    """Who is in a room."""

    list = _sent(ops.ParticipantOperations.list)
    get = _sent(ops.ParticipantOperations.get)
    update = _sent(ops.ParticipantOperations.update)
    drop = _sent(ops.ParticipantOperations.drop)


class Streams(Resource[ops.StreamOperations]):
    """What can be subscribed to."""

    list = _sent(ops.StreamOperations.list)
    get = _sent(ops.StreamOperations.get)
    update = _sent(ops.StreamOperations.update)
    delete = _sent(ops.StreamOperations.delete)


class StreamingIns(Resource[ops.StreamingInOperations]):
    """Streams that the server fetches from elsewhere."""

    create = _sent(ops.StreamingInOperations.create)
    get = _sent(ops.StreamingInOperations.get)
    update = _sent(ops.StreamingInOperations.update)
    delete = _sent(ops.StreamingInOperations.delete)


class Webhooks(Resource[ops.WebhookOperations]):
    """Where the service hears of what happens in its rooms."""

    list = _sent(ops.WebhookOperations.list)
    get = _sent(ops.WebhookOperations.get)
    create = _sent(ops.WebhookOperations.create)
    delete = _sent(ops.WebhookOperations.delete)
    test = _sent(ops.WebhookOperations.test)


class Jobs(Resource[ops.JobOperations]):
    """What goes on in a room by request, running or not."""

    list = _sent(ops.JobOperations.list)
    get = _sent(ops.JobOperations.get)
    delete = _sent(ops.JobOperations.delete)


class Outputs(Resource[ops.OutputOperations[T]]):
    """One kind of output or call of a room."""

    def list(self, room: str) -> Page[T]:
        """All that run now."""
        return self._client.send(self._operations.list(room))

    def create(self, room: str, request: dict[str, Any]) -> T:
        """Start one; ``request`` is as the guide describes it."""
        return self._client.send(self._operations.create(room, request))

    def update(self, room: str, id: str, changes: Sequence[Patch]) -> T:  # noqa: A002  # the API's word
        """Change what it takes, and how."""
        return self._client.send(self._operations.update(room, id, changes))

    def delete(self, room: str, id: str) -> None:  # noqa: A002  # the API's word
        """Stop one."""
        self._client.send(self._operations.delete(room, id))


class Analytics(Resource[ops.AnalyticsOperations]):
    """Algorithms that see and hear streams of a room, and what they have seen."""

    algorithms = _sent(ops.AnalyticsOperations.algorithms)
    list = _sent(ops.AnalyticsOperations.list)
    get = _sent(ops.AnalyticsOperations.get)
    create = _sent(ops.AnalyticsOperations.create)
    start = _sent(ops.AnalyticsOperations.start)
    events = _sent(ops.AnalyticsOperations.events)
    delete = _sent(ops.AnalyticsOperations.delete)


class Recordings(Resource[ops.RecordingOperations]):
    """Recordings of a room, and of all rooms."""

    list = _sent(ops.RecordingOperations.list)
    get = _sent(ops.RecordingOperations.get)
    create = _sent(ops.RecordingOperations.create)
    update = _sent(ops.RecordingOperations.update)
    delete = _sent(ops.RecordingOperations.delete)
    pause = _sent(ops.RecordingOperations.pause)
    resume = _sent(ops.RecordingOperations.resume)
    history = _sent(ops.RecordingOperations.history)
    erase = _sent(ops.RecordingOperations.erase)

    def download(
        self,
        part: RecordedPart,
        to: BinaryIO,
        progress: Callable[[int], None] | None = None,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
    ) -> None:
        """Write a part's file to ``to``, or what it has from ``start_s`` to ``end_s``, cut at key frames.

        ``progress`` hears how many bytes have come so far.
        """
        self._client.fetch(ops.cut(part.download, start_s, end_s), to, progress)


class Palaver:
    """A service's view of a server. A context manager; one connection pool, safe to share between threads.

    ``verify`` is an SSL context that trusts the server's certificate, or False to trust any. Every request ends
    within ``timeout_s``, but for those that start something with the help of other machines.
    Refusals raise RequestRefused, everything else ServerUnreachable.
    """

    def __init__(
        self,
        url: str,
        service: str,
        key: str,
        *,
        timeout_s: float = 10.0,
        verify: bool | ssl.SSLContext = True,
    ) -> None:
        self._signer = Signer(service, key)
        self._http = httpx2.Client(base_url=url, timeout=timeout_s, verify=verify)
        self.services = Services(self, ops.ServiceOperations())
        self.rooms = Rooms(self, ops.RoomOperations())
        self.tokens = Tokens(self, ops.TokenOperations())
        self.invites = Invites(self, ops.InviteOperations())
        self.participants = Participants(self, ops.ParticipantOperations())
        self.streams = Streams(self, ops.StreamOperations())
        self.streaming_ins = StreamingIns(self, ops.StreamingInOperations())
        self.webhooks = Webhooks(self, ops.WebhookOperations())
        self.jobs = Jobs(self, ops.JobOperations())
        self.recordings = Recordings(self, ops.RECORDINGS)
        self.streaming_outs: Outputs[StreamingOut] = Outputs(self, ops.STREAMING_OUTS)
        self.sip_calls: Outputs[SipCall] = Outputs(self, ops.SIP_CALLS)
        self.analytics = Analytics(self, ops.ANALYTICS)

    def send(self, operation: Operation[T]) -> T:
        """Sign and send one request and read its answer."""
        try:
            answer = self._http.request(
                operation.method,
                operation.path,
                params=list(operation.query),
                content=operation.content,
                headers=self._signer.headers(),
                timeout=operation.timeout_s or httpx2.USE_CLIENT_DEFAULT,
            )
        except httpx2.HTTPError as error:
            raise ServerUnreachable(f"{self._http.base_url}: {str(error) or type(error).__name__}") from error
        return ops.read(operation, answer.status_code, answer.content, answer.headers.get("x-total-count"))

    def events(self, room: str, *, after: str | None = None, give_up_s: float = 60.0) -> Iterator[Event]:
        """What happens in a room, from now on or after the event with the id ``after``, until the room is deleted.

        A connection that breaks is made again and nothing is lost, or an event of type "missed" says so. Raises
        ServerUnreachable if the first connection fails, or if the server is away for longer than ``give_up_s``.
        """
        reader = EventReader(after, give_up_s, time.monotonic)
        timeout = httpx2.Timeout(self._http.timeout.connect, read=SILENCE_S)
        while not reader.over:
            lost = None
            headers = self._signer.headers() | reader.headers()
            try:
                with self._http.stream(
                    "GET", ops.events_path(room), headers=headers, timeout=timeout
                ) as answer:
                    if answer.status_code == 404 and reader.was_connected:
                        return  # the room was deleted meanwhile
                    if answer.status_code >= 500:
                        raise httpx2.RemoteProtocolError(f"the server answered {answer.status_code}")
                    if answer.status_code != 200:
                        ops.read(ops.FETCH, max(answer.status_code, 400), answer.read())
                    reader.connected()
                    for line in answer.iter_lines():
                        if (event := reader.line(line)) is not None:
                            yield event
            except httpx2.HTTPError as error:
                lost = ServerUnreachable(f"{self._http.base_url}: {str(error) or type(error).__name__}")
            if not reader.over:
                time.sleep(reader.lost(lost))

    def fetch(self, url: str, to: BinaryIO, progress: Callable[[int], None] | None = None) -> None:
        """Write what a URL of the server gives to ``to``, as it comes."""
        try:
            with self._http.stream("GET", url) as answer:
                if answer.status_code != 200:
                    ops.read(ops.FETCH, max(answer.status_code, 400), answer.read())
                done = 0
                for chunk in answer.iter_bytes(1 << 20):
                    to.write(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done)
        except httpx2.HTTPError as error:
            raise ServerUnreachable(f"{self._http.base_url}: {str(error) or type(error).__name__}") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
