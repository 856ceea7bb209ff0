"""The keeper as the API process holds it: its process, started again when it ends, and what is asked of it.

1. What was asked when it ended is Unavailable, or Unknown where it writes: it may have been done.
2. Workers go on meanwhile, and get a new stream each when the next keeper is there (`on_start`).
3. A question waits a limited time for a keeper that is being started.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qs, urlsplit

import structlog
from attrs import asdict, define, evolve, field, frozen

from server.record import control
from server.record.record import RecordError, Unavailable, Unknown
from store.keeper_wire import Head

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What the keeper's process runs, by engine.
MODULES: Final = {"sqlite": "server.record.process", "postgres": "server.record.postgres.process"}
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_WAIT_SECONDS: Final = 5.0
#: SQLite's random numbers begin with it.
_RANDOM: Final = "/dev/urandom"
_POSTGRES_PORT: Final = 5432
_DNS_PORT: Final = 53
#: What finding a host by its name reads, and whom it trusts.
_RESOLVING: Final = (
    *("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"),
    *("/etc/ssl", "/etc/passwd", "/run/systemd/resolve"),
)
#: A stream for each worker, and the record's files.
_OPEN_FILES: Final = 1_024
#: A keeper that lives shorter than this is started again with a growing pause.
_STABLE_SECONDS: Final = 5.0
_LONGEST_PAUSE: Final = 1.0
#: What leaves the record as it is, and so may be said to have failed for certain.
_READS: Final = frozenset(
    {
        "head",
        "versions",
        "load",
        "rows",
        "sessions",
        "session",
        "names",
        "settings",
        "document",
        "log",
        "changes",
        "differences",
        "steps",
        "record_history",
    }
    | {"backup", "verify", "stats", "start"}
)

#: Keepers that are asked before one is out of reach.
_TRIES: Final = 3

log = structlog.get_logger()


@frozen
class KeeperConfig:
    """Seconds and bytes; 0: without end. `template`: the session that new ones begin as, by directory."""

    root: Path
    durability: str = "full"
    session_bytes: int = 0
    total_bytes: int = 0
    history_seconds: float = 0.0
    history_bytes: int = 0
    expire_seconds: float = 0.0
    cache_seconds: float = 0.0
    template: str = ""
    #: "sqlite", or "postgres": then the database's URL, and this node for the others.
    engine: str = "sqlite"
    url: str = field(default="", repr=False)
    node: str = ""
    node_url: str = ""
    release: str = ""
    lease_seconds: float = 5.0
    #: Descriptors that it keeps open (the data root's lock).
    inherit: tuple[int, ...] = ()

    def command(self, control_fd: int, handover_fd: int) -> list[str]:
        """What starts a keeper that can reach the data root and its engine, and nothing else.

        In the words of `wasm_runtime.confined`, which this room does not import.
        """
        confinement = {
            "writable": [str(self.root)],
            "readable": [_RANDOM],
            "file_bytes": sys.maxsize,
            "parent": os.getpid(),
            "open_files": _OPEN_FILES,
            **reach_of(self.url),
        }
        own = (sys.executable, "-I", "-X", "utf8", "-m", "wasm_runtime.confined")
        return [*own, json.dumps(confinement), MODULES[self.engine], str(control_fd), str(handover_fd)]


def reach_of(url: str) -> dict[str, Any]:
    """What a database's URL has the keeper reach: ports, and files that say where it is and who it is."""
    if not url:
        return {}
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    named = [path for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl") for path in query.get(name, ())]
    files = [path for path in (*_RESOLVING, *named) if os.path.exists(path)]  # noqa: PTH110
    ports = {int(port) for port in re.findall(r":(\d{1,5})(?=,|$)", parts.netloc.rpartition("@")[2])}
    ports |= {int(port) for value in query.get("port", ()) for port in value.split(",") if port.isdigit()}
    return {"readable": [_RANDOM, *files], "ports": sorted(ports | {_POSTGRES_PORT, _DNS_PORT})}


@define(eq=False)
class _Process:
    """One keeper."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    handover: socket.socket
    stderr: int
    born: float = field(factory=time.monotonic)
    transport: asyncio.WriteTransport | None = None

    @classmethod
    def spawn(cls, config: KeeperConfig) -> _Process:
        """Raises OSError, with nothing left open."""
        with ExitStack() as undo, ExitStack() as handed_over:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            handed_over.callback(theirs.close)
            giving, taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            undo.callback(giving.close)
            handed_over.callback(taking.close)
            stderr = os.memfd_create("metaservice-keeper-stderr")
            undo.callback(os.close, stderr)
            process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                config.command(theirs.fileno(), taking.fileno()),
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(theirs.fileno(), taking.fileno(), *config.inherit),
                start_new_session=True,
            )
            undo.pop_all()
        return cls(process, ours, giving, stderr)

    def last_words(self) -> str:
        size = os.fstat(self.stderr).st_size
        return os.pread(self.stderr, 2000, max(size - 2000, 0)).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Further calls do nothing."""
        if self.stderr < 0:
            return
        if self.transport is not None:
            self.transport.close()
        self.handover.close()
        os.close(self.stderr)
        self.stderr = -1


class KeeperClient:
    """The keeper there is now, and the one that comes after it.

    `dump` has a session's file of the old format written as text, in a thread; it raises nothing, and answers
    {} or {"error": "..."}.
    """

    def __init__(
        self, config: KeeperConfig, dump: Callable[[Path, Path], dict[str, Any]] = lambda _a, _b: {}
    ) -> None:
        self._config = config
        self._dump = dump
        self._process: _Process | None = None
        self._ready = asyncio.Event()
        self._asked: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._next = 1
        self._closing = False
        self._pause = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._started: list[Callable[[], None]] = []
        #: Of this node's lease: a keeper that comes after another goes on with it.
        self._epoch = 0
        self._lease_heard: list[Callable[[dict[str, Any]], None]] = []
        self._expired: list[Callable[[list[str]], None]] = []
        #: What is full, as the keeper last told: "", "total" or "disk".
        self.full = ""
        #: Keepers that ended without being told to; sessions that were still files at the start.
        self.lost = 0
        self.waiting = 0

    async def start(self) -> None:
        """Raises RecordError where the record cannot be opened, OSError."""
        if self._config.engine == "postgres" and find_spec("asyncpg") is None:
            raise Unavailable("record.engine is postgres: it needs the extra metaservice[cluster] (asyncpg)")
        if self._process is None:
            await self._spawn()

    @property
    def template(self) -> str:
        """The directory of the session that new ones begin as, or ""."""
        return self._config.template

    @property
    def pid(self) -> int:
        return self._process.process.pid if self._process else 0

    @property
    def ready(self) -> bool:
        """Whether a keeper has started, and its stream has not ended."""
        transport = None if self._process is None else self._process.transport
        return self._ready.is_set() and transport is not None and not transport.is_closing()

    def last_words(self) -> str:
        return self._process.last_words() if self._process else ""

    # Workers

    def connect(self, slot: int, slots: int) -> socket.socket | None:
        """A worker's end of a stream to the keeper; None where none has started. Raises OSError.

        A worker is told of each keeper once, by `on_start` or when it is made: to the keeper another stream
        is another worker, and the files of the one before go.
        """
        process = self._process
        if process is None or not self.ready:
            return None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                said = json.dumps({"slot": slot, "slots": slots}).encode()
                socket.send_fds(process.handover, [said], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    def on_start(self, callback: Callable[[], None]) -> None:
        """To be called whenever a keeper has started, the first one or one after it."""
        self._started.append(callback)

    def on_lease(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """To be told of each renewal of this node's lease (`server/record/membership.py`)."""
        self._lease_heard.append(callback)

    def change_node_url(self, url: str) -> None:
        """Where the others find this node: to be said before the keeper starts."""
        self._config = evolve(self._config, node_url=url)

    def on_expired(self, callback: Callable[[list[str]], None]) -> None:
        """To be called with sessions that were removed because nobody had used them."""
        self._expired.append(callback)

    # The process

    async def _spawn(self) -> None:
        process = self._process = _Process.spawn(self._config)
        transport, _ = await asyncio.get_running_loop().create_unix_connection(
            lambda: _Connection(self, process), sock=process.connection
        )
        process.transport = cast("asyncio.WriteTransport", transport)
        config = {**asdict(self._config), "root": str(self._config.root), "epoch": self._epoch}
        del config["inherit"]
        try:
            async with asyncio.timeout(_START_SECONDS):
                started = await self._call("start", **config)
        except TimeoutError:
            process.process.kill()
            raise Unavailable("the keeper of the record does not start") from None
        self.waiting = started["waiting"]
        self._ready.set()
        for callback in self._started:
            callback()

    def on_gone(self, process: _Process) -> None:
        """It has ended, and all that it sent was taken."""
        words = process.last_words()
        process.close()
        self._ready.clear()
        self._process = None
        self._fail(words)
        if self._closing:
            return
        self.lost += 1
        log.warning("keeper lost", exit=process.process.returncode, last_words=words[-500:])
        lived = time.monotonic() - process.born
        self._pause = 0.0 if lived > _STABLE_SECONDS else min(max(self._pause * 2, 0.02), _LONGEST_PAUSE)
        self._background(self._again())

    def _fail(self, words: str) -> None:
        asked, self._asked = self._asked, {}
        for what, future in asked.values():
            if not future.done():
                kind = Unavailable if what in _READS else Unknown
                future.set_exception(kind(f"the keeper of the record ended{f': {words}' if words else ''}"))

    async def _again(self) -> None:
        if self._pause:
            await asyncio.sleep(self._pause)
        if self._closing:
            return
        try:
            await self._spawn()
        except (RecordError, OSError) as error:
            log.warning("keeper not started", error=str(error))
            if self._process is not None:
                self._process.process.kill()  # and `on_gone` tries again
            elif isinstance(error, OSError):
                self._pause = min(max(self._pause * 2, 0.02), _LONGEST_PAUSE)
                self._background(self._again())

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Have it write down what is closed, and end. Further calls do nothing."""
        if self._closing:
            return
        process = self._process
        if process is not None and self._ready.is_set():
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._call("stop")
            except (TimeoutError, RecordError):
                log.warning("keeper killed at stop")
        self._closing = True
        for task in tuple(self._tasks):
            task.cancel()
        self._process = None
        if process is not None:
            process.process.kill()
            await asyncio.to_thread(process.process.wait)
            process.close()
        self._fail("")

    # Questions

    async def versions(self, sessions: list[str]) -> dict[str, int] | None:
        """See `KeeperLink`."""
        try:
            found: dict[str, int] = await self.read("versions", sessions=sessions)
        except RecordError:
            return None
        return found

    async def read(self, what: str, **arguments: Any) -> Any:
        """As `call`, for what writes nothing: where a keeper ends meanwhile, the next one is asked."""
        for _ in range(_TRIES - 1):
            lost = self.lost
            try:
                return await self.call(what, **arguments)
            except Unavailable:
                if self.lost == lost:
                    raise
        return await self.call(what, **arguments)

    async def call(self, what: str, **arguments: Any) -> Any:
        """See `server/record/operations.py`. Raises RecordError."""
        if not self.ready:
            self._ready.clear()  # one whose stream has ended may not be buried yet
            try:
                async with asyncio.timeout(_WAIT_SECONDS):
                    await self._ready.wait()
            except TimeoutError:
                raise Unavailable("the keeper of the record is not there") from None
        return await self._call(what, **arguments)

    async def _call(self, what: str, **arguments: Any) -> Any:
        process = self._process
        if process is None or process.transport is None or process.transport.is_closing():
            raise Unavailable("the keeper of the record is not there")
        n, self._next = self._next, self._next + 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[n] = (what, future)
        try:
            process.transport.write(control.encode({"n": n, "do": what, **arguments}))
            return await future
        finally:
            self._asked.pop(n, None)

    def on_message(self, process: _Process, message: dict[str, Any]) -> None:
        if "event" in message:
            self._on_event(message)
        elif "do" in message:
            self._background(self._do(process, message))
        elif (asked := self._asked.get(message["n"])) is not None and not asked[1].done():
            if "error" in message:
                asked[1].set_exception(control.error_of(message))
            else:
                asked[1].set_result(message["answer"])

    def _on_event(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "room":
                self.full = event["full"]
                if self.full:
                    log.error("record full", what=self.full, limit_bytes=event["limit"])
                else:
                    log.info("record has room again")
            case "expired":
                for callback in self._expired:
                    callback(event["sessions"])
            case "worker":
                log.error("worker sent nonsense to the keeper", worker=event["slot"], reason=event["reason"])
            case "lease":
                self._epoch = event["epoch"]
                for hear in self._lease_heard:
                    hear(event)
            case "doubt":
                log.error("record's disk failed in a sync")
            case "fault":
                log.error("keeper failed at a question", what=event["what"], trace=event["trace"])
            case other:
                log.warning("keeper said something unknown", event=other)

    async def _do(self, process: _Process, message: dict[str, Any]) -> None:
        """The keeper's only wish: a session's file of the old format, as text."""
        from pathlib import Path  # noqa: PLC0415

        source, out = Path(message["source"]), Path(message["out"])
        found = await asyncio.to_thread(self._dump, source, out)
        if process.transport is not None and not process.transport.is_closing():
            process.transport.write(control.encode({"n": message["n"], "answer": found}))

    async def head(self, session: str) -> Head:
        """When all that any worker had sent before is decided."""
        return Head(*await self.call("head", session=session))


class _Connection(asyncio.Protocol):
    """The stream to one keeper."""

    def __init__(self, client: KeeperClient, process: _Process) -> None:
        self._client = client
        self._process = process
        self._decoder = control.Decoder()
        self._burial: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        for message in self._decoder.feed(data):
            self._client.on_message(self._process, message)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._client._process is self._process:  # noqa: SLF001  its other half
            self._burial = asyncio.get_running_loop().create_task(self._bury())

    async def _bury(self) -> None:
        self._process.process.kill()
        await asyncio.to_thread(self._process.process.wait)
        if self._client._process is self._process:  # noqa: SLF001
            self._client.on_gone(self._process)
