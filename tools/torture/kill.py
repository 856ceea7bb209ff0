"""Kill -9 of server, workers and keeper, at any moment, under writers that keep count.

1. What was acknowledged is there, what was refused is not, nothing is there by half or twice (`ledger`).
2. The record is sound right after the kill, and holds what the next service then serves.
3. The service starts again on its data, every time; what it knows of plans is sound, too.
4. In the end it is stopped in order: each file that may be opened again is what the record has, row by row.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from server.planning.learned.library_file import FILE_NAME as LIBRARY
from server.record.files import NAME as RECORD
from tools.torture import served
from tools.torture import service as services
from tools.torture.at_rest import integrity, read_at_rest, untrue_files
from tools.torture.ledger import COLLECTIONS, Contents, SessionLedger
from tools.torture.planned import bank_service
from tools.torture.report import Report
from tools.torture.service import NotStarted
from tools.torture.wire import Gone, Hung
from tools.torture.writers import Gate, Writer, next_sessions

if TYPE_CHECKING:
    from tools.torture.service import ServiceProcess

WRITERS = 8
SESSIONS = 4
#: New sessions after so many kills of the server: what is checked each time stays small.
_KILLS_PER_GENERATION = 12


@frozen
class Aim:
    """What is killed. `server` kills are followed by a start and a check."""

    name: str
    weight: int
    server: bool


WORKER = Aim("worker", 5, server=False)
KEEPER = Aim("keeper", 5, server=False)
BOTH = Aim("worker-and-keeper", 2, server=False)
TWICE = Aim("worker-twice", 1, server=False)
SERVER = Aim("server", 3, server=True)
ALL = Aim("all", 2, server=True)
START = Aim("start", 1, server=True)
_AIMS = (WORKER, TWICE, KEEPER, BOTH, SERVER, ALL, START)


async def torture(seed: int, kills: int) -> Report:
    """A run with so many kills, of which the last is one of everything."""
    report = Report("kill", seed, f"--kills {kills}")
    async with AsyncExitStack() as running:
        service, _ = await bank_service(running, sandbox={"workers": 2})
        loop = KillLoop(report, service, Random(f"kill:{seed}"))
        try:
            await loop.run(kills)
        except NotStarted as error:
            report.violation(f"after {loop.so_far()}: the service did not start: {error}")
    report.figures = loop.figures()
    return report


@define
class KillLoop:
    report: Report
    service: ServiceProcess
    random: Random
    gate: Gate = field(factory=Gate)
    told: Counter[str] = field(factory=Counter)
    kills: Counter[str] = field(factory=Counter)
    ledgers: dict[str, SessionLedger] = field(factory=dict)
    writers: list[Writer] = field(factory=list)
    #: That were closed in the end, and compared with the record.
    files: int = 0
    _generation: int = 0
    _checks: int = 0

    def figures(self) -> dict[str, object]:
        entries = sum(len(ledger.entries) for ledger in self.ledgers.values())
        return {
            "kills": self.kills.total(),
            **{name: self.kills[name] for name in sorted(self.kills)},
            **{name: self.told[name] for name in sorted(self.told)},
            "entries": entries,
            "sessions": len(self.ledgers),
            "checks": self._checks,
            "files": self.files,
        }

    async def run(self, kills: int) -> None:
        await self.service.start()
        self._new_generation()
        tasks = [asyncio.create_task(writer.run()) for writer in self.writers]
        self.gate.open()
        try:
            for number in range(kills):
                await self._kill(ALL if number == kills - 1 else self._aim(), tasks)
            self.gate.shut()
            await self.gate.all_parked(len(self.writers))
            await self._check(list(self.ledgers))
            await self.service.stop()
            await self._compare_files()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _aim(self) -> Aim:
        return self.random.choices(_AIMS, [aim.weight for aim in _AIMS])[0]

    async def _kill(self, aim: Aim, tasks: list[asyncio.Task[None]]) -> None:
        await asyncio.sleep(self.random.uniform(0.02, 0.6))
        for task in tasks:
            if task.done():
                task.result()  # a writer has no end of its own but an error
        self.kills[aim.name] += 1
        if not aim.server:
            await self._kill_below(aim)
            return
        self.gate.shut()
        await self.service.kill(workers=aim is ALL)
        await self.gate.all_parked(len(self.writers))
        await self._restart(during_start=aim is START)

    async def _kill_below(self, aim: Aim) -> None:
        if aim in {KEEPER, BOTH}:
            for keeper in self.service.keepers():
                services.kill(keeper)
        if aim is KEEPER:
            return
        for _ in range(2 if aim is TWICE else 1):
            workers = self.service.workers()
            if workers:
                services.kill(self.random.choice(sorted(workers)))
            await asyncio.sleep(self.random.uniform(0, 0.1))

    async def _restart(self, *, during_start: bool) -> None:
        current = self._current()
        at_rest = {session: self._read_at_rest(session) for session in current}
        if during_start:
            await self.service.spawn()
            await asyncio.sleep(self.random.uniform(0, 1.2))
            await self.service.kill()
        await self.service.start()
        await self._check(current, at_rest)
        if sum(self.kills.values()) >= (self._generation * _KILLS_PER_GENERATION):
            self._new_generation()
        self.gate.open()

    def _current(self) -> list[str]:
        return list(dict.fromkeys(writer.session for writer in self.writers))

    def _new_generation(self) -> None:
        """Sessions that are empty; the writers must be parked."""
        self._generation += 1
        names = [f"g{self._generation}-s{number}" for number in range(SESSIONS)]
        if not self.writers:
            self.writers = [self._writer(number) for number in range(WRITERS)]
        self.ledgers |= next_sessions(self.writers, names)

    def _writer(self, number: int) -> Writer:
        return Writer(
            name=f"w{number}",
            session="",
            ledger=SessionLedger(),
            service=self.service,
            gate=self.gate,
            random=Random(self.random.random()),
            told=self.told,
        )

    # --- what must hold -----------------------------------------------------------------------

    async def _check(self, sessions: list[str], at_rest: dict[str, Contents | None] | None = None) -> None:
        self._check_library()
        for session in sessions:
            self._checks += 1
            found = await self._served(session)
            if found is None:
                continue
            before = (at_rest or {}).get(session)
            if before is not None and before != found:
                self._violation(session, "what is served is not what was on the disk after the kill")
            for wrong in self.ledgers[session].check(found):
                self._violation(session, wrong)

    async def _compare_files(self) -> None:
        self.files, untrue = await untrue_files(self.service.data_root)
        for session in untrue:
            self._violation(session, "its file is not what the record has")
        if not self.files:
            self._violation("-", "no session's file was closed")

    def _read_at_rest(self, session: str) -> Contents | None:
        contents = read_at_rest(self.service.data_root, session, COLLECTIONS)
        if isinstance(contents, str):
            self._violation(session, f"the record after the kill: {contents}")
            return None
        for wrong in self.ledgers[session].check(contents):
            self._violation(session, f"on the disk after the kill: {wrong}")
        return contents

    def _check_library(self) -> None:
        for name in (LIBRARY, RECORD):
            path = self.service.data_root / name
            verdict = integrity(path) if path.exists() else "ok"
            if verdict != "ok":
                self._violation("-", f"{name}: {verdict}")

    async def _served(self, session: str) -> Contents | None:
        try:
            return await served.contents(self.service.address, session)
        except (Gone, Hung, served.Refused) as error:
            self._violation(session, f"cannot be read: {type(error).__name__} {error}")
            return None

    def _violation(self, session: str, what: str) -> None:
        self.report.violation(f"[{session}, after {self.so_far()}] {what}")

    def so_far(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self.kills.items()) or "nothing"
