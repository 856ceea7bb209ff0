"""Kill -9 of nodes, workers, keepers and the database, under writers that ask any node and keep count.

1. What was acknowledged is there, what was refused is not, nothing is there by half or twice (`ledger`).
2. All nodes serve the same, and it is what the database has.
3. In the end the database's sums are right, and each file of a node that may be opened again is what the
   record has, row by row.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from attrs import define, field, frozen

from server.record.postgres.engine import open_record
from server.record.process import CACHES
from store.keeper_wire import Head
from tools.simulators import OpenAISimulator
from tools.torture import full_database, served
from tools.torture.at_rest import dumped, dumped_file, name_of
from tools.torture.bank import model
from tools.torture.ledger import COLLECTIONS, Contents, SessionLedger
from tools.torture.nodes import Nodes
from tools.torture.planned import sections_for, variables_for
from tools.torture.wire import Gone, Hung, ask
from tools.torture.writers import REFUSALS, Gate, Writer, next_sessions

if TYPE_CHECKING:
    from server.record.postgres.engine import PostgresRecord
    from tools.torture.nodes import Node
    from tools.torture.report import Report
    from tools.torture.wire import Address

WRITERS: Final = 8
SESSIONS: Final = 4
#: New sessions, and a check of those there were, after so many kills.
_KILLS_PER_GENERATION: Final = 10
#: Nodes have to start beside the writers.
_PACE_SECONDS: Final = 0.02
#: How often something else than a kill is done, to one kill.
_HURTS_PER_KILL: Final = 0.5
_RECORDS: Final = """\
SELECT r.doc FROM sessions AS s JOIN collections AS c ON c.session = s.id
JOIN records AS r ON r.session = s.id AND r.collection = c.number
WHERE s.name = $1 AND c.name = $2 ORDER BY r."row\""""
#: What a node may say beside: the database is away, so whose session it is is not to be found out, nor what
#: planning may cost; or it has no room.
_REFUSALS: Final = REFUSALS | {
    (503, "unavailable"),
    (503, "storage-failed"),
    (503, "provider-unavailable"),
    (507, "storage-full"),
}
_DEPTH: Final = re.compile(rb"^metaservice_queue_depth (\d+)", re.MULTILINE)


@frozen
class AnyNode:
    """Another one each time, as behind a load balancer that knows nothing."""

    nodes: Nodes
    random: Random

    @property
    def address(self) -> Address:
        return self.random.choice(self.nodes.nodes).process.address


async def run(report: Report, seed: int, kills: int) -> None:
    async with AsyncExitStack() as running:
        simulator = await running.enter_async_context(OpenAISimulator(model))
        scratch = Path(running.enter_context(TemporaryDirectory(prefix="torture-")))
        database = running.enter_context(full_database.running(durable=True))
        nodes = await running.enter_async_context(
            Nodes(scratch, database, sections=sections_for(), variables=variables_for(simulator))
        )
        loop = _Loop(report, nodes, Random(f"cluster-kills:{seed}"))
        await loop.run(kills)
        for line in nodes.faults():
            report.violation(f"[log] {line}")
        report.figures |= loop.figures()


@define
class _Loop:
    report: Report
    nodes: Nodes
    random: Random
    gate: Gate = field(factory=Gate)
    told: Counter[str] = field(factory=Counter)
    done: Counter[str] = field(factory=Counter)
    kills: int = 0
    ledgers: dict[str, SessionLedger] = field(factory=dict)
    writers: list[Writer] = field(factory=list)
    #: Of nodes that were stopped in order, each compared with the record.
    files: int = 0
    _checks: int = 0

    def figures(self) -> dict[str, object]:
        return {
            "kills": self.kills,
            **{name.replace(" ", "-"): self.done[name] for name in sorted(self.done)},
            **{name: self.told[name] for name in sorted(self.told)},
            "entries": sum(len(ledger.entries) for ledger in self.ledgers.values()),
            "sessions": len(self.ledgers),
            "checks": self._checks,
            "files": self.files,
        }

    async def run(self, kills: int) -> None:
        self._new_generation()
        tasks = [asyncio.create_task(writer.run()) for writer in self.writers]
        self.gate.open()
        try:
            while self.kills < kills:
                await self._harm(tasks)
                if self.kills % _KILLS_PER_GENERATION == 0 or self.kills == kills:
                    await self._look()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._compare()

    async def _harm(self, tasks: list[asyncio.Task[None]]) -> None:
        while self.random.random() < _HURTS_PER_KILL:
            self.done[await self.random.choice(self.nodes.hurts)(self.random)] += 1
        await asyncio.sleep(self.random.uniform(0.02, 0.6))
        self.done[await self.random.choice(self.nodes.kills)(self.random)] += 1
        self.kills += 1
        for task in tasks:
            if task.done():
                task.result()  # a writer has no end of its own but an error

    def _new_generation(self) -> None:
        """Sessions that are empty; the writers must be parked."""
        names = [f"k{self.kills}-s{number}" for number in range(SESSIONS)]
        if not self.writers:
            self.writers = [self._writer(number) for number in range(WRITERS)]
        self.ledgers |= next_sessions(self.writers, names)

    def _writer(self, number: int) -> Writer:
        return Writer(
            name=f"w{number}",
            session="",
            ledger=SessionLedger(),
            service=AnyNode(self.nodes, Random(self.random.random())),
            gate=self.gate,
            random=Random(self.random.random()),
            told=self.told,
            refusals=_REFUSALS,
            pace_seconds=_PACE_SECONDS,
        )

    # --- what must hold -----------------------------------------------------------------------

    async def _look(self) -> None:
        """At the sessions that are written now; others take their place."""
        self.gate.shut()
        await self.gate.all_parked(len(self.writers))
        await self.nodes.all_run()
        for node in self.nodes.nodes:
            await _is_quiet(node)
        for session in dict.fromkeys(writer.session for writer in self.writers):
            await self._check(session)
        self._new_generation()
        self.gate.open()

    async def _check(self, session: str) -> None:
        self._checks += 1
        found = [await _served(node, session) for node in self.nodes.nodes]
        for wrong in self.ledgers[session].check(found[0]):
            self._violation(session, wrong)
        if any(each != found[0] for each in found):
            self._violation(session, "the nodes do not serve the same")
        if await self._at_rest(session) != found[0]:
            self._violation(session, "what is served is not what the database has")

    async def _at_rest(self, session: str) -> Contents:
        connection = await asyncpg.connect(self.nodes.url)
        try:
            return {
                name: [
                    json.loads(row["doc"]) for row in await connection.fetch(_RECORDS, name_of(session), name)
                ]
                for name in COLLECTIONS
            }
        finally:
            await connection.close()

    async def _compare(self) -> None:
        """After all nodes have stopped in order."""
        for node in self.nodes.nodes:
            await node.process.stop()
        record = await open_record(self.nodes.url)
        try:
            for damaged in (await record.verify())["damaged"]:
                self._violation("-", f"damaged: {damaged}")
            for node in self.nodes.nodes:
                for session in await self._untrue(record, node):
                    self._violation(session, "a node's file is not what the record has")
        finally:
            await record.close()
        if not self.files:
            self._violation("-", "no session's file was closed")

    async def _untrue(self, record: PostgresRecord, node: Node) -> list[str]:
        """Files of the present version that have something else in them."""
        root = node.process.data_root
        closed: list[list[Any]] = []
        with suppress(FileNotFoundError):
            closed = json.loads(await asyncio.to_thread((root / "files.json").read_text, "utf-8"))
        found = []
        for session, head, *_ in closed:
            if await record.head(session) != Head(*head):
                continue  # another node has written since
            self.files += 1
            with TemporaryDirectory() as scratch:
                held = await dumped(record, session, Path(scratch))
                if held != dumped_file(root / CACHES / session, Path(scratch)):
                    found.append(session)
        return found

    def _violation(self, session: str, what: str) -> None:
        self.report.violation(f"[{session}, after {self.kills} kills] {what}")


async def _served(node: Node, session: str) -> Contents:
    """Once the node answers: what was done to it may go on a little."""
    while True:
        try:
            return await served.contents(node.process.address, session)
        except (Gone, Hung):
            pass
        except served.Refused as error:
            if error.answer.status != 503:
                raise
        await asyncio.sleep(0.02)


async def _is_quiet(node: Node) -> None:
    """Until the node does nothing any more for anybody who has gone without an answer."""
    while True:
        with suppress(Gone, Hung):
            answer = await ask(node.process.address, "GET", "/_meta/metrics", "-")
            found = _DEPTH.search(answer.body)
            if found is not None and float(found[1]) == 0:
                return
        await asyncio.sleep(0.02)
