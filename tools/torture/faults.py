"""The n-th file operation of the record, or of a session's file, fails, for n = 1, 2, 3 … until none is left.

By `seccomp`: what fails is the system call that SQLite makes in the keeper, or Wasmtime for a guest. Each
round is a session of its own, a workload, and a fault: once, or until it is lifted. It hits the record's
files (`record`); the same while another keeper opens them after a kill (`start`); or the session's file,
which is to be made anew all the time (`file`).

1. What was acknowledged is there, what was refused is not, a request's writes are there whole or not at all;
   what a read answers during the fault is true.
2. A write is acknowledged only if the last sync of the record's log did not fail.
3. During the fault requests get their answer, or 503 or 507. Afterwards the same service serves the session
   again: workers have not died, and the keeper only where it could not open the record.
4. Where the session's file is hit, another session of the same worker is served all the while; where the
   record is, afterwards.
5. The record is sound, and holds what is served.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import define, field, frozen

from server.record import files
from server.record.shelf import SCRATCH
from tools.torture import served
from tools.torture.at_rest import directory_of
from tools.torture.file_faults import Fault, Injector, Kind, Operation
from tools.torture.ledger import BATCH, TRANSFER, SessionLedger
from tools.torture.planned import bank_service
from tools.torture.report import Report
from tools.torture.service import NotStarted, kill
from tools.torture.wire import Gone, Hung
from tools.torture.writers import Gate, Writer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tools.torture.service import ServiceProcess

#: One worker, so that sessions share it; guests are replaced within the workload, so that files are reopened.
_SANDBOX = {"workers": 1, "max_uses": 5, "live_guests": 2}
#: What a request may be told while a fault lasts.
REFUSALS = frozenset(
    {(503, "storage-failed"), (507, "storage-full"), (503, "overloaded"), (503, "not-confirmed")}
)
#: A keeper that cannot open the record is started again with pauses.
_RECOVERY_SECONDS = 15.0
_WITNESS = "witness"
#: A short run's series and the rounds of each, as the seed has it. A start that fails is waited for, so of
#: those there are few.
SHORT_SERIES = {"record": 5, "start": 2, "file": 4}
_SHORT_ROUNDS = {"record": 2, "start": 1, "file": 2}
_MOST = 2_000


Where: TypeAlias = Literal["record", "start", "file"]


@frozen
class Series:
    """All n of one kind of fault, in one place."""

    kind: Kind
    lasting: bool
    where: Where

    def __str__(self) -> str:
        return f"{self.where}: {self.kind.name} {'lasting' if self.lasting else 'once'}"


ALL = tuple(
    Series(kind, lasting, where)
    for where in ("record", "start", "file")
    for kind in Kind
    for lasting in (False, True)
)


async def torture(seed: int, *, short: bool, where: Where | None = None) -> Report:
    """Every n of every series; or, if short, a few of each. `where`: of the series there alone."""
    report = Report("faults", seed, "--short" if short else "")
    async with AsyncExitStack() as running:
        service, injector = await faulty_service(running)
        loop = FaultLoop(report, service, injector)
        try:
            await service.start()
            await loop.run(Random(f"faults:{seed}"), short=short, where=where)
        except NotStarted as error:
            report.violation(f"the service did not start: {error}")
    report.figures = loop.figures()
    return report


async def faulty_service(running: AsyncExitStack) -> tuple[ServiceProcess, Injector]:
    """A service, not started yet, whose file operations an injector decides about."""
    injector = Injector()
    service, _ = await bank_service(running, sandbox=_SANDBOX, injector=injector)
    return service, injector


def chosen(random: Random, *, short: bool, where: Where | None) -> list[Series]:
    """Those of a place, or of all; if short, some of each."""
    places = ("record", "start", "file") if where is None else (where,)
    by_place = [[each for each in ALL if each.where == place] for place in places]
    if short:
        by_place = [random.sample(found, SHORT_SERIES[found[0].where]) for found in by_place]
    return [each for found in by_place for each in found]


@define
class FaultLoop:
    report: Report
    service: ServiceProcess
    injector: Injector
    told: Counter[str] = field(factory=Counter)
    rounds: Counter[str] = field(factory=Counter)
    ends: dict[str, int] = field(factory=dict)
    _counts: dict[tuple[Kind, Where], int] = field(factory=dict)
    _round: int = 0
    _place: str = "before the first round"
    _witness: Writer | None = None
    _workers: list[int] = field(factory=list)

    def figures(self) -> dict[str, object]:
        return {
            "rounds": self.rounds.total(),
            **{name: self.told[name] for name in sorted(self.told)},
            "operations": self.ends,
        }

    async def run(self, random: Random, *, short: bool, where: Where | None = None) -> None:
        self._workers = self.service.workers()
        self._witness = self._writer(_WITNESS)
        await self._witness.insert(TRANSFER)
        for series in chosen(random, short=short, where=where):
            for nth in await self._numbers(series, random, short=short):
                if not await self._run_round(series, nth):
                    self.ends[str(series)] = nth - 1
                    break

    async def _numbers(self, series: Series, random: Random, *, short: bool) -> Iterator[int]:
        """1, 2, 3 …; or a few of those that there are, which a round out of reach has counted."""
        if not short:
            return iter(range(1, _MOST))
        counted = (series.kind, series.where)
        if counted not in self._counts:
            await self._run_round(series, _MOST)
            self._counts[counted] = self.injector.counted
        count = self._counts[counted]
        return iter(sorted(random.sample(range(1, count + 1), min(_SHORT_ROUNDS[series.where], count))))

    def _writer(self, session: str) -> Writer:
        return Writer(
            name=session,
            session=session,
            ledger=SessionLedger(),
            service=self.service,
            gate=Gate(),
            random=Random(0),
            told=self.told,
            refusals=REFUSALS,
            insists=False,
        )

    # --- a round ------------------------------------------------------------------------------

    async def _run_round(self, series: Series, nth: int) -> bool:
        """One session, one fault. Whether there was an operation for it to hit."""
        self._round += 1
        self.rounds[str(series)] += 1
        self._place = f"{series}, n={nth}"
        writer = self._writer(f"f{self._round}")
        if series.where != "record":
            await writer.insert(TRANSFER)
            for keeper in self.service.keepers():
                kill(keeper)  # the next one believes no file: each is made anew
        if series.where == "file":
            await self._recover(writer)
        self.injector.arm(self._fault(series, nth, writer.session))
        await self._work(writer)
        if series.where == "file":
            await self._check_witness()
        self.injector.lift()
        await self._recover(writer)
        await self._check(writer)
        if series.where != "file":
            await self._check_witness()
        return bool(self.injector.failed)

    def _fault(self, series: Series, nth: int, session: str) -> Fault:
        root = str(self.service.data_root)
        if series.where == "file":
            directory = str(directory_of(self.service.data_root, session))
            return Fault(series.kind, nth, series.lasting, directory)
        return Fault(series.kind, nth, series.lasting, root, only=_of_the_record)

    async def _recover(self, writer: Writer) -> None:
        """Until a write is acknowledged: then all is well again, or it is a violation."""
        deadline = time.monotonic() + _RECOVERY_SECONDS
        before = self.told["acknowledged"]
        while time.monotonic() < deadline:
            await writer.insert(TRANSFER)
            if self.told["acknowledged"] > before:
                return
            await asyncio.sleep(0.1)
        self._violation(writer, f"nothing is acknowledged {_RECOVERY_SECONDS} s after the fault")

    async def _work(self, writer: Writer) -> None:
        """Alone and in a group, one collection and two; what is read between is checked."""
        await self._step(writer, writer.insert(TRANSFER))
        await self._step(writer, writer.insert(BATCH))
        await self._read_during(writer)
        first = next((entry for entry in writer.own if entry.kind is TRANSFER), None)
        together = [writer.insert(TRANSFER), writer.insert(BATCH), writer.insert(TRANSFER)]
        if first is not None:
            together.append(writer.patch(first))
        await asyncio.gather(*together)
        if first is not None:
            await self._step(writer, writer.patch(first))
            await self._step(writer, writer.cancel(first))
        await self._read_during(writer)

    async def _step(self, writer: Writer, request: Awaitable[bool]) -> None:
        before = self.told["acknowledged"]
        await request
        if self.told["acknowledged"] > before and any(map(_is_log, self.injector.unsynced)):
            self._violation(writer, "acknowledged while the last fsync of the log has failed")

    async def _read_during(self, writer: Writer) -> None:
        try:
            found = await served.contents(self.service.address, writer.session)
        except served.Refused as error:
            self.told["refused"] += 1
            if (error.answer.status, error.answer.problem) not in REFUSALS:
                self._violation(writer, f"a read during the fault: {error}")
        except (Gone, Hung) as error:
            self._violation(writer, f"a read during the fault: {type(error).__name__}")
        else:
            for wrong in writer.ledger.check(found):
                self._violation(writer, f"read during the fault: {wrong}")

    # --- what must hold -----------------------------------------------------------------------

    async def _check(self, writer: Writer) -> None:
        """After the fault: the session is whole, served, and can be written."""
        if self.service.workers() != self._workers:
            self._violation(writer, "a worker has died")
            self._workers = self.service.workers()
        await self._check_session(writer)
        await self._must_acknowledge(writer, lambda: writer.insert(TRANSFER))
        await self._check_session(writer)

    async def _check_session(self, writer: Writer) -> None:
        for wrong in await served.wrong_with(self.service, writer.session, writer.ledger):
            self._violation(writer, wrong)

    async def _check_witness(self) -> None:
        """While the fault lasts: the worker's other session is read and written."""
        witness = self._witness
        if witness is not None:
            await self._must_acknowledge(witness, lambda: witness.patch(witness.own[0]))
            await self._check_session(witness)

    async def _must_acknowledge(self, writer: Writer, request: Callable[[], Awaitable[bool]]) -> None:
        before = self.told["acknowledged"]
        await request()
        if self.told["acknowledged"] == before:
            self._violation(writer, "a write that nothing stands in the way of was not acknowledged")

    def _violation(self, writer: Writer, what: str) -> None:
        hit = ", ".join(str(operation) for operation in self.injector.failed[:3]) or "nothing yet"
        self.report.violation(f"[{self._place} ({hit}); {writer.session}] {what}")


def _of_the_record(operation: Operation) -> bool:
    name = Path(operation.path).name
    return name.startswith((files.NAME, SCRATCH))


def _is_log(path: str) -> bool:
    return path.endswith("-wal")
