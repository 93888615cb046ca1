"""The management API over an in-memory store and a fake media plane, and signed requests to it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from palaver.analytics.catalogue import Catalogue
from palaver.analytics.results import Results
from palaver.api.auth.invitations import Invitations
from palaver.api.auth.mauth import sign
from palaver.api.auth.tokens import TokenDesk
from palaver.api.demo_session import DemoSessions
from palaver.api.http.edge import Edge
from palaver.api.http.forwarding import TrustedProxies
from palaver.api.http.portal_address import PortalAddress
from palaver.api.invites import InvitedGuests
from palaver.api.recording_files import RecordingFiles, UrlSigner
from palaver.api.rest.analyses import SeenByAnalyses
from palaver.api.rest.app import build, descriptions
from palaver.api.rest.recorded import Recorded
from palaver.api.rest.settings import RestSettings
from palaver.api.whip.routes import WhipAndWhep
from palaver.api.whip.settings import WhipSettings
from palaver.api.wire.events import described
from palaver.api.wire.rooms import config_of
from palaver.events.feed import EventFeed
from palaver.events.webhooks import WebhookLimits, WebhookSender
from palaver.host import RoomHost, Rooms
from palaver.jobs.analysis import Analyses
from palaver.jobs.archive import Archive
from palaver.jobs.jobs import Jobs
from palaver.jobs.opening import RoomOpener
from palaver.jobs.phones import Phones, PhoneSettings
from palaver.jobs.recording_index import RecordingIndex
from palaver.jobs.streaming_in import StreamingIns
from palaver.jobs.streaming_out import StreamingOuts
from palaver.media.fake import FakeEngine
from palaver.recording.storage import Retention, Storage
from palaver.room.endpoints import FileSink
from palaver.room.messages import Join
from palaver.room.values import ParticipantId, StreamId, TransportId
from palaver.sip.lines import Lines
from palaver.store import Store
from palaver.streaming.targets import TargetStates
from palaver.streaming.urls import UrlPolicy
from tests.compat.silent_files import FreeRecordings, silent_files
from tests.room.scenes import publish, ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.routing import BaseRoute

NOW = 1_700_000_000.0
BASE = "http://palaver.example:3000"


@dataclass(frozen=True)
class Who:
    """A service and its key."""

    id: str
    key: str


SUPER, ANNA, BERT = Who("a" * 24, "super key"), Who("b" * 24, "anna's key"), Who("c" * 24, "bert's key")


@dataclass
class Clock:
    """Seconds since the epoch, as a test says."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """Everything behind the API."""

    store: Store
    rooms: Rooms
    engine: FakeEngine
    whip: WhipAndWhep
    desk: TokenDesk
    clock: Clock
    client: httpx.AsyncClient
    app: Any
    jobs: Jobs
    feed: EventFeed
    nonces: int = field(default=0)

    def signature(self, who: Who = ANNA, *signed: str, **options: Any) -> str:
        """A fresh Authorization header."""
        self.nonces += 1
        options.setdefault("timestamp_ms", int(self.clock.now * 1000))
        return sign(who.id, who.key, *signed, nonce=str(self.nonces), **options)

    async def call(
        self, method: str, path: str, body: Any = None, *, who: Who = ANNA, **more: Any
    ) -> httpx.Response:
        """One signed request."""
        headers = {"authorization": self.signature(who)} | more.pop("headers", {})
        return await self.client.request(method, path, json=body, headers=headers, **more)

    async def ok(self, method: str, path: str, body: Any = None, *, who: Who = ANNA) -> Any:
        """The JSON of a request that must succeed."""
        answer = await self.call(method, path, body, who=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(
        self, method: str, path: str, body: Any = None, *, who: Who = ANNA, **more: Any
    ) -> tuple[int, int, str]:
        """Status, code and message of a request that must fail."""
        return refusal(await self.call(method, path, body, who=who, **more))

    async def tick(self) -> None:
        """Let other tasks go on."""
        await asyncio.sleep(0.001)

    async def room(self, name: str = "standup", *, who: Who = ANNA, **options: Any) -> str:
        """A new room; its id."""
        return str((await self.ok("POST", "/v1/rooms", {"name": name, "options": options}, who=who))["_id"])

    async def open(self, room: str, *members: str, role: str = "presenter") -> RoomHost:
        """The room, running, with these members."""
        definition = await self.store.rooms.get(room)
        assert definition is not None
        host = self.rooms.open(config_of(definition))
        for member in members:
            host.submit(Join(ParticipantId(member), f"user of {member}", role))
        return host


def live(host: RoomHost, stream: str, by: str, kinds: Sequence[Any] = ("audio", "video")) -> None:
    """Make ``by`` publish ``stream``, which arrives."""
    transport = TransportId(f"transport-of-{stream}")
    host.submit(publish(ParticipantId(by), StreamId(stream), transport, kinds=kinds))
    host.report(ready(StreamId(stream), transport, kinds=kinds))


def refusal(answer: httpx.Response) -> tuple[int, int, str]:
    """Status, code and message."""
    body = answer.json()
    assert set(body) == {"error"}, body
    assert set(body["error"]) == {"code", "message"}, body
    return answer.status_code, body["error"]["code"], body["error"]["message"]


@contextlib.asynccontextmanager
async def make_house(
    *,
    extra_routes: Sequence[BaseRoute] = (),
    settings: RestSettings | None = None,
    whip_settings: WhipSettings | None = None,
    base_path: str = "",
    peer: str = "127.0.0.1",
) -> AsyncIterator[House]:
    clock = Clock()
    store = await Store.open("sqlite://", master_key=b"m" * 32)
    storage, index = Storage(Path("/recordings")), RecordingIndex(clock)
    rooms = Rooms(engine := FakeEngine({FileSink: silent_files(index)}))
    index.watch(rooms.get)
    running = keeping = asyncio.create_task(rooms.run())
    try:
        for who, name in ((SUPER, "superService"), (ANNA, "anna"), (BERT, "bert")):
            await store.services.create(who.id, name, who.key, created_ms=1, is_super=who is SUPER)
        desk = TokenDesk(store, b"s" * 32, clock)
        opener = RoomOpener(store, rooms, config_of)
        analyses = SeenByAnalyses(Catalogue((), {"another-name": "motion"}), Results(clock))
        jobs = Jobs(
            store,
            opener,
            [
                StreamingIns(UrlPolicy(), allow_test=True),
                FreeRecordings(storage),
                StreamingOuts(UrlPolicy(), storage.directory / "live"),
                Analyses(analyses.catalogue, analyses.results),
            ],
        )
        keeping = asyncio.create_task(jobs.run())
        whip = WhipAndWhep(store, rooms, opener, desk, whip_settings or WhipSettings())
        invitations = Invitations(store, b"i" * 32, clock)
        portal = PortalAddress(settings.public_url if settings else None, on_loopback=True)
        guests = InvitedGuests(
            store, invitations, desk, portal, DemoSessions(b"c" * 32, clock), clock, streams=True, record=True
        )
        extra_routes = [*whip.routes(), *guests.routes(), *extra_routes]
        files = RecordingFiles(store, storage, UrlSigner(b"u" * 32, clock, 60))
        recorded = Recorded(index, Archive(store, storage, Retention(), clock), files, "10.0.0.5")
        feed = EventFeed(described, clock)
        rooms.watch(feed.opened)
        webhooks = WebhookSender(
            store, UrlPolicy(allow_loopback=True), WebhookLimits(), clock, lambda event: event.id
        )
        app = build(
            store,
            rooms,
            jobs,
            desk,
            settings or RestSettings(),
            [*descriptions(), *extra_routes],
            invitations=invitations,
            recorded=recorded,
            phones=Phones(store, opener, Lines(), PhoneSettings(None)),
            targets=TargetStates(),
            feed=feed,
            webhooks=webhooks,
            analyses=analyses,
            clock=clock,
        )
        app = Edge(app, TrustedProxies(["127.0.0.1", "::1"]), base_path)
        transport = httpx.ASGITransport(app, client=(peer, 4711))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield House(store, rooms, engine, whip, desk, clock, client, app, jobs, feed)
    finally:
        for task in (keeping, running):
            task.cancel()
            await asyncio.wait([task])
        await store.close()
