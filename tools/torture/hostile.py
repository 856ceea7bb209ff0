"""Hostile programs one after the other; after each of them everybody else must be unhurt.

1. The request is answered, by an outcome that is foreseen.
2. Another session of the same worker answers the same bytes, the record has the same rows of it, and a new
   one can be made.
3. No file outside the attacker's directory has changed, and what is in it is bounded.
4. The worker's memory is bounded, also by what quiet guests keep; `/healthz` answers all the while.
5. A tool that opens the attacked session on the host does nothing but read it.
6. Behind the policy, the attacked session itself is as it was, in the record, if the request failed. (A plan
   that succeeds may write what no list of the whole can show any more.)
7. At the end the files of all sessions are what the record has of them, but for those of attackers past the
   policy: what is in their own file is theirs to lie about, until it is made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import structlog
from attrs import define, field

from server.record.process import CACHES
from server.record.record import RecordError
from store import transfer
from tools.in_process import hosting
from tools.processes import rss_bytes, workers_of
from tools.torture import attacks
from tools.torture.at_rest import directory_of, name_of, untrue_files
from tools.torture.host import ATTACK, DISK_BYTES, MEMORY_BYTES, SANDBOX, ProgramPlanner
from tools.torture.report import Report
from tools.torture.service import kill
from tools.torture.wire import Answer, Gone, Hung, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.service import Service
    from tools.torture.attacks import Attack

CORPUS = Path(__file__).parents[2] / "tests" / "data" / "hostile.jsonl"
_VICTIM = "victim"
#: What a short run takes of the corpus's `contain` rows, beside those past the policy that are not heavy.
_SHORT = 30
_HEALTH_SECONDS = 5.0
_HEAL_SECONDS = 30.0
_MIB = 1024 * 1024
#: What one attack may add to a worker's memory: while it runs, a guest at its limit and its answer on the way
#: through the host; afterwards, what live guests may keep.
_PEAK_BYTES = 4 * MEMORY_BYTES
_KEPT_BYTES = 2 * MEMORY_BYTES
#: Database and journal at their limits, and a little.
_DIRECTORY_BYTES = 2 * DISK_BYTES + _MIB
_DIRECTORY_FILES = 64
_CANARY = b"nobody but the owner of this machine deletes or changes this\n"


async def torture(seed: int, *, short: bool) -> Report:
    report = Report("hostile", seed, "--short" if short else "")
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch, _quiet():
        planner = ProgramPlanner()
        canary = Path(scratch) / "canary"
        canary.write_bytes(_CANARY)
        async with hosting(Path(scratch) / "data", planner, **SANDBOX) as service:
            loop = HostileLoop(report, service, planner, Path(scratch) / "data", canary)
            await loop.run(chosen(seed, short=short))
        files, untrue = await untrue_files(Path(scratch) / "data", loop.past_policy)
        for name in untrue:
            report.violation(f"the file of session {name} is not what the record has")
        report.figures = {**loop.figures(), "files": files}
    return report


def chosen(seed: int, *, short: bool) -> list[Attack]:
    """What is run, in which order: all of it, or a share of what is quick."""
    random = Random(f"hostile:{seed}")
    known = attacks.corpus(CORPUS)
    if not short:
        return random.sample([*known, *attacks.NASTY], len(known) + len(attacks.NASTY))
    quick = [attack for attack in known if not attack.heavy]
    past = [attack for attack in quick if attack.unlocked]
    contained = [attack for attack in quick if not attack.unlocked]
    nasty = [attack for attack in attacks.NASTY if not attack.heavy]
    picked = [*random.sample(contained, _SHORT), *past, *nasty]
    return random.sample(picked, len(picked))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the service logs of a thousand attacks is not what this is about."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=before)


@define
class HostileLoop:
    report: Report
    service: Service
    planner: ProgramPlanner
    data_root: Path
    canary: Path
    #: Names of the directories of sessions in which something has run past the policy.
    past_policy: set[str] = field(factory=set)
    _base_memory: int = 0
    _most_memory: int = 0
    _peak_memory: int = 0
    _end_memory: int = 0
    _slowest_health: float = 0.0
    _statuses: dict[int, int] = field(factory=dict)
    _victim: bytes = b""
    _victims_rows: str = ""
    _sessions: set[str] = field(factory=set)
    _outside: set[str] = field(factory=set)
    _beside: set[str] = field(factory=set)
    _attack: Attack | None = None

    def figures(self) -> dict[str, object]:
        return {
            "attacks": sum(self._statuses.values()),
            "statuses": dict(sorted(self._statuses.items())),
            "start_mib": self._base_memory // _MIB,
            "most_kept_mib": self._most_memory // _MIB,
            "end_mib": self._end_memory // _MIB,
            "slowest_health_ms": round(self._slowest_health * 1000),
        }

    async def run(self, attacks_: list[Attack]) -> None:
        await self.make_victim()
        for number, attack in enumerate(attacks_):
            self._attack = attack
            found = len(self.report.violations)
            before = self._peak_memory = _memory()
            for turn in range(attack.sessions):
                await self._run(attack, f"attacker-{number}-{turn}")
            self._check_memory(before)
            await self.check_others(f"new-{number}")
            if len(self.report.violations) > found:
                await self._heal()
        self._end_memory = _memory()

    async def _heal(self) -> None:
        """New workers, so that what an attack has left behind is not laid at the next one's door."""
        for pid in workers_of(os.getpid()):
            kill(pid)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(_HEAL_SECONDS):
            while not await self._ready():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.05)

    async def _ready(self) -> bool:
        health = await self._ask("GET", "/healthz", "health")
        return bool(health.json["workers"]["ready"])

    async def make_victim(self) -> None:
        """Whose data is looked at after each attack."""
        records = [{"name": f"v{number}", "of": "the victim"} for number in range(50)]
        await self._create(_VICTIM, records)
        self._victim = (await self._ask("GET", "/members", _VICTIM)).body
        self._victims_rows = await self._rows(_VICTIM)
        self._outside = {path.name for path in self._caches.iterdir() if not path.is_dir()}
        self._beside = {path.name for path in self.data_root.iterdir()}
        self._base_memory = _memory()

    async def _run(self, attack: Attack, session: str) -> None:
        await self._create(session, {"name": "kept"})
        before, rows = await self._ask("GET", "/members", session), await self._rows(session)
        self.planner.attack = attack
        answer = Answer(0, b"")
        health = asyncio.create_task(self._watch_health())
        try:
            for _ in range(attack.times):
                answer = await self._ask(attack.method, f"/{ATTACK}", session, self._body(attack))
                self._statuses[answer.status] = self._statuses.get(answer.status, 0) + 1
        finally:
            health.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await health
        after = await self._ask("GET", "/members", session)
        if attack.policy and answer.status >= 400:
            if (after.status, after.body) != (200, before.body):
                self._violation(f"{answer.status}, and its session went from {before.said} to {after.said}")
            if await self._rows(session) != rows:
                self._violation(f"{answer.status}, and the record has other rows of its own session")
        self._check_directory(session)
        if not attack.policy:
            self.past_policy.add(self._directory(session).name)
            self._read_with_tool(session)

    def _body(self, attack: Attack) -> object:
        if attack.method == "GET":
            return None
        victim = self._directory(_VICTIM).name
        return {"name": "a b\r\n/x", "id": 1, "canary": str(self.canary), "victim": victim}

    # --- what must hold -----------------------------------------------------------------------

    async def check_others(self, new_session: str) -> None:
        """The victim is unhurt, there is nothing new in anybody's place, and the service goes on."""
        body = self._victim
        answer = await self._ask("GET", "/members", _VICTIM)
        if (answer.status, answer.body) != (200, body):
            self._violation(f"the victim is answered {answer.said}")
        if await self._rows(_VICTIM) != self._victims_rows:
            self._violation("the record has other rows of the victim")
        await self._create(new_session, {"name": "new"})
        outside = {path.name for path in self._caches.iterdir()} - self._sessions
        if outside != self._outside:
            self._violation(f"among the sessions' files: {outside ^ self._outside}")
        beside = {path.name for path in self.data_root.iterdir()}
        if beside != self._beside:
            self._violation(f"in the data root: {beside ^ self._beside}")
        self._check_canary("by the guest")

    def _check_canary(self, how: str) -> None:
        if not self.canary.exists() or self.canary.read_bytes() != _CANARY:
            self._violation(f"a file outside the data root was deleted or changed {how}")
            self.canary.write_bytes(_CANARY)

    def _check_directory(self, session: str) -> None:
        used, files = 0, 0
        directory = self._directory(session)
        if not directory.is_dir():
            self._violation("its directory is not where it is looked for")
        for path in directory.rglob("*"):
            used += path.lstat().st_blocks * 512
            files += 1
        if used > _DIRECTORY_BYTES:
            self._violation(f"its directory takes {used // _MIB} MiB on the disk")
        if files > _DIRECTORY_FILES:
            self._violation(f"its directory has {files} files")

    def _check_memory(self, before: int) -> None:
        now = _memory()
        if now > before + _KEPT_BYTES:
            self._violation(f"the worker keeps {(now - before) // _MIB} MiB of memory")
        if self._peak_memory > before + _PEAK_BYTES + _KEPT_BYTES:
            self._violation(f"the worker had {(self._peak_memory - before) // _MIB} MiB more for a while")
        self._most_memory = max(self._most_memory, now)

    def _read_with_tool(self, session: str) -> None:
        """The export, as an operator would who wants to know what happened here."""
        with tempfile.TemporaryDirectory() as target:
            try:
                transfer.export(self._directory(session), Path(target))
            except transfer.FAILURES:
                pass
            except Exception as error:  # noqa: BLE001 - anything else is what is looked for
                self._violation(f"the export tool raises {type(error).__name__}: {error}")
        self._check_canary("by the export tool")

    async def _watch_health(self) -> None:
        while True:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(_HEALTH_SECONDS):
                    answer = await ask(self.service.address, "GET", "/healthz", "health")
                if answer.status != 200:
                    self._violation(f"/healthz answers {answer.status}")
            except (TimeoutError, Gone, Hung):
                self._violation("/healthz does not answer")
            self._peak_memory = max(self._peak_memory, _memory())
            self._slowest_health = max(self._slowest_health, time.perf_counter() - started)
            await asyncio.sleep(0.05)

    # --- the service --------------------------------------------------------------------------

    @property
    def _caches(self) -> Path:
        return self.data_root / CACHES

    async def _rows(self, session: str) -> str:
        """What the record has of a session: catalogue, records and kept answers, as text."""
        path = self.data_root / "scratch-rows"
        try:
            await self.service.keeper.call("rows", session=name_of(session), path=str(path))
            return await asyncio.to_thread(path.read_text, "utf-8")
        except RecordError as error:
            self._violation(f"the record cannot tell the rows of {session}: {error}")
            return ""
        finally:
            path.unlink(missing_ok=True)

    def _directory(self, session: str) -> Path:
        directory = directory_of(self.data_root, session)
        self._sessions.add(directory.name)
        return directory

    async def _create(self, session: str, body: object) -> None:
        self._directory(session)
        answer = await self._ask("POST", "/members", session, body)
        if answer.status != 201:
            self._violation(f"a write of session {session} is answered {answer.said}")

    async def _ask(self, method: str, target: str, session: str, body: object = None) -> Answer:
        """An answer in any case: status 0 where there was none, which is a violation of its own."""
        try:
            answer = await ask(self.service.address, method, target, session, body)
        except (Gone, Hung) as error:
            self._violation(f"{method} {target}: {type(error).__name__}")
            return Answer(0, b"")
        if answer.problem == "internal":
            self._violation(f"{method} {target}: {answer.said}")
        return answer

    def _violation(self, what: str) -> None:
        self.report.violation(f"[{self._attack.name if self._attack else 'start'}] {what}")


def _memory() -> int:
    """Bytes that the workers of this process have for themselves alone."""
    return sum(rss_bytes(pid, "RssAnon") for pid in workers_of(os.getpid()))
