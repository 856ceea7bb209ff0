"""Three nodes on one PostgreSQL, hurt while clients ask all of them: whether one order explains the answers.

Nodes are killed, and started again; paused for longer than their lease; their workers or keepers killed;
their connections to the database cut, or held back for longer than the lease; and the database itself is
killed. The clients' operations and the model are those of `history`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import define, field

from tools import postgresql
from tools.processes import toml
from tools.tcp_proxy import TcpProxy
from tools.torture import service as services
from tools.torture.history import CLIENTS, Recorder, anomalies
from tools.torture.report import Report
from tools.torture.service import NotStarted, ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.postgresql import Postgres
    from tools.torture.linearize import Operation
    from tools.torture.wire import Address

NODES: Final = 3
LEASE_MS: Final = 500
#: Longer than a lease.
_PAUSE_SECONDS: Final = (0.7, 1.5)
_VARIABLES: Final = {"LARS_DEFAULT_PROVIDER": "conventions", "LARS_LOG_LEVEL": "WARNING"}


@define
class Node:
    """A node's process, and the way to the database that only it has."""

    process: ServiceProcess
    proxy: TcpProxy
    paused: bool = False

    def pids(self) -> list[int]:
        """None where it does not run: 0 would be this process, and all of its group."""
        if not self.process.pid:
            return []
        return [self.process.pid, *self.process.workers(), *self.process.keepers()]

    def signal(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


class Nodes:
    """All of them; `module` is the service, or a build of it."""

    def __init__(self, scratch: Path, database: Postgres, module: str = "server") -> None:
        self._scratch = scratch
        self.database = database
        self._module = module
        self._stack = AsyncExitStack()
        self.nodes: list[Node] = []

    async def __aenter__(self) -> Self:
        config = self._scratch / "metaservice.toml"
        record = {"engine": "postgres", "lease_ms": LEASE_MS, "drain_seconds": 0}
        await asyncio.to_thread(
            config.write_text, toml({"record": record, "sandbox": {"workers": 1}}), "utf-8"
        )
        url = await asyncio.to_thread(self.database.new_database)
        for number in range(NODES):
            proxy = await self._stack.enter_async_context(TcpProxy("127.0.0.1", self.database.port))
            place = self._scratch / f"node{number}"
            await asyncio.to_thread(place.mkdir)
            own = url.replace(f":{self.database.port}/", f":{proxy.port}/")
            variables = {**_VARIABLES, "LARS_CONFIG": str(config), "LARS_RECORD_URL": own}
            node = Node(ServiceProcess(place, variables, module=self._module), proxy)
            self._stack.push_async_callback(node.process.close)
            self.nodes.append(node)
            await node.process.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes:
            node.signal(signal.SIGCONT)
        await self._stack.aclose()

    # What is done to them

    async def kill(self, random: Random) -> str:
        node = random.choice(self.nodes)
        await node.process.kill(workers=True)
        await self._start(node)
        return "killed node"

    async def _start(self, node: Node) -> None:
        """The database may be away just now."""
        while True:
            try:
                await node.process.start()
            except NotStarted:
                await asyncio.sleep(0.1)
            else:
                return

    async def pause(self, random: Random) -> str:
        node = random.choice(self.nodes)
        node.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        finally:
            node.signal(signal.SIGCONT)
        return "paused node"

    async def kill_keeper(self, random: Random) -> str:
        for pid in random.choice(self.nodes).process.keepers():
            services.kill(pid)
        return "killed keeper"

    async def kill_worker(self, random: Random) -> str:
        for pid in random.choice(self.nodes).process.workers():
            services.kill(pid)
        return "killed worker"

    async def cut(self, random: Random) -> str:
        random.choice(self.nodes).proxy.cut()
        return "cut connections"

    async def hold(self, random: Random) -> str:
        node = random.choice(self.nodes)
        node.proxy.hold()
        try:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        finally:
            node.proxy.go_on()
        return "held connections"

    async def kill_database(self, _random: Random) -> str:
        await asyncio.to_thread(self.database.kill)
        await asyncio.to_thread(self.database.start)
        return "killed database"


@define
class NodesRecorder(Recorder):
    """Asks all nodes; hurts them by one thing after the other."""

    nodes: Nodes = field(kw_only=True)
    faults: tuple[Callable[[Random], Any], ...] = field(kw_only=True)
    _homes: dict[object, int] = field(factory=dict, init=False)

    def address(self) -> Address:
        """Each client has its own node: while one is paused the others' clients go on."""
        number = self._homes.setdefault(asyncio.current_task(), len(self._homes))
        return self.nodes.nodes[number % NODES].process.address

    async def record(self) -> list[Operation]:
        """Whatever is done to a node comes to its end: the next history finds all of them well."""
        self._left = self.operations
        killing = asyncio.create_task(self._kill())
        await asyncio.gather(*(self._client(Random(self.random.random())) for _ in range(CLIENTS)))
        await killing
        return self.history

    async def _kill(self) -> None:
        kills = max(self.operations // self.operations_per_kill, 1)
        marks = sorted(self.random.sample(range(self.operations), kills))
        for mark in marks:
            while self.operations - self._left < mark:  # noqa: ASYNC110 - waits for a counter
                await asyncio.sleep(0.005)
            if self._left <= 0:
                return
            self.told[await self.random.choice(self.faults)(self.random)] += 1


async def torture(seed: int, histories: int, operations: int, *, module: str = "server") -> Report:
    """`module` is the service, or a build of it with a piece taken out, which has to be found out."""
    report = Report("nodes", seed, f"--histories {histories} --operations {operations}")
    told: Counter[str] = Counter()
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as scratch,
        postgresql.running(durable=True) as database,
    ):
        async with Nodes(Path(scratch), database, module) as nodes:
            faults = (
                *(nodes.kill, nodes.pause, nodes.pause, nodes.kill_keeper, nodes.kill_worker),
                *(nodes.cut, nodes.hold, nodes.kill_database),
            )
            for number in range(histories):
                wrong, said = await one_history(nodes, f"{seed}:{number}", operations, faults)
                told += said
                for each in wrong:
                    report.violation(f"[history {number}] {each}")
    report.figures = {
        "histories": histories,
        **{name: told[name] for name in sorted(told)},
        "seconds": round(time.perf_counter() - started, 1),
    }
    return report


async def one_history(
    nodes: Nodes, seed: str, operations: int, faults: tuple[Callable[[Random], Any], ...]
) -> tuple[list[str], Counter[str]]:
    """What is wrong with a history, and what was told in it."""
    recorder = NodesRecorder(
        nodes.nodes[0].process,
        f"h{seed.replace(':', '-')}",
        Random(f"nodes:{seed}"),
        operations,
        operations_per_kill=operations // 4,
        nodes=nodes,
        faults=faults,
    )
    history = await recorder.record()
    return recorder.violations + anomalies(history), recorder.told
