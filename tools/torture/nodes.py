"""Three nodes on one PostgreSQL, and what may be done to them.

Nodes are killed, and started again, or paused for longer than their lease; so are workers and keepers. Their
connections to the database, or those of other nodes to them, are cut, or held back for longer than the lease.
The database is killed, slow, or has no room.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

from attrs import define, field

from tools.processes import toml
from tools.tcp_proxy import TcpProxy
from tools.torture import service as services
from tools.torture.full_database import FillablePostgres
from tools.torture.service import NotStarted, ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path
    from random import Random

    from tools.postgresql import Postgres

    #: Says what it has done.
    Harm = Callable[[Random], Awaitable[str]]

NODES: Final = 3
LEASE_MS: Final = 500
#: Longer than a lease.
_PAUSE_SECONDS: Final = (0.7, 1.5)
#: Of each piece that a slow database is sent, or sends.
_SLOW_SECONDS: Final = (0.01, 0.08)
#: A request that nobody has foreseen, a process that has died of itself, a task that nobody waits for.
_FAULTS: Final = ('"unhandled"', "Traceback", "never retrieved", "keeper failed")
_VARIABLES: Final = {"LARS_DEFAULT_PROVIDER": "conventions", "LARS_LOG_LEVEL": "WARNING"}


@define
class Node:
    """A node's process. `proxy`: its own way to the database; `door`: where the other nodes find it."""

    process: ServiceProcess
    proxy: TcpProxy
    door: TcpProxy

    def pids(self) -> list[int]:
        """None where it does not run: 0 would be this process, and all of its group."""
        if not self.process.pid:
            return []
        return [self.process.pid, *self.process.workers(), *self.process.keepers()]

    def signal(self, number: signal.Signals) -> None:
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def start(self) -> None:
        """Whatever is done to the database meanwhile."""
        while True:
            try:
                await self.process.start()
            except NotStarted:
                await asyncio.sleep(0.1)
            else:
                self.door.aim(self.process.address[1])
                return


@define
class Nodes:
    """All of them; `module` is the service, or a build of it. `sections` and `variables` set it up."""

    scratch: Path
    database: Postgres
    module: str = "server"
    sections: Mapping[str, Mapping[str, object]] = field(factory=dict)
    variables: Mapping[str, str] = field(factory=lambda: dict(_VARIABLES))
    nodes: list[Node] = field(factory=list, init=False)
    #: The database's address without any proxy.
    url: str = field(default="", init=False)
    _stack: AsyncExitStack = field(factory=AsyncExitStack, init=False)
    _starting: dict[int, asyncio.Task[None]] = field(factory=dict, init=False)

    async def __aenter__(self) -> Self:
        config = self.scratch / "metaservice.toml"
        record = {"engine": "postgres", "lease_ms": LEASE_MS, "drain_seconds": 0}
        sections: dict[str, Mapping[str, object]] = {
            "record": record,
            "sandbox": {"workers": 1},
            "metrics": {"open": True},
            **self.sections,
        }
        await asyncio.to_thread(config.write_text, toml(sections), "utf-8")
        self.url = await asyncio.to_thread(self.database.new_database)
        try:
            for number in range(NODES):
                await self._add(number, config)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _add(self, number: int, config: Path) -> None:
        proxy = await self._stack.enter_async_context(TcpProxy("127.0.0.1", self.database.entry_port))
        door = await self._stack.enter_async_context(TcpProxy("127.0.0.1", 0))
        place = self.scratch / f"node{number}"
        await asyncio.to_thread(place.mkdir)
        variables = {
            **self.variables,
            "LARS_CONFIG": str(config),
            "LARS_RECORD_URL": self.url.replace(f":{self.database.entry_port}/", f":{proxy.port}/"),
            "LARS_NODE_URL": f"http://127.0.0.1:{door.port}",
        }
        node = Node(ServiceProcess(place, variables, module=self.module), proxy, door)
        self._stack.push_async_callback(node.process.close)
        self.nodes.append(node)
        await node.process.start()
        door.aim(node.process.address[1])

    async def __aexit__(self, *_: object) -> None:
        for task in tuple(self._starting.values()):
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        for node in self.nodes:
            node.signal(signal.SIGCONT)
        await self._stack.aclose()

    async def all_run(self) -> None:
        """Until every node has started again. Raises what a start did."""
        await asyncio.gather(*self._starting.values())

    async def _some(self, random: Random, count: int = 1) -> list[Node]:
        """Nodes that run, and are not the last ones: somebody is to be there."""
        while len(there := [n for at, n in enumerate(self.nodes) if at not in self._starting]) <= count:
            await asyncio.wait(self._starting.values(), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)
        return random.sample(there, count)

    def faults(self) -> list[str]:
        """What nodes have logged of errors that are their own."""
        return [
            f"{node.process.log.parent.name}: {line}"
            for node in self.nodes
            for line in node.process.log.read_text("utf-8", "replace").splitlines()
            if any(fault in line for fault in _FAULTS)
        ]

    def owner_of(self, session: str) -> Node | None:
        """The node that has a session, by its directory's name; blocks."""
        node_id = self.database.sql(f"SELECT node FROM owners WHERE session = '{session}'", self.url)
        return next((node for node in self.nodes if _id_of(node) == node_id), None)

    # What is killed

    async def kill(self, random: Random) -> str:
        """A node with all that belongs to it."""
        await self._kill(*await self._some(random))
        return "killed node"

    async def kill_server(self, random: Random) -> str:
        """Its workers and its keeper end by themselves."""
        await self._kill(*await self._some(random), workers=False)
        return "killed server"

    async def kill_two(self, random: Random) -> str:
        """Who of them is there first finds nobody but the third."""
        await asyncio.gather(*(self._kill(node) for node in await self._some(random, 2)))
        return "killed two nodes"

    async def kill_start(self, random: Random) -> str:
        """A node, and once more while it starts."""
        [node] = await self._some(random)
        await node.process.kill(workers=True)
        await node.process.spawn()
        await asyncio.sleep(random.uniform(0, 1.2))
        await self._kill(node)
        return "killed start"

    async def _kill(self, node: Node, *, workers: bool = True) -> None:
        """It starts again while other things are done."""
        await node.process.kill(workers=workers)
        number = self.nodes.index(node)
        start = self._starting[number] = asyncio.create_task(node.start())
        start.add_done_callback(lambda _done: self._starting.pop(number))

    async def kill_keeper(self, random: Random) -> str:
        for pid in (await self._some(random))[0].process.keepers():
            services.kill(pid)
        return "killed keeper"

    async def kill_worker(self, random: Random) -> str:
        for pid in (await self._some(random))[0].process.workers():
            services.kill(pid)
        return "killed worker"

    async def kill_database(self, _random: Random) -> str:
        await asyncio.to_thread(self.database.kill)
        await asyncio.to_thread(self.database.mend)
        return "killed database"

    # What is hurt

    async def pause(self, random: Random) -> str:
        await self.pause_one((await self._some(random))[0], random)
        return "paused node"

    async def pause_one(self, node: Node, random: Random) -> None:
        node.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        finally:
            node.signal(signal.SIGCONT)

    async def pause_keeper(self, random: Random) -> str:
        """The node itself goes on, and has to know that its lease does not."""
        keepers = (await self._some(random))[0].process.keepers()
        for pid in keepers:
            os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        finally:
            for pid in keepers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        return "paused keeper"

    async def cut(self, random: Random) -> str:
        (await self._some(random))[0].proxy.cut()
        return "cut connections"

    async def cut_commit(self, random: Random) -> str:
        """The next commit of a node: before it is there, or after, so that its answer is lost.

        One of a single statement is known by the route of its write.
        """
        mark = random.choice((b"COMMIT", b" /things"))
        (await self._some(random))[0].proxy.when_sent(mark, when=random.choice(("before", "after")))
        return "cut commit"

    async def hold(self, random: Random) -> str:
        await self.hold_one((await self._some(random))[0].proxy, random)
        return "held connections"

    async def cut_door(self, random: Random) -> str:
        (await self._some(random))[0].door.cut()
        return "cut nodes"

    async def hold_door(self, random: Random) -> str:
        await self.hold_one((await self._some(random))[0].door, random)
        return "held nodes"

    async def hold_one(self, proxy: TcpProxy, random: Random) -> None:
        proxy.hold()
        try:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        finally:
            proxy.go_on()

    async def slow(self, random: Random) -> str:
        for node in self.nodes:
            node.proxy.slow(random.uniform(*_SLOW_SECONDS))
        try:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        finally:
            for node in self.nodes:
                node.proxy.go_on()
        return "slow database"

    async def fill(self, random: Random) -> str:
        """Only where the database is one that can be filled."""
        if not isinstance(self.database, FillablePostgres):
            return "not filled"
        self.database.full = True
        try:
            await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))
        finally:
            self.database.full = False
        await asyncio.to_thread(self.database.mend)  # a server that cannot write its log ends
        return "full database"

    @property
    def kills(self) -> tuple[Harm, ...]:
        """By which a process ends, each as often as it is to be chosen."""
        return (
            *(self.kill, self.kill, self.kill_server, self.kill_two, self.kill_start),
            *(self.kill_keeper,) * 4,
            *(self.kill_worker,) * 4,
            *(self.kill_database,) * 2,
        )

    @property
    def hurts(self) -> tuple[Harm, ...]:
        """All others."""
        return (
            *(self.pause, self.pause, self.pause_keeper, self.cut, self.cut_commit, self.cut_commit),
            *(self.hold, self.cut_door, self.cut_door, self.hold_door, self.slow, self.fill),
        )


def _id_of(node: Node) -> str:
    return (node.process.data_root / "node").read_text("utf-8").strip()
