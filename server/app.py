"""The composition root: settings and parts become a service that can be started and closed."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

from attrs import evolve

from server.telemetry import structlog_alone  # noqa: F401  before anything that imports structlog

# isort: split
from server.contracts.files import DocumentLimits
from server.contracts.issued import IssuedTokens
from server.contracts.schemas import SchemaLimits
from server.contracts.served import ServedContracts, read_contract
from server.http.api_pages import ApiPages
from server.http.contracted import Contracted
from server.http.contracts import ContractReader
from server.http.cors import Cors
from server.http.file_fields import FileFields
from server.http.handler import Handler
from server.http.held import HeldBytes, HeldLimits
from server.http.metrics_page import MetricsPage, wanted_tokens
from server.http.remembered import RawDoor
from server.http.semantics import HttpSemantics
from server.http.simulated import Simulated
from server.http.watching import Watching
from server.live.changes import Changes, Touched
from server.live.memory import Memory
from server.live.outlets import Registry, StreamLimits
from server.live.subscribers import Subscribers
from server.live.tickets import Tickets
from server.live.topics import Topics
from server.live.writes import Writes
from server.metrics.meter import Meter
from server.metrics.streams import StreamCounts
from server.openapi.contracted import ContractDescriber
from server.openapi.describer import Describer
from server.openapi.document import Terms
from server.operations.keeping import make_keeper, node_id
from server.operations.naming import session_named
from server.pipeline import Pipeline
from server.planning.assembly import make_planner
from server.planning.contracted import ContractPlanner
from server.planning.dialects.frame.choice import DialectChoice, checked
from server.planning.drafting.usage import UsageBook, usage_book
from server.planning.planner import LearningPlanner
from server.requests.auth import Authenticator
from server.requests.context import ContextReader, EdgeLimits
from server.requests.hosts import Hosts, is_local
from server.requests.known_tokens import KnownTokens
from server.requests.origin import Origin
from server.requests.rates import RateLimits, Rates
from server.service import Service
from server.sessions.directories import CACHES, DataRoot
from server.sessions.documents import KeptDocuments
from server.sessions.files import SessionFiles
from server.sessions.names import SessionNames
from server.sessions.places import Places
from server.sessions.records import Records
from server.sessions.settings import SessionSettings
from server.telemetry.request_line import RequestLine
from wasm_runtime import artifact
from wasm_runtime.pool import WorkerPool
from wasm_runtime.worker_process import NobodyHears, PoolConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from server.cluster.ownership import Ownership
    from server.console.door import Console
    from server.console.points import Gauges
    from server.contracts.contract import Contract
    from server.http.answering import UseCase
    from server.http.clustered import Clustered
    from server.http.handler import Door
    from server.operations.api import Api
    from server.operations.assembly import HoldingExecutor
    from server.planning.planned import Planner
    from server.planning.providers.base import Provider
    from server.record.client import KeeperClient
    from server.settings.schema import CorsSettings, Settings
    from server.telemetry.tracing import Tracing
    from wasm_runtime.artifact import Artifact
    from wasm_runtime.pool import Executor
    from wasm_runtime.worker_process import Hears


def make_app(  # noqa: PLR0915  a part after the other
    settings: Settings,
    *,
    planner: Planner | None = None,
    executor: HoldingExecutor | None = None,
    data_root: DataRoot | None = None,
    tracing: Tracing | None = None,
    changes: Changes | None = None,
    progress: artifact.Progress = lambda _what, _seconds: None,
) -> Service:
    """Put the service together; every part that touches the world is a parameter.

    What is left out is made as the settings say. That locks the data root, and builds the guest if
    the cache has none, which blocks for up to half a minute: `progress` hears of it.
    Raises DataRootError, ArtifactError, and what `make_planner` raises.
    """
    root = data_root or DataRoot.open(settings.store.data_path)
    files = SessionFiles(root.path)
    guest = cache(partial(artifact.ensure, settings.store.cache_path, progress))
    keeper = make_keeper(settings, root)
    records = Records(keeper)
    changes = changes or Changes()
    memory = _memory(settings, changes)
    keeper.on_expired(partial(_publish_expired, changes))
    try:
        files.remove_leftovers()
        pool = executor or worker_pool(settings, root, guest(), keeper, hears=Writes(changes))
        ownership = clustered = None
        if settings.record.engine == "postgres":
            ownership, clustered, pool = _clustered(settings, root, keeper, pool)
        admin = bool(settings.auth.admin_token)
        remembered = None if memory is None else memory.counts
        streams = StreamCounts()
        meter = Meter(
            settings,
            root.path,
            records,
            pool.health,
            remembered,
            streams=streams,
            cluster=None if clustered is None else lambda: clustered.forwarder.counts,
        )
        usage = usage_book(settings.planner, root.path)
        plans = planner or make_planner(
            settings.planner,
            lambda: guest().description,
            pool,
            root.path,
            records.exists,
            keep_library=admin,
            watched=lambda provider: _watched(provider, meter, tracing),
            delete_collections=settings.conventions.delete_collections,
            usage=usage,
            fleet=ownership,
        )
        default = contract_of(settings)
    except BaseException:
        root.close()
        raise
    names = SessionNames(keeper)
    session_settings = SessionSettings(keeper)
    if ownership is not None:
        ownership.on_lost(session_settings.forget)
        ownership.on_lost(partial(_publish_lost, changes))
    contracts = _contracts(settings, default, session_settings, records)
    _tell_of_plans(plans, session_settings, changes)
    plans = ContractPlanner(plans, settings.contract)
    dialects = dialect_choice(settings, session_settings)
    reader = _reader(settings, names)
    use_case = _use_case(settings, plans, pool, session_settings, memory)
    calls = ContractReader(reader, contracts, settings.contract.beyond)
    watching = _watching(
        settings,
        changes,
        reader,
        dialects,
        session_settings,
        use_case,
        streams,
        calls,
        Subscribers(changes, records),
    )
    if ownership is not None:
        ownership.on_lost(lambda lost: watching.registry.end_of(lost, "another node has the session"))
    new_line = RequestLine if tracing is None else tracing.new_line
    notes: list[Callable[[RequestLine], None]] = []
    door: Door | None = None
    doors: list[Renewable] = []
    console: Console | None = None
    if admin:
        api = _operators(
            settings,
            root,
            plans,
            pool,
            names=names,
            records=records,
            usage=usage,
            session_settings=session_settings,
            dialects=dialects,
            changes=changes,
            contracts=contracts,
        )
        moment = partial(_gauges, meter, pool)
        console, use_case = _console(
            settings, api, use_case, notes, new_line, moment, streams, clustered=clustered
        )
        door = console
        doors += [console.beside, console]
    # Operators can read metrics, too: where no token opens that page, there are no operators.
    tokens = wanted_tokens(settings)
    if tokens is not None:
        door = MetricsPage(meter, tokens, door)
        doors.append(door)
        notes.append(meter.tally.note)
    authenticator = Authenticator(settings.auth.by_name)
    note = _all_of(notes)
    # Where requests are traced or kept all take the long way.
    # So do they where somebody else may have the session, or it is counted how many there are.
    rates = _rates(settings, ownership)
    long_way = tracing is not None or settings.console.keep_requests or ownership is not None or rates
    raw_door = None if long_way else _raw_door(settings, memory, note)
    handler = Handler(
        use_case,
        authenticator=authenticator,
        reader=reader,
        api_pages=_api_pages(
            settings,
            plans,
            pool,
            records,
            contracts=contracts,
            dialects=dialects,
            session_settings=session_settings,
        ),
        health=_health(pool, root, keeper, ownership),
        hosts=_hosts(settings),
        cors=cors_of(settings.cors),
        door=door,
        note=note,
        new_line=new_line,
        held=_held(settings),
        dialects=dialects,
        watching=watching,
        following=console,
        contracts=calls,
        settings=session_settings,
        logged_address=reader.origin.client_ip if settings.log.client_address else None,
        raw_door=raw_door,
        cluster=clustered,
        rates=rates,
        places=_places(settings, keeper, changes),
    )

    return Service(
        settings,
        handler,
        plans,
        pool,
        root,
        keeper=keeper,
        names=names,
        session_settings=session_settings,
        usage=usage,
        console=console,
        renew=_renewing(authenticator, reader, watching, memory, doors),
        tracing=tracing,
        streams=[watching.registry] if console is None else [watching.registry, console.streams],
        raw_door=raw_door,
        cluster=None if ownership is None or clustered is None else (ownership, clustered.forwarder),
    )


def _renewing(
    authenticator: Authenticator,
    reader: ContextReader,
    watching: Watching,
    memory: Memory | None,
    doors: Sequence[Renewable],
) -> Callable[[Settings], None]:
    """Has all that knows tokens know those of other settings."""

    def renew(again: Settings) -> None:
        authenticator.renew(again.auth.by_name)
        reader.tokens.renew(again.auth.all_tokens)
        watching.renew(again.auth.by_name)
        if memory is not None:
            memory.forget_spellings()
        for each in doors:
            each.renew(again)

    return renew


def _memory(settings: Settings, changes: Changes) -> Memory | None:
    """What remembers replies, and hears of what makes them fall; None where nothing is to be remembered."""
    if not settings.sandbox.remember or not settings.server.remembered_bytes:
        return None
    memory = Memory(settings.server.remembered_bytes)
    changes.subscribe(memory.heard)
    return memory


def _tell_of_plans(plans: Planner, settings: SessionSettings, changes: Changes) -> None:
    """Have it published where requests of a session, or of all, may get another plan."""

    def told(directory: str) -> None:
        changes.publish(Touched(directory, cause="plan"))

    if isinstance(plans, LearningPlanner):
        plans.on_change(told)
    settings.on_change = told


def _rates(settings: Settings, ownership: Ownership | None) -> Rates | None:
    """None: nothing is limited."""
    options = settings.rates
    if not options.requests_per_token and not options.requests_per_session:
        return None
    limits = RateLimits(options.requests_per_token, options.requests_per_session, options.window_seconds)
    return Rates(limits) if ownership is None else Rates(limits, lambda: len(ownership.lease.others) + 1)


def _places(settings: Settings, keeper: KeeperClient, changes: Changes) -> Places | None:
    """None: a token may have any number of sessions."""
    if not settings.sessions.per_token:
        return None
    places = Places(keeper, settings.sessions.per_token)

    def heard(touched: Touched) -> None:
        if touched.cause in {"deleted", "doubtful"}:  # it is gone, or may be another node's
            places.forget(touched.session)

    changes.subscribe(heard)
    return places


def _clustered(
    settings: Settings, root: DataRoot, keeper: KeeperClient, pool: HoldingExecutor
) -> tuple[Ownership, Clustered, HoldingExecutor]:
    """What makes the service a node: whose sessions are, how requests are handed on, who runs its own."""
    # A service by itself has nothing of it to import.
    from server.cluster.ownership import Ownership, OwningExecutor  # noqa: PLC0415
    from server.http.clustered import Clustered  # noqa: PLC0415
    from server.http.forwarding import Forwarder  # noqa: PLC0415

    options = settings.record
    ownership = Ownership(node_id(root.path), keeper, idle_seconds=options.idle_seconds)
    clustered = Clustered(
        Forwarder(ownership, options.cluster_token, idle_seconds=settings.server.header_seconds),
        settings.server.request_bytes,
        settings.server.body_seconds,
    )
    return ownership, clustered, OwningExecutor(pool, ownership)


class Renewable(Protocol):
    """A door whose tokens may be others from now on."""

    def renew(self, settings: Settings) -> None: ...


def dialect_choice(settings: Settings, kept: SessionSettings) -> DialectChoice:
    """Raises DialectError."""
    chosen = settings.conventions
    by_token = {
        token: checked(name, f"conventions.token_dialects.{token}")
        for token, name in chosen.token_dialects.items()
    }
    return DialectChoice(checked(chosen.dialect, "conventions.dialect"), by_token, kept)


def _held(settings: Settings) -> HeldBytes:
    sandbox = settings.sandbox
    return HeldBytes(HeldLimits(sandbox.queue_bytes_per_session, sandbox.queue_bytes_total))


def _use_case(
    settings: Settings,
    plans: Planner,
    pool: Executor,
    session_settings: SessionSettings,
    memory: Memory | None,
) -> UseCase:
    """What a request goes through between the edge and its plan."""
    enforced = settings.contract.replies == "enforce"
    seconds = settings.sandbox.queue_seconds
    pipeline = Pipeline(plans, pool, queue_seconds=seconds, enforce=enforced, memory=memory)
    return Simulated(
        Contracted(FileFields(HttpSemantics(pipeline)), IssuedTokens(session_settings)),
        settings.simulation,
        lambda ctx, status: None if ctx.contract is None else ctx.contract.on_demand(status),
    )


def _contracts(
    settings: Settings, default: Contract | None, session_settings: SessionSettings, records: Records
) -> ServedContracts:
    return ServedContracts(
        default,
        session_settings,
        KeptDocuments(records),
        contract_limits(settings),
        schema_limits(settings),
    )


def contract_limits(settings: Settings) -> DocumentLimits:
    chosen = settings.contract
    return DocumentLimits(document_bytes=chosen.document_bytes, operations=chosen.operations)


def schema_limits(settings: Settings) -> SchemaLimits:
    return SchemaLimits(nodes=settings.contract.schemas, pattern_bytes=settings.contract.pattern_bytes)


def contract_of(settings: Settings) -> Contract | None:
    """The contract of all sessions that have none of their own. Raises ContractError."""
    path = settings.contract.path
    return None if path is None else read_contract(path, contract_limits(settings), schema_limits(settings))


def _watched(provider: Provider, meter: Meter, tracing: Tracing | None) -> Provider:
    counted = meter.calls.watch(provider)
    return counted if tracing is None else tracing.watch(counted)


def _operators(
    settings: Settings,
    root: DataRoot,
    plans: Planner,
    pool: HoldingExecutor,
    *,
    names: SessionNames,
    records: Records,
    usage: UsageBook,
    session_settings: SessionSettings,
    dialects: DialectChoice,
    changes: Changes,
    contracts: ServedContracts,
) -> Api:
    # What operators do needs as many modules as the service itself, and most services have no operators.
    from server.operations.assembly import make_api  # noqa: PLC0415

    return make_api(
        settings,
        root,
        plans,
        pool,
        names=names,
        records=records,
        usage=usage,
        session_settings=session_settings,
        dialects=dialects,
        changes=changes,
        contracts=contracts,
    )


def _console(  # noqa: PLR0917  parts, each of another kind
    settings: Settings,
    api: Api,
    use_case: UseCase,
    notes: list[Callable[[RequestLine], None]],
    new_line: Callable[..., RequestLine],
    moment: Callable[[], Gauges],
    counts: StreamCounts,
    *,
    clustered: Clustered | None,
) -> tuple[Console, UseCase]:
    """The console, with the operators' pages for programs beside it, and the use case as it is served.

    `notes` has the console's ear from now on; `moment` tells what only a moment has.
    """
    # As with `_operators`.
    from server.console.asking import Asking  # noqa: PLC0415
    from server.console.door import Console  # noqa: PLC0415
    from server.console.live import Live  # noqa: PLC0415
    from server.console.recent import Recent  # noqa: PLC0415
    from server.console.tail import Tail  # noqa: PLC0415
    from server.http.admin import Admin  # noqa: PLC0415

    operated = None
    if clustered is not None:
        from server.http.operated import Operated  # noqa: PLC0415

        operated = Operated(clustered, api)
    token, limits = settings.auth.admin_token, _edge_limits(settings)
    upload_bytes = settings.sandbox.session_disk_bytes
    tail, recent = Tail(), Recent(use_case, settings.console.keep_requests)
    notes.append(tail.note)
    most = settings.console.streams
    origin = Origin(trusted_proxies=settings.server.proxy_networks, public_url=settings.server.public_url)
    console = Console(
        api,
        Asking(use_case, api, _all_of(notes) or tail.note, new_line),
        token,
        live=Live(tail, moment),
        streams=Registry(evolve(_stream_limits(settings), in_all=most, per_session=most + 1), counts),
        recent=recent,
        limits=limits,
        secure=settings.server.public_url.startswith("https:"),
        upload_bytes=upload_bytes,
        beside=Admin(api, token, limits, upload_bytes=upload_bytes, operated=operated),
        address=lambda request: origin.client_ip(request.remote or "", request.headers),
    )
    return console, recent if recent.most else use_case


def _gauges(meter: Meter, pool: Executor) -> Gauges:
    """What the console shows of this moment."""
    from server.console.points import Gauges  # noqa: PLC0415  as with `_operators`

    calls, health = meter.calls, pool.health()
    return Gauges(
        workers=health["ready"],
        guests=health["live_guests"],
        jobs=health["jobs"],
        calls=calls.calls,
        tokens=calls.input_tokens + calls.output_tokens,
        cost=calls.cost,
        model=calls.model,
    )


def _all_of(notes: list[Callable[[RequestLine], None]]) -> Callable[[RequestLine], None] | None:
    """One that tells all; None where there is none."""
    if len(notes) < 2:
        return notes[0] if notes else None

    def note(line: RequestLine) -> None:
        for each in notes:
            each(line)

    return note


def worker_pool(
    settings: Settings,
    root: DataRoot,
    guest: Artifact,
    keeper: KeeperClient,
    *,
    workers: int | None = None,
    hears: Hears | None = None,
) -> WorkerPool:
    """The pool that the settings ask for; `workers` overrides how many. `hears` is told of writes."""
    sandbox = settings.sandbox
    # A worker that has no such directory when it confines itself has no wall around its files.
    (root.path / CACHES).mkdir(mode=0o700, exist_ok=True)
    pool = WorkerPool(
        PoolConfig(
            component=guest.path,
            data_root=root.path / CACHES,
            keeper=keeper,
            hears=hears or NobodyHears(),
            limits=sandbox.limits(),
            reuse=sandbox.reuse_policy(),
            workers=sandbox.worker_count() if workers is None else workers,
            enforce_types=settings.schema.enforce,
            pinned=sandbox.pin_workers,
            lanes=sandbox.lanes,
            queue_per_session=sandbox.queue_per_session,
            queue_total=sandbox.queue_total,
            queue_seconds=sandbox.queue_seconds,
            inherit=(root.lock_fd,),
        )
    )
    keeper.on_start(pool.reconnect)
    return pool


def _publish_lost(changes: Changes, sessions: Sequence[str]) -> None:
    """What another node writes in them is not heard here."""
    for session in sessions:
        changes.publish(Touched(session, whole=True, cause="doubtful"))


def _publish_expired(changes: Changes, sessions: Sequence[str]) -> None:
    for session in sessions:
        changes.publish(Touched(session, whole=True, cause="deleted"))


def _raw_door(
    settings: Settings, memory: Memory | None, note: Callable[[RequestLine], None] | None
) -> RawDoor | None:
    return None if memory is None else RawDoor(memory, note, shows_client=settings.log.client_address)


def _stream_limits(settings: Settings) -> StreamLimits:
    live = settings.live
    return StreamLimits(
        in_all=live.streams,
        per_session=live.streams_per_session,
        per_client=live.streams_per_client,
        routes=live.routes_per_stream,
        buffered_bytes=live.buffered_bytes,
        heartbeat_seconds=live.heartbeat_seconds,
        patience_seconds=settings.server.body_seconds,
    )


def _watching(  # noqa: PLR0917  parts, each of another kind
    settings: Settings,
    changes: Changes,
    reader: ContextReader,
    dialects: DialectChoice,
    session_settings: SessionSettings,
    use_case: UseCase,
    counts: StreamCounts,
    contracts: ContractReader,
    subscribers: Subscribers,
) -> Watching:
    """Event streams, none of them open yet."""
    live = settings.live
    topics = Topics(changes, min_interval=live.min_interval_ms / 1_000, kept_bytes=live.delta_bytes)
    shared, tokens = settings.record.cluster_token, settings.auth.by_name
    tickets = Tickets(live.ticket_seconds, shared=shared, tokens=tokens)
    return Watching(
        Registry(_stream_limits(settings), counts),
        topics,
        changes,
        tickets,
        reader,
        dialects,
        session_settings,
        use_case,
        contracts,
        subscribers,
    )


def cors_of(options: CorsSettings) -> Cors:
    return Cors(frozenset(options.origins), options.max_age_seconds)


def _hosts(settings: Settings) -> Hosts:
    """Behind a proxy that has a name of its own it is the proxy's to say which names lead here."""
    options = settings.server
    return Hosts(options.hosts, local_only=is_local(options.host) and not options.public_url)


def _edge_limits(settings: Settings) -> EdgeLimits:
    options = settings.server
    return EdgeLimits(
        path_bytes=options.path_bytes,
        query_bytes=options.query_bytes,
        request_bytes=options.request_bytes,
        body_seconds=options.body_seconds,
        file_bytes=options.file_bytes,
        object_members=settings.sandbox.object_members,
        body_names=settings.sandbox.body_names,
    )


def _reader(settings: Settings, names: SessionNames) -> ContextReader:
    options, template = settings.server, settings.sessions.template
    # Without client tokens an operator is nobody in particular: tests make their template as any client does.
    closed = session_named(template, {}).directory if template and settings.auth.by_name else ""
    return ContextReader(
        _edge_limits(settings),
        Origin(trusted_proxies=options.proxy_networks, public_url=options.public_url),
        settings.sessions.anonymous,
        names.note,
        settings.auth.scope,
        KnownTokens(settings.auth.all_tokens),
        in_query=settings.sessions.in_query,
        closed=closed,
    )


def _api_pages(
    settings: Settings,
    planner: Planner,
    executor: Executor,
    records: Records,
    *,
    contracts: ServedContracts,
    dialects: DialectChoice,
    session_settings: SessionSettings,
) -> ApiPages:
    anonymous, secured = settings.sessions.anonymous, bool(settings.auth.by_name)
    terms = Terms(
        secured=secured,
        enforced=settings.schema.enforce,
        delete_collections=settings.conventions.delete_collections,
        url=settings.server.public_url,
    )
    describer = Describer(planner, executor, terms, lambda session: records.exists(session.directory))
    return ApiPages(
        ContractDescriber(describer, contracts),
        anonymous,
        settings.server.query_bytes,
        settings.auth.scope,
        dialects,
        session_settings,
    )


def _health(
    executor: Executor, root: DataRoot, keeper: KeeperClient, ownership: Ownership | None
) -> Callable[[], Mapping[str, object]]:
    """What anyone may know: how many workers are ready, and whether data can be written.

    `record`: "ok", "full" (its disk, or the limit of all sessions) or "not there".
    """

    def state() -> dict[str, object]:
        health = executor.health()
        workers = {name: health[name] for name in ("ready", "configured", "enforced")}
        record = "not there" if not keeper.ready else "full" if keeper.full or root.is_full() else "ok"
        if ownership is not None and record == "ok" and not ownership.is_live:
            record = "out of reach"
        status = "stopping" if ownership is not None and ownership.draining else "impaired"
        well = record == "ok" and status == "impaired"
        return {
            **({} if well else {"status": status}),
            "workers": workers,
            "data_root": "ok" if root.is_writable() else "not writable",
            "record": record,
        }

    return state
