"""Where everything is put together: the parts of a node, and the order in which they live and end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
import structlog
from starlette.routing import Route

from palaver import __version__
from palaver.api import live, site
from palaver.api.auth.invitations import Invitations
from palaver.api.auth.mauth import MAuth
from palaver.api.auth.tokens import TokenDesk
from palaver.api.clock import wall_clock
from palaver.api.demo import Demo, DemoSettings
from palaver.api.demo_session import DemoSessions
from palaver.api.demo_view import DemoView
from palaver.api.http.edge import Edge
from palaver.api.http.forwarding import TrustedProxies
from palaver.api.http.ice_servers import IceServers, ice_server
from palaver.api.http.portal_address import PortalAddress
from palaver.api.invites import InvitedGuests
from palaver.api.names import KnownNames
from palaver.api.page_recordings import PageRecordings
from palaver.api.page_streams import PageStreams
from palaver.api.portal.server import Portal
from palaver.api.portal.settings import PortalSettings
from palaver.api.rest.app import build
from palaver.api.rest.settings import RestSettings
from palaver.api.sources import Sources
from palaver.api.whip.routes import WhipAndWhep
from palaver.api.whip.settings import WhipSettings
from palaver.api.wire.events import PHONE_DIGIT, described, digit_data, event_info, recording_data
from palaver.api.wire.rooms import config_of
from palaver.containment import OwnedTasks
from palaver.events.feed import EventFeed
from palaver.events.webhooks import WebhookLimits, WebhookSender
from palaver.host.rooms import Rooms
from palaver.jobs.analysis_events import AnalysisListener
from palaver.jobs.jobs import Jobs
from palaver.jobs.opening import RoomOpener
from palaver.jobs.own_recordings import OwnRecordings
from palaver.jobs.phones import Phones, PhoneSettings
from palaver.jobs.recording import Recordings
from palaver.jobs.streaming_in import StreamingIns
from palaver.jobs.streaming_out import StreamingOuts
from palaver.media.encoders import FormLimits
from palaver.media.local import LocalEngine
from palaver.media.pipelines.confinement import Limits
from palaver.mixing.mixes import Mixes
from palaver.room.endpoints import FileSink, PullSource, PushSink, TestSource
from palaver.server import addresses, http, limits, operator, services, sip, state, tls
from palaver.server.analytics import AnalyticsParts
from palaver.server.observe import Health, LoopLag
from palaver.server.recordings import RecordingParts
from palaver.sip.lines import Lines
from palaver.streaming import generate
from palaver.streaming.pull import pull
from palaver.streaming.push import push
from palaver.streaming.targets import TargetStates
from palaver.streaming.urls import UrlPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from pathlib import Path

    from palaver.jobs.kinds import JobKind
    from palaver.media.endpoints import EndpointKind
    from palaver.server.config import Config
    from palaver.server.data import Account, DataDirectory
    from palaver.server.tls import Certificate
    from palaver.store import Store

Socket = socket.socket
_BACKLOG: Final = 2048


class StartError(Exception):
    """The server cannot start; the text says what is in the way."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where HTTP listens, and the certificate if it speaks TLS."""

    socket: socket.socket
    certificate: Certificate | None
    on_loopback: bool
    operator: Socket | None = None

    def urls(self) -> list[str]:
        """The server's addresses as people type them, the most useful first."""
        host, port = self.socket.getsockname()[:2]
        scheme = "https" if self.certificate else "http"
        hosts = addresses.media_addresses(host) if addresses.is_wildcard(host) else [host]
        return [f"{scheme}://{addresses.in_url(h)}:{port}" for h in hosts]


def listen(config: Config, directory: DataDirectory) -> Listening:
    """Bind the HTTP port and settle on a certificate. Raises StartError, TlsError."""
    wanted = config.http
    on_loopback = addresses.is_loopback(wanted.host)
    certificate = None
    if wanted.tls_cert or wanted.tls_key:
        certificate = tls.given(wanted.tls_cert, wanted.tls_key)
    elif not (on_loopback or wanted.plain):
        certificate = tls.self_signed(directory.path, addresses.media_addresses(wanted.host))
    bound = _bind(wanted.host, wanted.port)
    own = _bind(config.operator.host, config.operator.port) if config.operator.port else None
    return Listening(bound, certificate, on_loopback, own)


def _bind(host: str, port: int) -> socket.socket:
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(
            info[4][:2], family=info[0], backlog=_BACKLOG, dualstack_ipv6=host == "::"
        )
    except OSError as error:
        raise StartError(f"cannot listen on {host} port {port}: {addresses.reason(error)}") from error


def make_engine(
    config: Config,
    recordings: RecordingParts,
    targets: TargetStates,
    analytics: AnalyticsParts,
    lines: Lines,
    *,
    allow_loopback: bool,
) -> LocalEngine:
    """The packet core, bound to its ports. Raises StartError."""
    media, pipelines = config.media, config.pipelines
    for setting, value in (("addresses", media.addresses), ("public_addresses", media.public_addresses)):
        if wrong := [one for one in value if not addresses.is_address(one)]:
            raise StartError(f"media.{setting}: {wrong[0]!r} is no IP address")
    try:
        engine = LocalEngine(
            addresses.of_media(config),
            media.port,
            addresses.media_threads(config),
            public_addresses=media.public_addresses,
            tcp=media.tcp,
            connect_timeout_s=media.connect_timeout_s,
            encoders=Mixes,
            kinds=_kinds(config, recordings, targets, analytics, allow_loopback=allow_loopback)
            | lines.kinds(),
            rtp=sip.rtp_settings(config),
            limits=Limits(pipelines.memory_mib, pipelines.max_pixels, pipelines.decode_share),
            forms=FormLimits(pipelines.max_forms, pipelines.max_forms_per_participant),
        )
    except (OSError, ValueError) as error:
        raise StartError(f"cannot open media ports from {media.port}: {error}") from error
    lines.ports = engine.rtp
    return engine


def _allow_loopback(config: Config, listening: Listening) -> bool:
    """Whether URLs of streams may lead to this machine."""
    return config.streaming.allow_loopback or listening.on_loopback


def _kinds(
    config: Config,
    recordings: RecordingParts,
    targets: TargetStates,
    analytics: AnalyticsParts,
    *,
    allow_loopback: bool,
) -> dict[type, EndpointKind]:
    """What may feed and drain rooms beside clients: a line for each kind."""
    streaming = config.streaming
    return {
        PullSource: pull(
            allow_loopback=allow_loopback, tls_verify=streaming.tls_verify, give_up_s=streaming.give_up_s
        ),
        TestSource: generate.KIND,
        FileSink: recordings.sink(),
        PushSink: push(targets, allow_loopback=allow_loopback, tls_verify=streaming.tls_verify),
        **analytics.analysing.kinds(),
    }


def _job_kinds(
    config: Config,
    recordings: RecordingParts,
    analytics: AnalyticsParts,
    listening: Listening,
    live_folder: Path,
) -> list[JobKind]:
    """What may be asked for that outlives a request: a line for each kind."""
    policy = UrlPolicy(allow_loopback=_allow_loopback(config, listening))
    return [
        StreamingIns(policy, allow_test=config.streaming.allow_test),
        Recordings(recordings.storage),
        StreamingOuts(policy, live_folder),
        analytics.jobs(),
    ]


@dataclass(frozen=True, slots=True)
class Told:
    """What the operator wants of a running node, by signals: to stop; to read its certificate anew."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)


class Node:
    """A server: its parts, put together. ``run`` is its life."""

    def __init__(
        self,
        config: Config,
        directory: DataDirectory,
        listening: Listening,
        engine: LocalEngine,
        store: Store,
        accounts: Mapping[str, Account],
        recordings: RecordingParts,
        targets: TargetStates,
        analytics: AnalyticsParts,
        lines: Lines,
    ) -> None:
        self._config, self._directory, self._listening, self._store = config, directory, listening, store
        self._engine = engine
        self._log = structlog.get_logger("palaver.server")
        self._lag = LoopLag()
        self._tasks = OwnedTasks("palaver.server")
        self._rooms = Rooms(engine, empty_timeout_s=config.rooms.empty_timeout_s)
        self._feed = EventFeed(described, wall_clock)
        self._rooms.watch(self._feed.opened)
        self._webhooks = _webhooks(config, listening, store)
        self._feed.watch(self._webhooks.take)
        secrets = directory.secrets
        tokens = TokenDesk(
            store,
            bytes.fromhex(secrets.tokens),
            wall_clock,
            ticket_lifetime_s=config.portal.ticket_lifetime_s,
        )
        proxies = _proxies(config)
        sources = Sources(config.http.trusted_proxies)
        ice = _ice_servers(config)
        rest = _rest_settings(config, listening, ice)
        self._live_folder = live_folder = directory.path / "live"
        opener = RoomOpener(store, self._rooms, config_of)
        kinds = _job_kinds(config, recordings, analytics, listening, live_folder)
        self._jobs = Jobs(store, opener, kinds)
        seen = AnalysisListener(self._rooms.get, config.analytics.notifications_per_s)
        analytics.results.tell = seen.tell
        self._recordings, self._recorded = recordings, recordings.recorded(store)
        recordings.index.watch(self._rooms.get)
        self._phones = phones = Phones(store, opener, lines, _phone_settings(config))
        phones.watch(lambda room, who, digit: self._feed.tell(room, PHONE_DIGIT, digit_data(who, digit)))
        self._uploads = recordings.uploads(store)
        self._own_recordings = OwnRecordings(self._jobs, wall_clock)
        self._rooms.watch(self._own_recordings.room_started)
        recordings.index.tell(lambda entry, what: self._feed.tell(entry.room, what, recording_data(entry)))
        portal_settings = _portal_settings(config, directory, sources, ice)
        self._portal = Portal(self._rooms, opener, tokens, portal_settings)
        whip = WhipAndWhep(store, self._rooms, opener, tokens, _whip_settings(config, ice))
        sessions = DemoSessions(bytes.fromhex(secrets.cookies), wall_clock)
        portal = PortalAddress(rest.public_url, on_loopback=rest.on_loopback)
        invitations = Invitations(store, bytes.fromhex(secrets.tokens), wall_clock)
        guests = InvitedGuests(
            store,
            invitations,
            tokens,
            portal,
            sessions,
            wall_clock,
            record=config.page.record != "nobody",
            streams=config.page.streams in ("everybody", "invited"),
        )
        page_recordings = PageRecordings(store, self._rooms, self._jobs, self._recorded, sessions, wall_clock)
        demo = Demo(
            store,
            tokens,
            portal,
            DemoSettings(
                everybody=config.page.demo,
                here=listening.on_loopback,
                service=accounts["sample"].id,
                version=__version__,
                max_rooms=config.page.max_rooms,
                record=config.page.record,
                streams=config.page.streams,
            ),
            sessions,
            wall_clock,
        )
        self._limits = limits.of_connections(config, portal_settings)
        mauth = MAuth(
            store.services,
            window_s=config.auth.replay_window_s,
            ahead_s=config.auth.max_ahead_s,
            capacity=config.auth.replay_capacity,
        )
        parts = {
            "auth": mauth.stats,
            "rooms": self._rooms.stats,
            "jobs": lambda: {**opener.stats(), **self._jobs.stats()},
            "recordings": lambda: {**recordings.index.stats(), **self._recorded.archive.stats()},
            **({"uploads": self._uploads.stats} if self._uploads else {}),
            "media": engine.stats,
            "streaming": targets.stats,
            "analytics": lambda: {**analytics.results.stats(), **seen.stats()},
            "sip": phones.stats,
            "portal": self._portal.stats,
            "whip": whip.whip_stats,
            "whep": whip.whep_stats,
            "http": self._limits.stats,
            "events": self._feed.stats,
            "webhooks": self._webhooks.stats,
            "store": store.stats,
            "tasks": lambda: {"failed_total": sum(one.failures for one in self._contained())},
        }
        tried: dict[str, Callable[[], Awaitable[None]]] = {
            "database": store.try_writing,
            "data directory": functools.partial(asyncio.to_thread, directory.try_writing),
        }
        self._health = Health(parts, self._lag, tried)
        extra = [
            Route("/healthz", self._health.alive),
            Route("/readyz", self._health.ready),
            *([] if config.operator.port else operator.routes(config.operator, self._health)),
            *whip.routes(),
            *guests.routes(),
            *page_recordings.routes(),
            *PageStreams(self._rooms, self._jobs, targets, sessions, wall_clock).routes(),
            *_names(config).guard([*demo.routes(), *DemoView(self._rooms, sessions).routes()]),
            *site.routes(config.portal.public_url),  # before what has names in the place of its assets
            *live.routes(live_folder, config.http.cors_origins),
        ]
        app = build(
            store,
            self._rooms,
            self._jobs,
            tokens,
            rest,
            extra,
            invitations=invitations,
            recorded=self._recorded,
            targets=targets,
            phones=phones,
            feed=self._feed,
            webhooks=self._webhooks,
            analyses=analytics.shown(),
            mauth=mauth,
        )
        self._operator = http.server(
            operator.application(config.operator, self._health),
            self._limits,
            certificate=None,
            grace_s=config.http.drain_s,
        )
        edge = Edge(self._portal.asgi(app), proxies, config.http.base_path.rstrip("/"))
        self._server = self._http(edge)

    def _http(self, app: object) -> http.HttpServer:
        certificate = self._listening.certificate
        files = (str(certificate.cert), str(certificate.key)) if certificate else None
        return http.server(app, self._limits, certificate=files, grace_s=self._config.http.drain_s)

    async def run(self, told: Told, greet: Callable[[], None]) -> None:
        """Serve until told to stop, then drain.

        What fails in a part ends a task of it, or the part begins again; the end of the engine, of the rooms or of
        the listening socket is the server's, with the exception.

        ``greet`` is called once requests are answered.
        """
        await self._recordings.index.load(self._store)
        await asyncio.to_thread(
            shutil.rmtree, self._live_folder, ignore_errors=True
        )  # of a server that was killed
        async with asyncio.TaskGroup() as parts:
            running = [
                parts.create_task(self._engine.run(), name="engine"),
                parts.create_task(self._rooms.run(), name="rooms"),
                parts.create_task(self._portal.run(), name="portal"),
                parts.create_task(self._jobs.run(), name="jobs"),
                parts.create_task(self._phones.run(), name="phones"),
                parts.create_task(self._own_recordings.run(), name="own recordings"),
                self._keep(
                    functools.partial(self._recordings.index.run, self._store, self._jobs.knows), "recordings"
                ),
                self._keep(self._recorded.archive.run, "archive"),
                parts.create_task(self._webhooks.run(), name="webhooks"),
                self._keep(self._lag.run, "loop lag"),
                *([self._keep(self._uploads.run, "uploads")] if self._uploads else []),
            ]
            serving = parts.create_task(self._server.serve(sockets=[self._listening.socket]), name="http")
            if self._listening.operator is not None:
                own = self._operator.serve(sockets=[self._listening.operator])
                running.append(parts.create_task(own, name="operator"))
            running.append(self._keep(functools.partial(self._reload_at, told.reload), "certificate"))
            self._tasks.start(functools.partial(self._announce, greet), "announcement")
            await told.stop.wait()
            self._log.info("draining", seconds=self._config.http.drain_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.http.drain_s):
                    await self._tasks.start(self._drain, "drain")
            self._server.should_exit = self._server.force_exit = True
            await serving
            for part in running:
                part.cancel()
            await self._tasks.close()

    def _contained(self) -> list[OwnedTasks]:
        """The tasks of all parts but the engine, which counts its own."""
        parts = (self._rooms, self._jobs, self._phones, self._own_recordings, self._webhooks, self._portal)
        return [self._tasks, *(part.tasks for part in (*parts, self._server, self._operator))]

    def _keep(self, work: Callable[[], Coroutine[object, object, None]], what: str) -> asyncio.Task[None]:
        """Run a part that may fail and begin again without the others."""
        return self._tasks.start(functools.partial(self._tasks.kept, work, what), what)

    async def _reload_at(self, wanted: asyncio.Event) -> None:
        """Each time that it is wanted, use what the certificate's files hold now for connections that come."""
        while True:
            await wanted.wait()
            wanted.clear()
            certificate = self._listening.certificate
            if certificate is None or certificate.fingerprint is not None:
                self._log.info("nothing to reload", why="no certificate is configured")
                continue
            try:
                await asyncio.to_thread(tls.given, str(certificate.cert), str(certificate.key))
                self._server.use_certificate(str(certificate.cert), str(certificate.key))
            except (tls.TlsError, OSError) as error:
                self._log.error("the certificate is not reloaded; the one before stays", error=str(error))
            else:
                self._log.info("certificate reloaded", file=str(certificate.cert))

    async def _announce(self, greet: Callable[[], None]) -> None:
        """Tell that we are here, once requests are answered."""
        await self._server.listening.wait()
        self._health.started = True
        url = self._listening.urls()[0]
        certificate = self._listening.certificate
        here = state.State(
            url,
            os.getpid(),
            str(certificate.cert) if certificate else None,
            tuple(addresses.of_media(self._config)),
            tuple(self._engine.ports),
        )
        state.write(self._directory.path, here)
        greet()
        self._log.info("serving", url=url, media_ports=self._engine.ports, version=__version__)

    async def _drain(self) -> None:
        """Let clients go in the way after which they come back; then end the rooms."""
        self._health.draining = True
        await self._portal.close()
        await self._phones.close()
        await self._jobs.close()
        for host in self._rooms.running():
            await self._rooms.close(host.room.config.id)
        await self._recordings.index.settled()
        await self._recordings.index.save(self._store, self._jobs.knows)
        self._server.should_exit = True


def _phone_settings(config: Config) -> PhoneSettings:
    try:
        return sip.phone_settings(config)
    except ValueError as problem:
        raise StartError(str(problem)) from problem


def _names(config: Config) -> KnownNames:
    """The names of a server that lets people in unasked; where it was told to let everybody in, any."""
    if config.page.demo and not config.page.names:
        return KnownNames(None)
    own = (config.http.host, socket.gethostname(), urlsplit(config.portal.public_url).hostname or "")
    return KnownNames([*config.page.names, *own])


def _webhooks(config: Config, listening: Listening, store: Store) -> WebhookSender:
    return WebhookSender(
        store,
        UrlPolicy(allow_loopback=_allow_loopback(config, listening)),
        WebhookLimits(**msgspec.structs.asdict(config.webhooks)),
        wall_clock,
        lambda event: msgspec.json.encode(event_info(event)).decode(),
    )


def _proxies(config: Config) -> TrustedProxies:
    try:
        return TrustedProxies(config.http.trusted_proxies)
    except ValueError as error:
        raise StartError(f"http.trusted_proxies: {error}") from None


def _rest_settings(config: Config, listening: Listening, ice: IceServers) -> RestSettings:
    return RestSettings(
        realm=config.auth.realm,
        replay_window_s=config.auth.replay_window_s,
        public_url=config.portal.public_url or None,
        on_loopback=listening.on_loopback,
        cors_origins=tuple(config.http.cors_origins),
        body_limit=config.http.body_limit,
        body_timeout_s=config.http.body_timeout_s,
        ice_servers=ice.told_to,
    )


def _portal_settings(
    config: Config, directory: DataDirectory, sources: Sources, ice: IceServers
) -> PortalSettings:
    portal = config.portal
    return PortalSettings(
        ticket_key=bytes.fromhex(directory.secrets.tickets),
        origins=tuple(config.http.cors_origins),
        ping_interval_s=portal.ping_interval_s,
        ping_timeout_s=portal.ping_timeout_s,
        ticket_lifetime_s=portal.ticket_lifetime_s,
        reconnection_timeout_s=portal.reconnection_timeout_s,
        idle_timeout_s=portal.idle_timeout_s,
        requests_per_s=portal.requests_per_s,
        request_burst=portal.request_burst,
        texts_per_s=portal.texts_per_s,
        text_deliveries_per_s=portal.text_deliveries_per_s,
        max_offer_bytes=portal.max_offer_bytes,
        max_early_bytes=portal.max_early_bytes,
        max_early_sessions=portal.max_early_sessions,
        max_early_sessions_per_source=portal.max_early_sessions_per_source,
        body_timeout_s=config.http.body_timeout_s,
        sources=sources,
        ice_servers=ice.told_to,
    )


def _ice_servers(config: Config) -> IceServers:
    ice = config.ice
    try:
        return IceServers(ice.servers, ice.turn_secret, ice.turn_lifetime_s, wall_clock)
    except ValueError as error:
        raise StartError(f"ice.servers: {error}") from None


def _whip_settings(config: Config, ice: IceServers) -> WhipSettings:
    try:
        own = tuple(ice_server(text) for text in config.whip.ice_servers)
    except ValueError as error:
        raise StartError(f"whip.ice_servers: {error}") from None
    return WhipSettings(
        ice_servers=lambda client: (*own, *ice.told_to(client)),
        realm=config.auth.realm,
        body_timeout_s=config.http.body_timeout_s,
    )


async def serve(
    config: Config,
    directory: DataDirectory,
    listening: Listening,
    told: Told,
    greet: Callable[[], None],
) -> None:
    """Run a node until it is told to stop; ``greet`` is called once it answers.

    Raises StartError, StoreError, ServiceError.
    """
    try:
        recordings = RecordingParts(config, directory)
        analytics = AnalyticsParts(config)
    except ValueError as error:
        raise StartError(str(error)) from None
    targets = TargetStates()
    allow_loopback, lines = _allow_loopback(config, listening), Lines()
    engine = make_engine(config, recordings, targets, analytics, lines, allow_loopback=allow_loopback)
    store = await services.open_store(config, directory)
    try:
        accounts = await services.ensure(store, config.service)
        parts = (recordings, targets, analytics, lines)
        await Node(config, directory, listening, engine, store, accounts, *parts).run(told, greet)
    finally:
        await store.close()
        state.forget(directory.path)
