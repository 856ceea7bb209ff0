"""The tree of settings, section by section as in metaservice.toml; reasons for the defaults stand there.

Frozen, and built by `server.settings.reading.from_mapping` alone: a value that got here is within its bounds.
"""

# ruff: noqa: RUF009 - `setting` and `section` return attrs fields, not values that instances would share
from __future__ import annotations

import ipaddress
from collections.abc import Mapping  # noqa: TC003 - attrs resolves the annotations when it runs
from pathlib import Path
from typing import Literal, TypeAlias

from attrs import frozen

from server.settings.key import (
    DIGEST_PREFIX,
    database_password,
    is_base_url,
    is_client_token,
    is_database_url,
    is_dialect_name,
    is_filled,
    is_host,
    is_network,
    is_origin,
    is_plain,
    is_served_name,
    is_session_id,
    is_token,
    named_secrets,
    named_texts,
    section,
    setting,
)
from server.settings.live import LiveSettings
from server.settings.planner import PlannerSettings
from server.settings.sandbox import SandboxSettings
from wasm_runtime.limits import MIB

LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat: TypeAlias = Literal["auto", "json", "console"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_DAY = 86_400
_TOKEN = "1 to 1,024 visible ASCII characters without a space"  # noqa: S105 - says what a token may be
_CLIENT_TOKEN = f"{_TOKEN}, or sha256: and 64 hexadecimal digits"
_URL = "http(s)://host[:port][/path] without user, query or fragment"


@frozen
class ServerSettings:
    host: str = setting(
        "127.0.0.1",
        "Address to listen on",
        variable="LARS_HOST",
        check=is_host,
        allowed="a host name or address",
    )
    port: int = setting(8_000, "Port to listen on; 0: any free one", low=0, high=65_535, variable="LARS_PORT")
    public_url: str = setting(
        "",
        "The service's address as clients see it; empty: from the request's Host",
        check=lambda text: not text or is_base_url(text),
        allowed=f"empty, or {_URL}",
    )
    hosts: tuple[str, ...] = setting(
        (),
        "Names (Host) that the service is served under besides localhost; none: on loopback without "
        "`server.public_url` no other, else any",
        check=is_served_name,
        allowed="names or addresses without port, *.example.com for all below a name, * for any",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (),
        "Networks whose X-Forwarded-For is believed",
        check=is_network,
        allowed="networks such as 10.0.0.0/8, no bits set beyond the prefix",
    )
    shutdown_seconds: int = setting(20, "Time for requests under way when the service stops", low=0, high=600)
    request_bytes: int = setting(1 * MIB, "Largest request body", low=1_024, high=64 * MIB)
    file_bytes: int = setting(
        MIB // 2,
        "Largest file of a form (multipart/form-data), kept as base64; 0: files are refused",
        low=0,
        high=64 * MIB,
    )
    path_bytes: int = setting(2_048, "Longest path", low=64, high=65_536)
    query_bytes: int = setting(8_192, "Longest query", low=64, high=65_536)
    header_seconds: int = setting(15, "Time for a request's headers to arrive", low=1, high=300)
    body_seconds: int = setting(20, "Time for a request's body to arrive", low=1, high=3_600)
    max_connections: int = setting(1_000, "Open connections", low=1, high=100_000, unit="connections")
    remembered_bytes: int = setting(
        64 * MIB,
        "Replies to reads that are remembered until what they were made of changes; 0: none (docs/live.md)",
        low=0,
        high=MIB * MIB,
    )

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(text) for text in self.trusted_proxies)


@frozen
class AuthSettings:
    token: str = setting(
        "",
        "Bearer token clients must send, or `sha256:` and its digest; its name is `default`; empty: none",
        variable="LARS_AUTH_TOKEN",
        check=is_client_token,
        allowed=_CLIENT_TOKEN,
        secret=True,
    )
    admin_token: str = setting(
        "",
        "Token for the operators' pages below /_meta/ (docs/command.md); empty: there are none",
        variable="LARS_ADMIN_TOKEN",
        check=lambda text: is_token(text) and not text.startswith(DIGEST_PREFIX),
        allowed=f"{_TOKEN}, and itself, not its digest: commands prove with it that they know it",
        secret=True,
    )
    metrics_token: str = setting(
        "",
        "Token for /_meta/metrics and nothing else (docs/operate.md); empty: the admin token alone opens it",
        variable="LARS_METRICS_TOKEN",
        check=is_token,
        allowed=_TOKEN,
        secret=True,
    )
    tokens: Mapping[str, str] = named_secrets(
        'More bearer tokens, `name = "token"`; the name gives a request without X-Session-ID its session',
        check=lambda text: bool(text) and is_client_token(text),
        allowed=_CLIENT_TOKEN,
    )
    scope: Literal["service", "token"] = setting(
        "service",
        "Whose sessions are: one X-Session-ID is one session of the service, or one of each token by itself",
    )

    @property
    def by_name(self) -> dict[str, str]:
        """Every token that lets a client in, by name; empty: the service is open."""
        return ({"default": self.token} if self.token else {}) | dict(self.tokens)

    @property
    def all_tokens(self) -> tuple[str, ...]:
        """Every token that opens anything, the operators' among them."""
        return tuple(filter(None, (*self.by_name.values(), self.admin_token, self.metrics_token)))


@frozen
class SessionSettings:
    anonymous: Literal["reject", "shared"] = setting(
        "reject",
        "A request with neither X-Session-ID nor token: refused (400), or in one shared session",
        variable="LARS_ANONYMOUS",
    )
    in_query: bool = setting(
        False,  # noqa: FBT003
        "Whether `?session=` names the session where no X-Session-ID does, so that a link can",
    )
    expire_days: int = setting(
        0, "Days without use after which a session is removed; 0: never", low=0, high=36_500, unit="days"
    )
    template: str = setting(
        "",
        "The session that every new one begins as a copy of, by its X-Session-ID; empty: none",
        check=lambda text: not text or is_session_id(text),
        allowed="empty, or an X-Session-ID (auth.scope = token: TOKEN/ID)",
    )
    per_token: int = setting(
        0,
        "Sessions that a token may have; the first request of one more: 403; 0: no limit",
        low=0,
        high=10**9,
        unit="sessions",
    )


@frozen
class ConventionsSettings:
    dialect: str = setting(
        "native",
        "Whose words requests are read in: `native`, a dialect's name (docs/dialects.md), or `auto`: what a "
        "session's first marked request is in",
        variable="LARS_DIALECT",
        check=is_dialect_name,
        allowed="native, auto, or a dialect's name such as json-server",
    )
    token_dialects: Mapping[str, str] = named_texts(
        'The same for the requests of a token, `name = "json-server"`',
        check=is_dialect_name,
        allowed="native, auto, or a dialect's name such as json-server",
    )
    delete_collections: bool = setting(
        default=False,
        meaning="Whether conventions take DELETE of a collection: of all its records that the filters match",
    )


@frozen
class ContractSettings:
    file: str = setting(
        "",
        "An API description (OpenAPI 3, Swagger 2.0; JSON or YAML) whose API is served; empty: none",
        variable="LARS_CONTRACT",
        check=is_plain,
        allowed="empty, or a file, relative to where the service is started or absolute",
    )
    unplanned: Literal["example", "refuse"] = setting(
        "example",
        "What answers operations that are not plain and no model plans: the document's example, or 501",
    )
    ask_about_records: bool = setting(
        default=True,
        meaning="Whether the model is asked once about each resource schema: first values, what is unique, "
        "what follows from others",
    )
    beyond: Literal["refuse", "conventions", "model"] = setting(
        "refuse",
        "What answers requests that no operation of the description is for: 404, conventions, or whoever "
        "would without a description",
    )
    replies: Literal["report", "enforce"] = setting(
        "report",
        "What becomes of a reply that the description does not have: it is sent and reported, or it is a 500 "
        "and nothing is kept",
    )
    schemas: int = setting(
        15_000,
        "Schemas of a description that are checked, with copies; of others nothing is",
        low=1,
        high=10_000_000,
        unit="schemas",
    )
    pattern_bytes: int = setting(
        64 * MIB, "What the patterns of a description may take, compiled", low=16 * 1024, high=2**32
    )
    document_bytes: int = setting(
        16 * MIB, "Size of a description with all its files", low=1_024, high=256 * MIB
    )
    operations: int = setting(2_500, "Operations of a description", low=1, high=100_000, unit="operations")
    bulk_operations: int = setting(
        100, "Operations of one bulk request (SCIM's `/Bulk`)", low=1, high=10_000, unit="operations"
    )

    @property
    def path(self) -> Path | None:
        return Path(self.file) if self.file else None


@frozen
class CorsSettings:
    origins: tuple[str, ...] = setting(
        (),
        "Origins whose scripts may use the service from a browser; `*`: any; none: CORS is off",
        variable="LARS_CORS_ORIGINS",
        check=is_origin,
        allowed="origins such as https://app.example.com, or http://localhost:* for any port; lower case, no "
        'slash at the end; or "*"',
    )
    max_age_seconds: int = setting(600, "Time for which browsers keep a preflight's answer", low=0, high=_DAY)


@frozen
class StoreSettings:
    data_root: str = setting(
        "./sandbox_data",
        "Directory of all sessions' data",
        variable="SANDBOX_DATA_ROOT",
        check=is_filled,
        allowed="a directory, relative to where the service is started or absolute",
    )
    cache_dir: str = setting(
        "",
        "Directory of the built guest; empty: `metaservice` in the platform's cache directory",
        variable="LARS_CACHE_DIR",
        check=is_plain,
        allowed="empty, or a directory",
    )
    durability: Literal["full", "relaxed"] = setting(
        "full", "Whether a reply waits until its writes are on the disk"
    )
    total_disk_bytes: int = setting(
        0, "Data of all sessions together; beyond: 507, except reads; 0: no limit", low=0, high=2**60
    )
    history_hours: int = setting(
        24,
        "How long what was changed or deleted is kept, to be rewound; 0: not at all",
        low=0,
        high=87_600,
        unit="hours",
    )
    history_bytes: int = setting(
        256 * MIB, "What is kept of it in all; beyond, who has most loses the oldest", low=1 * MIB, high=2**60
    )
    cache_hours: int = setting(
        24,
        "How long a session's file stays when nobody uses it; it can be made anew; 0: while there is room",
        low=0,
        high=87_600,
        unit="hours",
    )

    @property
    def data_path(self) -> Path:
        return Path(self.data_root)

    @property
    def cache_path(self) -> Path:
        return Path(self.cache_dir)


@frozen
class SimulationSettings:
    replies: bool = setting(
        default=True, meaning="Whether `Prefer: code=429` and `Prefer: delay=2` are heard (docs/http.md)"
    )
    delay_seconds: int = setting(
        10, "The longest that a request is delayed on its wish; 0: not at all", low=0, high=300
    )
    delayed_requests: int = setting(
        100,
        "Requests that wait for their delay at once; further ones do not",
        low=0,
        high=100_000,
        unit="requests",
    )


@frozen
class RateSettings:
    requests_per_token: int = setting(
        0,
        "Requests that a token may send in a window; beyond: 429; 0: no limit",
        low=0,
        high=10**9,
        unit="requests",
    )
    requests_per_session: int = setting(
        0,
        "Requests that a session may get in a window; beyond: 429; 0: no limit",
        low=0,
        high=10**9,
        unit="requests",
    )
    window_seconds: int = setting(60, "How long such a window is", low=1, high=_DAY)


@frozen
class RecordSettings:
    engine: Literal["sqlite", "postgres"] = setting(
        "sqlite", "Where all data is kept: in a file of the data root, or in PostgreSQL, for several nodes"
    )
    url: str = setting(
        "",
        "The database of engine postgres",
        variable="LARS_RECORD_URL",
        check=is_database_url,
        allowed="postgresql://[user[:password]@][host][:port]/database[?options]",
        secret=True,
    )
    node_url: str = setting(
        "",
        "Where the other nodes reach this one; empty: where it listens",
        variable="LARS_NODE_URL",
        check=lambda text: not text or is_base_url(text),
        allowed=f"empty, or {_URL}",
    )
    cluster_token: str = setting(
        "",
        "What nodes know each other by; empty: they believe each other over loopback alone",
        variable="LARS_CLUSTER_TOKEN",
        check=is_token,
        allowed=_TOKEN,
        secret=True,
    )
    lease_ms: int = setting(
        5_000,
        "How long a node's sessions stay its own when nothing is heard of it any more",
        low=250,
        high=60_000,
    )
    idle_seconds: int = setting(300, "How long a node keeps a session that nobody uses", low=1, high=_DAY)
    drain_seconds: int = setting(
        5,
        "How long a node that stops hands requests on to the others, and says to load balancers that it goes",
        low=0,
        high=600,
    )


@frozen
class SchemaSettings:
    enforce: bool = setting(
        default=False, meaning="Whether a field keeps the JSON types it was first stored with; others: 422"
    )


@frozen
class MetricsSettings:
    open: bool = setting(default=False, meaning="Whether /_meta/metrics needs no token")
    routes: int = setting(
        200,
        'Routes that are counted each by itself; the further ones together, as "other"',
        low=0,
        high=10_000,
        unit="routes",
    )


@frozen
class LogSettings:
    level: LogLevel = setting("INFO", "Least level that is logged", variable="LARS_LOG_LEVEL")
    format: LogFormat = setting("auto", "auto: console when standard error is a terminal, else json")
    client_address: bool = setting(
        default=False, meaning="Whether a request's line has the address of the client, 401s too"
    )


@frozen
class ConsoleSettings:
    keep_requests: int = setting(
        0,
        "Requests, with their bodies, that the console keeps in memory to be replayed; 0: none",
        low=0,
        high=1_000,
        unit="requests",
    )
    streams: int = setting(
        16, "Event streams of the console that may be open at once", low=0, high=1_024, unit="streams"
    )


@frozen
class Settings:
    """All settings. `from_mapping({}, environ)` gives the defaults; see `server.settings.reading`."""

    server: ServerSettings = section(ServerSettings)
    auth: AuthSettings = section(AuthSettings)
    sessions: SessionSettings = section(SessionSettings)
    cors: CorsSettings = section(CorsSettings)
    sandbox: SandboxSettings = section(SandboxSettings)
    store: StoreSettings = section(StoreSettings)
    record: RecordSettings = section(RecordSettings)
    rates: RateSettings = section(RateSettings)
    schema: SchemaSettings = section(SchemaSettings)
    conventions: ConventionsSettings = section(ConventionsSettings)
    live: LiveSettings = section(LiveSettings)
    contract: ContractSettings = section(ContractSettings)
    simulation: SimulationSettings = section(SimulationSettings)
    planner: PlannerSettings = section(PlannerSettings)
    metrics: MetricsSettings = section(MetricsSettings)
    log: LogSettings = section(LogSettings)
    console: ConsoleSettings = section(ConsoleSettings)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret text of these settings, for the log to keep out."""
        found = (self.auth.admin_token, self.auth.metrics_token, *self.auth.by_name.values())
        keys = (self.planner.openai.api_key, self.planner.anthropic.api_key)
        url = self.record.url
        nodes = (url, database_password(url), self.record.cluster_token)
        return tuple(text for text in (*found, *keys, *nodes) if text)
