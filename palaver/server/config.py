"""Every setting: a line in palaver.toml, a variable ``PALAVER_SECTION_KEY``, and a line in the documentation.

A setting's documentation is the string under it here; docs/configuration.md is made from these.
Flags win over the environment, the environment over the file, the file over the defaults below.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct, field

from palaver.recording.storage import DEFAULT_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0)]


class ConfigError(Exception):
    """A configuration that cannot be used; the text names file, line, setting and what was expected."""


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of palaver.toml."""


class Http(Section, frozen=True):
    """Where REST, portal and page are served."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` or `::` for all. Media listens there too."""
    port: Port = 3000
    """TCP port of REST, portal and page."""
    tls_cert: str = ""
    """PEM file of the certificate and its chain. Without one, a server that is not on loopback makes its own."""
    tls_key: str = ""
    """PEM file of the certificate's key."""
    plain: bool = False
    """Speak HTTP although other machines can reach us: for servers behind a proxy that ends TLS."""
    trusted_proxies: list[str] = field(default_factory=lambda: ["127.0.0.1", "::1"])
    """Proxies by address or network whose `X-Forwarded-…` and `Forwarded` count; no limit per source is theirs."""
    base_path: Annotated[str, Meta(pattern=r"^(/[0-9A-Za-z._~-]+)*/?$")] = ""
    """Path below which a proxy shows this server, such as `/palaver`; the proxy may take it off or leave it."""
    cors_origins: list[str] = field(default_factory=lambda: ["*"])
    """Origins of pages that may use REST and the portal; `*` for any."""
    body_limit: Annotated[int, Meta(ge=1024)] = 1 << 20
    """Bytes of a request's body."""
    body_timeout_s: Positive = 30.0
    """Seconds that a request's body may take to arrive."""
    header_timeout_s: Positive = 20.0
    """Seconds that a request's header may take to arrive; for the first one, from the connection, TLS included."""
    write_timeout_s: Positive = 30.0
    """Seconds that a client may take to read what waits for it; then the connection is closed."""
    keep_alive_s: Positive = 75.0
    """Seconds that a connection may be idle between requests."""
    max_header_bytes: Annotated[int, Meta(ge=4096)] = 65536
    """Bytes of a request's header."""
    max_connections: Annotated[int, Meta(ge=1)] = 20000
    """Connections beyond which new ones are closed at once; websockets do not count."""
    max_connections_per_source: Annotated[int, Meta(ge=1)] = 2000
    """The same per IPv4 address or IPv6 /64, websockets included; addresses of trusted proxies are exempt."""
    drain_s: Seconds = 5.0
    """Seconds that a stopping server gives to what is under way."""


class Media(Section, frozen=True):
    """The packet core."""

    port: Port = 50000
    """First port; each thread takes one, for UDP and TCP. Clients must reach them all. 0: any free ones."""
    threads: Annotated[int, Meta(ge=0, le=64)] = 0
    """Threads that move packets; 0: one per core, at most four."""
    addresses: list[str] = field(default_factory=list)
    """IP addresses to listen on; empty: `http.host`, or every address of the machine where that is a wildcard."""
    public_addresses: list[str] = field(default_factory=list)
    """IP addresses, v4 or v6, under which others reach this machine through a 1:1 NAT with the same ports."""
    tcp: bool = True
    """Take media over TCP on the same ports, for clients whose network lets no UDP through."""
    connect_timeout_s: Positive = 30.0
    """Seconds within which a client's transport must have connected."""


class Pipelines(Section, frozen=True):
    """Child processes, which decode what clients send."""

    memory_mib: Annotated[int, Meta(ge=256)] = 2048
    """MiB of memory that one process may use; beyond it ends, and another takes its place."""
    max_pixels: Annotated[int, Meta(ge=64 * 64)] = 4096 * 2304
    """Pixels of a picture that is decoded. A larger one is not: its tile says so."""
    decode_share: Annotated[float, Meta(gt=0, le=1)] = 0.7
    """Part of a core that decoding one input may take over five seconds; then it is left out for thirty."""
    max_forms: Annotated[int, Meta(ge=1)] = 16
    """Forms (codec, size, rate, bitrate) in which one view or stream is encoded; subscriptions to others end."""
    max_forms_per_participant: Annotated[int, Meta(ge=1)] = 32
    """Encoded forms, of all views and streams, that one participant may receive; subscriptions to more end."""


class Portal(Section, frozen=True):
    """The Socket.IO end that clients join through."""

    public_url: str = ""
    """Where clients find this server, such as `https://meet.example`; empty: the Host of the request for a token."""
    reconnection_timeout_s: Positive = 60.0
    """Seconds that a participant whose connection broke is kept."""
    ticket_lifetime_s: Positive = 600.0
    """Seconds that a reconnection ticket is valid."""
    idle_timeout_s: Positive = 180.0
    """Seconds after which a connection that never logged in is closed."""
    ping_interval_s: Positive = 25.0
    """Seconds between pings."""
    ping_timeout_s: Positive = 20.0
    """Seconds that a client may take to answer a ping."""
    requests_per_s: Positive = 100.0
    """Requests that a client may make per second over a longer time."""
    request_burst: Annotated[int, Meta(ge=1)] = 500
    """Requests that it may make at once."""
    texts_per_s: Positive = 20.0
    """Texts that a client may send per second over a longer time; five seconds' worth at once."""
    text_deliveries_per_s: Positive = 20000.0
    """Texts that the members of one room receive per second over a longer time, counted once per receiver."""
    max_offer_bytes: Annotated[int, Meta(ge=65536)] = 1 << 20
    """Bytes of an offer. A client's message may be half as long again."""
    max_early_bytes: Annotated[int, Meta(ge=8192)] = 65536
    """Bytes of a message of a client that has not logged in."""
    max_early_sessions: Annotated[int, Meta(ge=1)] = 5000
    """Sessions that have not logged in; beyond them, new ones are refused."""
    max_early_sessions_per_source: Annotated[int, Meta(ge=1)] = 500
    """The same per IPv4 address or IPv6 /64; addresses of trusted proxies are exempt."""


class Whip(Section, frozen=True):
    """WHIP and WHEP."""

    ice_servers: list[str] = field(default_factory=list)
    """STUN and TURN servers for WHIP and WHEP alone, beside those of `[ice]`."""


class Ice(Section, frozen=True):
    """STUN and TURN servers, told to portal clients, WHIP, WHEP and the page."""

    servers: list[str] = field(default_factory=list)
    """`stun:host:port`, `turn:host:port?transport=udp` with `turn_secret`, else `turn:user:password@host:port`."""
    turn_secret: str = ""
    """Secret shared with the TURN servers (coturn: `static-auth-secret`), of which short-lived credentials are made."""
    turn_lifetime_s: Positive = 86_400.0
    """Seconds for which such credentials are good."""


class Auth(Section, frozen=True):
    """Signatures of management requests."""

    replay_window_s: Seconds = 300.0
    """Seconds that a signature is good for, once. 0: it neither ages nor wears out, for old scripts that sign once."""
    max_ahead_s: Seconds = 60.0
    """Seconds that the clock of whoever signs may be ahead of ours."""
    replay_capacity: Annotated[int, Meta(ge=1000)] = 100_000
    """Signatures of one service that are remembered. Beyond, its oldest are forgotten, and none as old is accepted."""
    realm: str = "palaver"
    """What the WWW-Authenticate header of a refusal names."""


class Service(Section, frozen=True):
    """The services that the first start makes."""

    super_id: Annotated[str, Meta(pattern="^([0-9a-f]{24})?$")] = ""
    """Id of the super service: 24 hexadecimal digits. Empty: made at the first start."""
    super_key: str = ""
    """Key of the super service. Empty: made at the first start."""


class Database(Section, frozen=True):
    """Where services, rooms and tokens are kept."""

    url: str = ""
    """`postgresql://user:password@host/name` or `sqlite:///path`; empty: SQLite with the data."""


class Rooms(Section, frozen=True):
    """Running rooms."""

    empty_timeout_s: Seconds = 30.0
    """Seconds after which a room that nobody uses stops; its definition stays."""


class Streaming(Section, frozen=True):
    """Streams that the server fetches, makes and sends."""

    allow_test: bool = False
    """Whether a streaming-in of the URL `test:bars` makes a test picture and sound."""
    allow_loopback: bool = False
    """Whether URLs may lead to this machine; they may if the server itself listens on loopback only."""
    tls_verify: bool = True
    """Whether certificates of `rtsps` and `rtmps` servers must be valid; cameras often have ones that are not."""
    give_up_s: Seconds = 0.0
    """Seconds after which a streaming-in that was interrupted ends; 0: it is tried again for ever."""


class Sip(Section, frozen=True):
    """Phones. The ports are opened once a room has an account at a SIP server."""

    enabled: bool = True
    """Register the accounts of rooms, and take and make calls."""
    host: str = ""
    """IP address for SIP and RTP; empty: the first IPv4 address of `media.addresses`, or of the machine."""
    port: Port = 5060
    """Port for SIP over UDP and TCP. 0: any free one."""
    public_address: str = ""
    """IP address under which phones reach this machine through a 1:1 NAT; empty: that of `media.public_addresses`."""
    tcp: bool = True
    """Take SIP over TCP as well."""
    tls_port: Port = 0
    """Port for SIP over TLS, with `tls_cert` and `tls_key`; 0: none. Servers are reached over TLS without it."""
    tls_cert: str = ""
    """File with our certificate (PEM): that of the port for TLS, and shown to servers that ask for one."""
    tls_key: str = ""
    """File with its key."""
    rtp_ports: Annotated[str, Meta(pattern=r"^[0-9]{4,5}-[0-9]{4,5}$")] = "20000-29999"
    """First and last UDP port for the sound and pictures of calls; each takes two."""
    ring_s: Annotated[float, Meta(ge=1, le=180)] = 30.0
    """Seconds that a phone that is called may ring."""
    max_calls: Annotated[int, Meta(ge=1)] = 500
    """Calls beyond which others are told that we are busy."""
    max_calls_per_source: Annotated[int, Meta(ge=1)] = 200
    """The same per IP address that calls come from."""
    tries_per_source: Annotated[int, Meta(ge=1)] = 100
    """Calls that an IP address may try at once, and each ten seconds."""
    allowed: list[str] = field(default_factory=list)
    """Callers that may call in: patterns such as `*@example.org`, or IP addresses; empty: all."""
    denied: list[str] = field(default_factory=list)
    """Callers that may not, whatever `allowed` says."""


class Operator(Section, frozen=True):
    """What is for the operator alone: where it is served, and whether."""

    port: Port = 0
    """TCP port of `/metrics`, `/docs` and `/openapi.json`, in plain HTTP; 0: they are at `http.port` like all else."""
    host: str = "127.0.0.1"
    """Address of that port."""
    metrics: bool = True
    """Serve `/metrics`."""
    docs: bool = True
    """Serve `/docs` and `/openapi.json`."""


class Recording(Section, frozen=True):
    """Recordings: where they go and how long they stay."""

    directory: str = ""
    """Where recordings are written; empty: `recordings` with the data."""
    name: str = DEFAULT_PATTERN
    """How files are named below it, of `{room}`, `{id}`, `{date}` and `{time}` (UTC); `{id}` must be there."""
    min_free_gb: Seconds = 1.0
    """Gigabytes of the disk that are left free: recordings end before, and none begins."""
    keep_days: Seconds = 0.0
    """Days after which a recording that has ended is deleted; 0: never."""
    keep_gb: Seconds = 0.0
    """Gigabytes of ended recordings beyond which the oldest are deleted; 0: never."""
    url_lifetime_s: Positive = 3600.0
    """Seconds for which the URLs to play and download recordings are good."""


class Upload(Section, frozen=True):
    """Recordings to S3, or to what speaks its language (needs `palaver[s3]`)."""

    bucket: str = ""
    """Where recordings go once they have ended; empty: they stay here."""
    endpoint: str = ""
    """URL of the service; empty: AWS."""
    region: str = ""
    """Its region; empty: what AWS's own settings say."""
    prefix: str = ""
    """What names of objects begin with, such as `meetings/`; the rest is that of the file."""
    access_key: str = ""
    """Empty: keys are searched in AWS's ways: environment, `~/.aws`, the machine's role."""
    secret_key: str = ""
    """The secret of `access_key`."""
    part_mib: Annotated[int, Meta(ge=5, le=1024)] = 16
    """MiB that are sent as one; after an interruption less than that is sent again."""
    delete_local: bool = False
    """Delete files here once their objects were found to be the same. They are then not played from here any more."""


class Webhooks(Section, frozen=True):
    """Events sent to applications."""

    timeout_s: Positive = 10.0
    """Seconds that a receiver may take to answer."""
    give_up_s: Positive = 259_200.0
    """Seconds for which an event is tried again before it is lost; the pauses grow to an hour."""
    max_waiting: Annotated[int, Meta(ge=1)] = 10_000
    """Events that may wait for one webhook; of more the oldest are lost."""


class Analytics(Section, frozen=True):
    """Algorithms that see and hear streams."""

    path: list[str] = field(default_factory=list)
    """Folders and files with plugins, beside those that are installed as packages."""
    aliases: list[str] = field(
        default_factory=lambda: [
            "dc51138a8284436f873418a21ba8cfa7=faces",
            "dc51138a8284436f873418a21ba8cfa8=unchanged",
            "dc51138a8284436f873418a21ba8cfa9=faces-framed",
        ]
    )
    """Other names of algorithms, as `id=algorithm`: by default the ids of OWT's plugins."""
    memory_mib: Annotated[int, Meta(ge=128)] = 1024
    """MiB of memory that one algorithm's process may use."""
    handler_s: Positive = 10.0
    """Seconds that an algorithm may work at one picture, or at its start; then it hangs, and is started again."""
    restarts: Annotated[int, Meta(ge=0)] = 5
    """How often in a row a failing algorithm is started again before its analysis ends."""
    network: bool = False
    """Whether algorithms may use the network."""
    events: Annotated[int, Meta(ge=10, le=100_000)] = 1000
    """Events of one analysis that can be read by REST; the oldest go first."""
    notifications_per_s: Seconds = 5.0
    """Events of one analysis that clients in its room are told in a second; 0: none."""


class Page(Section, frozen=True):
    """The conference page at `/`."""

    demo: bool = False
    """Let people at the page join without a token although other machines can reach us. On loopback they always may."""
    max_rooms: Annotated[int, Meta(ge=1)] = 1000
    """Rooms of the sample service beyond which joining at the page makes no more."""
    record: Literal["everybody", "invited", "nobody"] = "invited"
    """Who may record at the page: guests whose role publishes and people at this machine, or whoever joins with
    `page.demo`, too."""
    streams: Literal["everybody", "invited", "here", "nobody"] = "here"
    """Who may add cameras by URL at the page, and send the room live: people at this machine (`here`), guests whose
    role publishes, too (`invited`), or whoever joins with `page.demo`, too. The server connects to what they name."""
    names: list[str] = field(default_factory=list)
    """Names by which browsers reach a server where people join without a token, beside its own. Without `page.demo`, or
    with names here, others are refused: a page from elsewhere could make its name lead to this machine."""


class Log(Section, frozen=True):
    """What the server says of itself."""

    level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$")] = "info"
    """`debug`, `info`, `warning` or `error`."""
    format: Annotated[str, Meta(pattern="^(auto|console|json)$")] = "auto"
    """`console`, `json`, or `auto`: console on a terminal, JSON otherwise."""


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration."""

    http: Http = field(default_factory=Http)
    media: Media = field(default_factory=Media)
    pipelines: Pipelines = field(default_factory=Pipelines)
    portal: Portal = field(default_factory=Portal)
    whip: Whip = field(default_factory=Whip)
    ice: Ice = field(default_factory=Ice)
    auth: Auth = field(default_factory=Auth)
    service: Service = field(default_factory=Service)
    database: Database = field(default_factory=Database)
    rooms: Rooms = field(default_factory=Rooms)
    streaming: Streaming = field(default_factory=Streaming)
    sip: Sip = field(default_factory=Sip)
    operator: Operator = field(default_factory=Operator)
    recording: Recording = field(default_factory=Recording)
    upload: Upload = field(default_factory=Upload)
    webhooks: Webhooks = field(default_factory=Webhooks)
    analytics: Analytics = field(default_factory=Analytics)
    page: Page = field(default_factory=Page)
    log: Log = field(default_factory=Log)


SECTIONS: Final[Mapping[str, type[Section]]] = {f.name: f.type for f in msgspec.structs.fields(Config)}
NOT_SETTINGS: Final = (
    *("PALAVER_DATA_DIR", "PALAVER_CONFIG"),
    *("PALAVER_URL", "PALAVER_SERVICE", "PALAVER_KEY", "PALAVER_KEY_FILE", "PALAVER_CA"),
)
"""Environment variables of the command line: what is read before the configuration, and which server to ask."""

_FILE: Final = "_FILE"
"""Ends the name of a variable that names a file with the setting's value: keys and URLs with passwords."""

Settings = dict[str, dict[str, Any]]

_SERVICE_LINK: Final = re.compile(r"(?:tcp|udp|sctp)://\S*")
"""What Kubernetes puts into ``NAME_PORT`` for a service called NAME, as a service "palaver-http" does."""

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")
_TYPE: Final = re.compile(r"`([^`]*)`")
_TYPES: Final = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "array": "list",
}


def load(
    path: Path | None,
    environ: Mapping[str, str],
    flags: Settings,
    warn: Callable[[str], None] = lambda _words: None,
) -> Config:
    """The configuration of a file (or none), the environment and the command line. Raises ConfigError.

    ``warn`` is told which variables ``PALAVER_…`` of the environment are no settings: they may be somebody else's.
    """
    text = ""
    if path is not None:
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: {error}") from error
    merged = _from_file(text, path)
    sources = {(s, k): f"{path}:{_line(text, s, k)}" for s, table in merged.items() for k in table}
    found, foreign = _from_environment(environ)
    if foreign:
        warn(f"environment: no such setting, ignored: {', '.join(foreign)}")
    for section, key, name, value in found:
        merged.setdefault(section, {})[key] = value
        sources[section, key] = f"environment variable {name}"
    for section, table in flags.items():
        for key, value in table.items():
            merged.setdefault(section, {})[key] = value
            sources[section, key] = "command line"
    values: dict[str, Section] = {}
    for section, table in merged.items():
        values[section] = _section(section, table, sources)
    return Config(**values)  # type: ignore[arg-type]  # each value has its section's type


def _from_file(text: str, path: Path | None) -> Settings:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = place[1] if place and place[1] else len(text.splitlines())
        raise ConfigError(f"{path}:{line}: {_lower(_PLACE.sub('', str(error)))}") from error
    for section, table in document.items():
        if section not in SECTIONS:
            where = f"{path}:{_line(text, section, None)}"
            raise ConfigError(f"{where}: unknown section [{section}]{_hint(section, SECTIONS)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}:{_line(text, section, None)}: [{section}] is a section, not a value")
    return document


def _from_environment(environ: Mapping[str, str]) -> tuple[list[tuple[str, str, str, Any]], list[str]]:
    """The settings (section, key, variable, value), and the variables that are none."""
    found, foreign = [], []
    known = {
        f"PALAVER_{s}_{k}".upper(): (s, k) for s, kind in SECTIONS.items() for k in kind.__struct_fields__
    }
    for name, value in environ.items():
        if not name.startswith("PALAVER_") or name in NOT_SETTINGS:
            continue
        if name not in known and name.removesuffix(_FILE) in known:
            name, value = name.removesuffix(_FILE), _content(name, value)
        if name not in known or (name.endswith("_PORT") and _SERVICE_LINK.fullmatch(value)):
            close = "" if name in known else _hint(name, known, " (did you mean {}?)")
            foreign.append(name + close)
            continue
        section, key = known[name]
        found.append((section, key, name, _listed(section, key, value)))
    return found, foreign


def _content(name: str, file: str) -> str:
    """What stands in the file that an environment variable names, without the end of its line."""
    try:
        return Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"environment variable {name}: {file}: {getattr(error, 'strerror', error)}"
        ) from error


def _listed(section: str, key: str, value: str) -> Any:
    """An environment variable's text; a list where the setting is one, separated by commas."""
    kinds = {f.name: f.type for f in msgspec.structs.fields(SECTIONS[section])}
    if kinds[key] == list[str]:
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _section(section: str, table: dict[str, Any], sources: Mapping[tuple[str, str], str]) -> Section:
    kind = SECTIONS[section]
    for key in table:
        if key not in kind.__struct_fields__:
            hint = _hint(key, kind.__struct_fields__)
            raise ConfigError(f"{sources[section, key]}: unknown setting {section}.{key}{hint}")
    for field_ in msgspec.structs.fields(kind):
        if field_.name not in table:
            continue
        try:
            table[field_.name] = msgspec.convert(table[field_.name], field_.type, strict=False)
        except msgspec.ValidationError as error:
            where = sources[section, field_.name]
            raise ConfigError(f"{where}: {section}.{field_.name}: {_plain(str(error))}") from error
    return kind(**table)


def _plain(message: str) -> str:
    """What msgspec says, for people who do not write Python."""
    return _lower(_TYPE.sub(lambda found: _TYPES.get(found[1], found[1]), message))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _hint(wrong: str, known: Any, words: str = "; did you mean {}?") -> str:
    close = difflib.get_close_matches(wrong, list(known), n=1)
    return words.format(close[0]) if close else ""


def _line(text: str, section: str, key: str | None) -> int:
    """The line of a setting in the file: tomllib does not tell. 1 where it cannot be found."""
    setting = re.compile(rf"[\"']?{re.escape(key or '')}[\"']?\s*=")
    dotted = re.compile(rf"{re.escape(section)}(\.{re.escape(key or '')})?\s*=")
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped.strip("[] ") == section
            if inside and key is None:
                return number
        elif (inside and key is not None and setting.match(stripped)) or dotted.match(stripped):
            return number
    return 1
