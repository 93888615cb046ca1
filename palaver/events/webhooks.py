"""Webhooks: events are sent to an application's own web server, signed, in order for each room, until it takes them.

Requests are as Standard Webhooks 1.0 has them: headers ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import random
import secrets
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import structlog

from palaver.backoff import Backoff
from palaver.containment import OwnedTasks
from palaver.store import Delivery, StoreError, WebhookRecord
from palaver.streaming.urls import NotResolved, UrlPolicy, UrlRefused, parsed, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx2

    from palaver.events.feed import RoomEvent
    from palaver.store import Store

MAX_PER_SERVICE: Final = 20
_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 24
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 3600.0
_AT_ONCE: Final = 32
"""Requests under way, over all webhooks."""
_AT_ONCE_PER_WEBHOOK: Final = 4
_UNSORTED: Final = 10_000
"""Events that may wait until it is known whose they are."""
_KNOWN_ROOMS: Final = 1000


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """How long an answer may take, how long an event is tried, and how many may wait for one webhook."""

    timeout_s: float = 10.0
    give_up_s: float = 259_200.0
    max_waiting: int = 10_000


@dataclass(slots=True)
class Webhook:
    """A webhook and how it goes. ``error`` is why the last attempt failed, empty if it did not."""

    record: WebhookRecord
    queues: dict[str, deque[Delivery]] = field(default_factory=dict)
    senders: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE_PER_WEBHOOK))
    delivered: int = 0
    failed: int = 0
    error: str = ""

    @property
    def waiting(self) -> int:
        """Events that were not taken yet."""
        return sum(map(len, self.queues.values()))


class NotDelivered(Exception):
    """The receiver did not take an event; the text says why and holds no secret."""


def new_secret() -> str:
    """A secret for signatures, as Standard Webhooks writes them."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret holds. Raises ValueError."""
    if not secret.startswith(_PREFIX):
        raise ValueError(f"expected {_PREFIX} and base64")
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    if not _SECRET_BYTES <= len(key) <= 64:
        raise ValueError("expected 24 to 64 bytes")
    return key


def signed(secret: str, message: str, timestamp: int, body: str) -> dict[str, str]:
    """The headers of one attempt; ``timestamp`` in seconds since the epoch."""
    content = f"{message}.{timestamp}.{body}".encode()
    signature = base64.b64encode(hmac.digest(key_of(secret), content, "sha256")).decode()
    return {
        "content-type": "application/json",
        "user-agent": "palaver-webhooks",
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


class WebhookSender:
    """Sends the events of rooms to the webhooks of their services.

    Every webhook has a queue for each room; of each queue one event is tried at a time. What waits is in the store, so
    that a restart loses nothing. ``printed`` makes a JSON body of an event.
    """

    def __init__(
        self,
        store: Store,
        policy: UrlPolicy,
        limits: WebhookLimits,
        clock: Callable[[], float],
        printed: Callable[[RoomEvent], str],
    ) -> None:
        self._store, self._policy, self._limits, self._clock = store, policy, limits, clock
        self._printed = printed
        self._webhooks: dict[str, Webhook] = {}
        self._unsorted: asyncio.Queue[RoomEvent] = asyncio.Queue(_UNSORTED)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.tasks = OwnedTasks("palaver.webhooks")
        self._tasks: OwnedTasks | None = None
        self._client: httpx2.AsyncClient | None = None
        self._loaded = False
        self._services: OrderedDict[str, str] = OrderedDict()
        self._number = 0
        self._counts: Counter[str] = Counter()
        self._log = structlog.get_logger("palaver.webhooks")

    # ── webhooks ────────────────────────────────────────────────────────────────────────────────────

    def of(self, service: str) -> list[Webhook]:
        """The webhooks of a service, the oldest first."""
        return [one for one in self._webhooks.values() if one.record.service == service]

    def get(self, service: str, webhook: str) -> Webhook | None:
        """One of a service."""
        found = self._webhooks.get(webhook)
        return found if found is not None and found.record.service == service else None

    async def check(self, url: str) -> None:
        """Raise UrlRefused unless events may be sent there; a name may have no address yet."""
        parsed(url, ("http", "https"))
        with contextlib.suppress(NotResolved):
            await self._policy.resolve(url)

    async def add(self, record: WebhookRecord) -> Webhook:
        """A new one. Raises StoreError."""
        await self._store.webhooks.add(record)
        added = self._webhooks[record.id] = Webhook(record)
        return added

    async def remove(self, webhook: Webhook) -> None:
        """End one, with all that waits for it. Raises StoreError."""
        await self._store.webhooks.delete(webhook.record.id)
        self._forget(webhook)

    def forget_service(self, service: str) -> None:
        """A service is gone, and its webhooks with it."""
        for webhook in self.of(service):
            self._forget(webhook)

    def _forget(self, webhook: Webhook) -> None:
        self._webhooks.pop(webhook.record.id, None)
        webhook.queues.clear()
        for sender in webhook.senders.values():
            sender.cancel()

    # ── events ──────────────────────────────────────────────────────────────────────────────────────

    def take(self, event: RoomEvent) -> None:
        """Send this event to whom it concerns."""
        if self._loaded and not self._webhooks:
            return
        try:
            self._unsorted.put_nowait(event)
        except asyncio.QueueFull:
            self._counts["dropped"] += 1

    def know(self, room: str, service: str) -> None:
        """Whose a room is that will be gone when its last event comes."""
        self._services[room] = service
        self._services.move_to_end(room)
        if len(self._services) > _KNOWN_ROOMS:
            self._services.popitem(last=False)

    async def run(self) -> None:
        """Send until cancelled: what waited when the server ended, and all that happens."""
        await self.tasks.kept(self._load, "webhooks")
        try:
            self._tasks = self.tasks
            for webhook in list(self._webhooks.values()):
                for room in list(webhook.queues):
                    self._start(webhook, room)
            while True:
                await self._sort_next()
        finally:
            self._tasks = None
            await self.tasks.close()
            if self._client is not None:
                await self._client.aclose()

    async def _sort_next(self) -> None:
        """The same as ``_sort``; what nobody expected costs these events."""
        try:
            await self._sort()
        except Exception as error:
            self._drop("unexpected error", error=repr(error))
            self._log.exception("unexpected error")

    async def _load(self) -> None:
        """Take up what is stored; while the database does not answer, again and again."""
        while True:
            try:
                await self._read()
            except StoreError as failure:
                self._log.error("webhooks were not read", error=str(failure))
                await asyncio.sleep(_FIRST_PAUSE_S)
            else:
                self._loaded = True
                return

    async def _read(self) -> None:
        for record in await self._store.webhooks.all():
            self._webhooks.setdefault(record.id, Webhook(record))
        for webhook in self._webhooks.values():
            webhook.queues.clear()
        for delivery in await self._store.webhooks.waiting():
            if (found := self._webhooks.get(delivery.webhook)) is not None:
                found.queues.setdefault(delivery.room, deque()).append(delivery)

    async def _sort(self) -> None:
        """Give the next events to the webhooks that want them."""
        events = [await self._unsorted.get()]
        while not self._unsorted.empty():
            events.append(self._unsorted.get_nowait())
        made: list[tuple[Webhook, Delivery]] = []
        for event in events:
            service = await self._service_of(event.room)
            wanting = (one for one in self.of(service) if event.type in one.record.types)
            made += [(one, self._delivery(one, event)) for one in wanting]
        if not made:
            return
        try:
            await self._store.webhooks.keep([delivery for _, delivery in made])
        except StoreError as failure:  # they are sent all the same, and lost if we end before
            self._log.error("events for webhooks were not stored", error=str(failure))
        for webhook, delivery in made:
            self._queue(webhook, delivery)

    async def _service_of(self, room: str) -> str:
        """Whose a room is, also shortly after it was deleted; empty if that is not known."""
        if (service := self._services.get(room)) is None:
            try:
                found = await self._store.rooms.get(room)
            except StoreError as failure:
                self._drop("the database failed", error=str(failure))
                return ""
            if found is None:
                return ""
            service = found.service
        self.know(room, service)
        return service

    def _delivery(self, webhook: Webhook, event: RoomEvent) -> Delivery:
        self._number += 1
        now_ms = int(self._clock() * 1000)
        name = f"{now_ms:013d}-{self._number:09d}-{secrets.token_hex(4)}"
        return Delivery(
            name,
            webhook.record.id,
            event.room,
            f"msg_{event.id}_{webhook.record.id[:8]}",
            self._printed(event),
            now_ms,
        )

    def _queue(self, webhook: Webhook, delivery: Delivery) -> None:
        if webhook.record.id not in self._webhooks:
            return
        webhook.queues.setdefault(delivery.room, deque()).append(delivery)
        if webhook.waiting > self._limits.max_waiting:
            self._drop("too many wait", webhook=webhook.record.id)
            fullest = max(webhook.queues.values(), key=len)
            dropped = fullest.popleft()
            if self._tasks is not None:
                self._tasks.start(partial(self._done, dropped), "dropped event")
        self._start(webhook, delivery.room)

    def _start(self, webhook: Webhook, room: str) -> None:
        if room not in webhook.senders and self._tasks is not None and webhook.queues.get(room):
            webhook.senders[room] = self._tasks.start(partial(self._send_all, webhook, room), "webhook")

    async def _send_all(self, webhook: Webhook, room: str) -> None:
        """Send what waits of one room, in order; then end."""
        backoff = _backoff()
        try:
            while queue := webhook.queues.get(room):
                delivery = queue[0]
                failure = await self._contained(webhook, delivery)
                if failure is None:
                    backoff = _backoff()
                elif self._clock() * 1000 - delivery.created_ms > self._limits.give_up_s * 1000:
                    self._drop("given up", webhook=webhook.record.id, error=failure)
                else:
                    await asyncio.sleep(backoff.after() * random.uniform(0.75, 1.25))
                    continue
                await self._done(delivery)
                if queue and queue[0] is delivery:
                    queue.popleft()
        finally:
            webhook.senders.pop(room, None)
            if not webhook.queues.get(room):
                webhook.queues.pop(room, None)

    async def _contained(self, webhook: Webhook, delivery: Delivery) -> str | None:
        """The same as ``_attempt``; what nobody expected is a failed attempt."""
        try:
            return await self._attempt(webhook, delivery)
        except Exception as error:
            self._log.exception("unexpected error", webhook=webhook.record.id)
            return repr(error)

    async def _attempt(self, webhook: Webhook, delivery: Delivery) -> str | None:
        """Try one; why it was not taken, or None."""
        async with webhook.slots, self._slots:  # who hangs holds a few of its own, not those of all
            try:
                await self.post(webhook.record, delivery.message, delivery.body)
            except NotDelivered as failure:
                if webhook.error != str(failure):
                    self._log.warning(
                        "a webhook was not delivered", webhook=webhook.record.id, error=str(failure)
                    )
                webhook.error = str(failure)
                webhook.failed += 1
                self._counts["failed"] += 1
                return webhook.error
        webhook.error = ""
        webhook.delivered += 1
        self._counts["delivered"] += 1
        return None

    async def post(self, record: WebhookRecord, message: str, body: str) -> None:
        """Send one event now. Raises NotDelivered."""
        import httpx2  # which takes memory that most servers never need

        try:
            async with asyncio.timeout(self._limits.timeout_s):
                status = await self._status(record, message, body)
        except TimeoutError:
            raise NotDelivered(f"no answer within {self._limits.timeout_s:g} s") from None
        except UrlRefused as refused:
            raise NotDelivered(f"the address is not allowed: {refused}") from None
        except NotResolved as unknown:
            raise NotDelivered(str(unknown)) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise NotDelivered(redacted_error(error, record.url)) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"the receiver answered {status}")

    async def _status(self, record: WebhookRecord, message: str, body: str) -> int:
        """Post to an address that was checked, whatever the name leads to a moment later."""
        address = (await self._policy.resolve(record.url))[0]
        url = urlsplit(record.url)
        place = f"[{address}]" if ":" in address else address
        target = url._replace(netloc=place if url.port is None else f"{place}:{url.port}")
        headers = signed(record.secret, message, int(self._clock()), body)
        headers["host"] = url.netloc.rpartition("@")[2]
        if url.username is not None:
            pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(
                timeout=self._limits.timeout_s, follow_redirects=False, trust_env=False
            )
        request = self._client.build_request(
            "POST",
            target.geturl(),
            content=body.encode(),
            headers=headers,
            extensions={"sni_hostname": url.hostname},
        )
        answer = await self._client.send(request, stream=True)
        await answer.aclose()  # what it says beside its status is of no interest
        return int(answer.status_code)

    async def _done(self, delivery: Delivery) -> None:
        with contextlib.suppress(StoreError):  # else it is sent once more after a restart, under the same id
            await self._store.webhooks.done(delivery.id)

    def _drop(self, why: str, **more: str) -> None:
        self._counts["dropped"] += 1
        self._log.error("an event for a webhook is lost", why=why, **more)

    def stats(self) -> Mapping[str, float]:
        """Gauges and counters by metric name without prefix."""
        return {
            "registered": len(self._webhooks),
            "waiting": sum(one.waiting for one in self._webhooks.values()),
            "delivered_total": self._counts["delivered"],
            "failed_total": self._counts["failed"],
            "dropped_total": self._counts["dropped"],
        }


def _backoff() -> Backoff:
    return Backoff(first_s=_FIRST_PAUSE_S, most_s=_LONGEST_PAUSE_S)


def redacted_error(error: Exception, url: str) -> str:
    """What went wrong, without what a URL may hide."""
    said = str(error) or type(error).__name__
    return said.replace(url, redacted(url))
