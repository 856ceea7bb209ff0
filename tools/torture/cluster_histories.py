"""Clients of one session at three nodes that are hurt, and whether one order explains what they were told.

The clients' operations and the model are those of `history`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from attrs import define, field

from tools.torture import full_database
from tools.torture.at_rest import name_of
from tools.torture.collection_model import Request
from tools.torture.history import CLIENTS, IDS, Recorder, anomalies
from tools.torture.nodes import LEASE_MS, NODES, Nodes
from tools.torture.wire import Kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.torture.collection_model import Result
    from tools.torture.linearize import Operation
    from tools.torture.nodes import Harm, Node
    from tools.torture.report import Report
    from tools.torture.wire import Address

#: So that a history is longer than what is done meanwhile.
_PACE_SECONDS: Final = 0.05
_HARMS: Final = 4
#: Long enough for another node to have the session, and shorter than a statement may take.
_HOLD_SECONDS: Final = 1.5
#: Of a write at a node that is to take the session: it is refused until the owner's lease is over.
_TRIES: Final = 200


@define
class NodesRecorder(Recorder):
    """Asks all nodes; hurts them by one thing after the other."""

    nodes: Nodes = field(kw_only=True)
    harms: Sequence[Harm] = field(default=(), kw_only=True)
    _homes: dict[object, int] = field(factory=dict, init=False)
    _writes: dict[object, bool] = field(factory=dict, init=False)

    def address(self) -> Address:
        """Each client has its own node: while one is paused the others' clients go on."""
        number = self._homes.setdefault(asyncio.current_task(), len(self._homes))
        return self.nodes.nodes[number % NODES].process.address

    def not_sent(self) -> None:
        """As a load balancer: the next one."""
        self._homes[asyncio.current_task()] += 1

    async def record(self) -> list[Operation]:
        """Whatever is done to a node comes to its end: the next history finds all of them well."""
        self._left = self.operations
        killing = asyncio.create_task(self._kill())
        clients = [
            self._client(Random(self.random.random()), Kept() if number % 2 else None)
            for number in range(CLIENTS)
        ]
        await asyncio.gather(*clients)
        await killing
        await self.nodes.all_run()
        return self.history

    async def _kill(self) -> None:
        harms = self.operations // self.operations_per_kill
        marks = sorted(self.random.sample(range(self.operations), harms))
        for mark in marks:
            while self.operations - self._left < mark:  # noqa: ASYNC110 - waits for a counter
                await asyncio.sleep(0.005)
            if self._left <= 0:
                return
            self.told[await self.random.choice(self.harms)(self.random)] += 1

    async def pause_owner(self, random: Random) -> str:
        """The node that has the session, so that another one takes it."""
        owner = await self._owner()
        if owner is None:
            return "no owner"
        await self.nodes.pause_one(owner, random)
        return "paused owner"

    async def hold_owner(self, random: Random) -> str:
        """Its way to the database, until another node has the session: then both believe that they may."""
        owner = await self._owner()
        if owner is None:
            return "no owner"
        owner.proxy.hold()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_HOLD_SECONDS):
                    while await self._owner() is owner:  # noqa: ASYNC110  the database tells nobody
                        await asyncio.sleep(0.01)
                    await asyncio.sleep(random.uniform(0, 0.2))
        finally:
            owner.proxy.go_on()
        return "held owner"

    async def read_at_former_owner(self) -> None:
        """Another node takes the session and writes, while the owner is cut off; then the owner is asked."""
        created = Request("POST", IDS[0], next(self._values))
        await self._until_done(created, self.nodes.nodes[0])
        owner = await self._owner()
        assert owner is not None
        other = next(node for node in self.nodes.nodes if node is not owner)
        owner.proxy.hold()
        try:
            await asyncio.sleep(2 * LEASE_MS / 1_000)  # before it, the other one would hand the write over
            await self._until_done(Request("PUT", IDS[0], next(self._values)), other)
            await self._at(owner, Request("GET", IDS[0]))
        finally:
            owner.proxy.go_on()

    async def _until_done(self, request: Request, node: Node) -> None:
        for _ in range(_TRIES):
            if await self._at(node, request):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{request} is refused again and again")

    async def _at(self, node: Node, request: Request) -> Result | None:
        self._homes[asyncio.current_task()] = self.nodes.nodes.index(node)
        return await self._do(request, None)

    async def _owner(self) -> Node | None:
        return await asyncio.to_thread(self.nodes.owner_of, name_of(self.session))

    def _choose(self, random: Random, own: list[int]) -> Request:
        """One client of each node writes, and one reads: whoever writes waits for a node that is cut off."""
        task = asyncio.current_task()
        if self._writes.setdefault(task, len(self._writes) < NODES):
            return super()._choose(random, own)
        return random.choice((Request("LIST"), *(Request("GET", each) for each in IDS)))


async def run(report: Report, seed: int, histories: int, operations: int, *, module: str = "server") -> None:
    """`module` is the service, or a build of it with a piece taken out, which has to be found out."""
    told: Counter[str] = Counter()
    with (
        TemporaryDirectory(prefix="torture-") as scratch,
        full_database.running(durable=True) as database,
    ):
        async with Nodes(Path(scratch), database, module) as nodes:
            for number in range(histories):
                wrong, said = await one_history(nodes, f"{seed}:{number}", operations)
                told += said
                for each in wrong:
                    report.violation(f"[history {number}] {each}")
    report.figures |= {"histories": histories, **{name: told[name] for name in sorted(told)}}


async def one_takeover(nodes: Nodes, session: str) -> list[str]:
    """What is wrong with a history in which the former owner is asked for what another node has written."""
    recorder = NodesRecorder(nodes.nodes[0].process, session, Random(session), 0, nodes=nodes)
    await recorder.read_at_former_owner()
    return recorder.violations + anomalies(recorder.history)


async def one_history(
    nodes: Nodes, seed: str, operations: int, *, takeovers_only: bool = False
) -> tuple[list[str], Counter[str]]:
    """What is wrong with a history, and what was told in it.

    Half of what is done, or all of it, is aimed at whoever has the session: that ends in a takeover.
    """
    recorder = NodesRecorder(
        nodes.nodes[0].process,
        f"h{seed.replace(':', '-')}",
        Random(f"cluster:{seed}"),
        operations,
        operations_per_kill=max(operations // _HARMS, 1),
        pace_seconds=_PACE_SECONDS,
        nodes=nodes,
    )
    anything = () if takeovers_only else (*nodes.kills, *nodes.hurts)
    takeovers = (recorder.pause_owner, recorder.hold_owner)
    recorder.harms = (*anything, *takeovers * max(len(anything) // len(takeovers), 1))
    history = await recorder.record()
    return recorder.violations + anomalies(history), recorder.told
