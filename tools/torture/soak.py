"""Minutes of traffic with a fault every few seconds: what is kept in memory, and what is lost.

1. Nothing that was acknowledged is lost, and the ledger's other rules hold, at the end and on the disk.
2. Memory does not grow: the slope of the private memory (RssAnon) after the warm-up, in MiB an hour, of the
   API process and of a worker that is never killed on purpose. Both go through all the other faults. Each
   round of faults gives one value, the median of its seconds; see `tools.torture.slope` for the rest.

The faults take turns: kill -9 of a worker, a disk that fails under one session, a hostile plan, a provider
that fails, clients that leave within a request. Sessions keep their size, because guests hold what they read
of them: what writers insert they delete again, and no request has an Idempotency-Key, whose answer would be
kept for a day. What the sessions hold on disk is measured like memory, to show that it is so.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter, deque
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import orjson
from attrs import define, field

from tools.http_corpus import request_bytes
from tools.processes import bytes_beside_guests, guests_in, rss_bytes
from tools.simulators import Answer, Fault, OpenAISimulator, asked, plan
from tools.torture import faults, served, wire, writers
from tools.torture import service as services
from tools.torture.at_rest import directory_of
from tools.torture.bank import model
from tools.torture.file_faults import Fault as FileFault
from tools.torture.file_faults import Injector, Kind
from tools.torture.ledger import LOST, TRANSFER, SessionLedger
from tools.torture.planned import bank_service
from tools.torture.report import Report
from tools.torture.service import NotStarted
from tools.torture.slope import by_stretches, slope
from tools.torture.wire import Gone, Hung, ask
from tools.torture.writers import Gate, Writer
from wasm_runtime.limits import GuestReuse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tools.simulators import Step
    from tools.torture.service import ServiceProcess
    from tools.torture.slope import Sample, Slope

MOST_MIB_AN_HOUR = 1.0
#: Fewer rounds of faults after the warm-up say nothing of a slope.
_SLOPE_NEEDS_ROUNDS = 6
#: The breaker stays shut: its 30 s would be the soak's own doing.
_PLANNER = {"timeout_seconds": 2, "breaker_failures": 1_000}
_SESSIONS = 4
_WRITERS = 8
#: In a worker: of the writers' sessions, of the stranger's, waiting, and one on its way in or out.
_MOST_GUESTS = _SESSIONS + 1 + GuestReuse().spare_guests + 1
_OWN_ENTRIES = 20
_PAUSE_SECONDS = 0.05
_SAMPLE_SECONDS = 1.0
#: The share of the run after which memory counts: caches, and the guests of all sessions, are there by then.
_WARM_UP = 0.3
_FAULT_SECONDS = 2.0
_MIB = 1024 * 1024
_HOUR = 3600.0
#: Plans that the policy lets pass and the sandbox has to end: work, memory, depth, a reply without end.
_HOSTILE = {
    "spin": "REPLY = make_response(200, 1)\nwhile True:\n    pass",
    "hoard": 'REPLY = make_response(200, 1)\nx = ["x" * 1000000]\nwhile True:\n    x = x + x\n',
    "nest": "x = []\nfor _ in range(100000):\n    x = [x]\nREPLY = make_response(200, x)",
    "babble": 'REPLY = make_response(200, "x" * 20000000)',
}
_PROVIDER_FAULTS = (Fault.RESET, Fault.UNAVAILABLE, Fault.NOT_JSON, Fault.TORN, Fault.TEN_MEGABYTES)


async def torture(seed: int, seconds: float, every: float) -> Report:
    """So many seconds of traffic, with a fault every so many."""
    report = Report("soak", seed, f"--minutes {seconds / 60:g} --every {every:g}")
    async with AsyncExitStack() as running:
        injector = Injector()
        service, simulator = await bank_service(
            running, planner=_PLANNER, sandbox={"workers": 2}, injector=injector
        )
        soak = Soak(report, service, injector, simulator, Random(f"soak:{seed}"))
        try:
            await service.start()
            await soak.run(seconds, every)
        except NotStarted as error:
            report.violation(f"the service did not start: {error}")
    return report


@define
class Course:
    """Something's size over time: seconds, and MiB. `measure` gives bytes; 0: there is nothing to measure.

    `parts`: how many large parts it has, each some MiB, that come and go with what happens. Samples say
    something of growth that have as many of them as most have; that parts do not grow in number is
    seen by counting them.
    """

    measure: Callable[[], int]
    parts: Callable[[], int] = lambda: 0
    samples: list[Sample] = field(factory=list)
    _counts: list[int] = field(factory=list)

    def take(self, at: float) -> None:
        size = self.measure()
        if size:
            self.samples.append((at, size / _MIB))
            self._counts.append(self.parts())

    @property
    def most_parts(self) -> int:
        return max(self._counts, default=0)

    def after(self, begin: float) -> list[Sample]:
        return [sample for sample in self.samples if sample[0] >= begin]

    def fifths(self, begin: float, seconds: float) -> str:
        """The median of each fifth of a run: whether it still grows, or has come to rest."""
        length = seconds / 5
        fifths = [self.after(begin + length * n) for n in range(5)]
        sizes = [[size for at, size in fifth if at < fifth[0][0] + length] for fifth in fifths]
        return "/".join(f"{statistics.median(size):.2f}" if size else "-" for size in sizes)

    def mib_an_hour(self, begin: float, round_seconds: float) -> Slope:
        counted = [(at, size, parts) for (at, size), parts in zip(self.samples, self._counts, strict=True)]
        usual = statistics.mode([parts for at, _, parts in counted if at >= begin] or [0])
        alike = [(at, size) for at, size, parts in counted if parts == usual]
        return slope(by_stretches(alike, begin, round_seconds)).times(_HOUR)


@define
class Soak:
    report: Report
    service: ServiceProcess
    injector: Injector
    simulator: OpenAISimulator
    random: Random
    told: Counter[str] = field(factory=Counter)
    done: Counter[str] = field(factory=Counter)
    _ledgers: dict[str, SessionLedger] = field(factory=dict)
    _writers: list[Writer] = field(factory=list)
    _courses: dict[str, Course] = field(factory=dict)
    #: The worker that is measured.
    _elder: int = 0
    _gate: Gate = field(factory=Gate)
    _number: int = 0

    async def run(self, seconds: float, every: float) -> None:
        self._ledgers = {f"soak-{number}": SessionLedger() for number in range(_SESSIONS)}
        self._writers = [self._writer(number) for number in range(_WRITERS)]
        self._elder = min(self.service.workers())
        self._courses = {
            "api": Course(lambda: rss_bytes(self.service.pid, "RssAnon")),
            "worker": Course(lambda: rss_bytes(self._elder, "RssAnon"), lambda: guests_in(self._elder)),
            "beside_guests": Course(lambda: bytes_beside_guests(self._elder), lambda: guests_in(self._elder)),
            "data": Course(self._data_bytes),
        }
        tasks = [asyncio.create_task(self._write(writer)) for writer in self._writers]
        tasks.append(asyncio.create_task(self._sample()))
        self._gate.open()
        begun = time.monotonic()
        try:
            await self._hurt(tasks, begun + seconds, every)
        finally:
            self._gate.shut()
            self.injector.lift()
            await self._gate.all_parked(_WRITERS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._check()
        self._judge(begun, seconds, every)

    def _writer(self, number: int) -> Writer:
        session = f"soak-{number % _SESSIONS}"
        refusals = writers.REFUSALS | faults.REFUSALS
        random = Random(self.random.random())
        ledger = self._ledgers[session]
        return Writer(
            *(f"w{number}", session, ledger, self.service, self._gate, random, self.told),
            refusals=refusals,
            insists=False,
        )

    # --- traffic ------------------------------------------------------------------------------

    async def _write(self, writer: Writer) -> None:
        """Until cancelled: insert, change, and delete the oldest, so that the session keeps its size."""
        while True:
            await writer.gate.passing()
            certain = [entry for entry in writer.own if entry.present == {True}]
            if len(certain) > _OWN_ENTRIES:
                await writer.cancel(certain[0])
            elif certain and writer.random.random() < 0.5:
                await writer.patch(writer.random.choice(certain))
            else:
                await writer.insert(TRANSFER)
            writer.own = [entry for entry in writer.own if entry.present != {False}][-2 * _OWN_ENTRIES :]
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _sample(self) -> None:
        while True:
            for course in self._courses.values():
                course.take(time.monotonic())
            await asyncio.sleep(_SAMPLE_SECONDS)

    def _data_bytes(self) -> int:
        databases = (directory_of(self.service.data_root, session) / "store.db" for session in self._ledgers)
        return sum(path.stat().st_size for path in databases if path.exists())

    # --- faults -------------------------------------------------------------------------------

    @property
    def _faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The kinds, which take turns; one turn of each is a round."""
        return {
            "kill": self._kill_worker,
            "disk": self._fail_files,
            "hostile": self._run_hostile_plan,
            "provider": self._fail_provider,
            "abort": self._leave_early,
        }

    async def _hurt(self, tasks: list[asyncio.Task[None]], end: float, every: float) -> None:
        turns = deque(self._faults.items())
        left = len(turns)  # a slow machine gets to each of them, too
        while left > 0 or time.monotonic() < end:
            left -= 1
            due = time.monotonic() + every
            name, fault = turns[0]
            turns.rotate(-1)
            self.done[name] += 1
            await fault()
            for task in tasks:
                if task.done():
                    task.result()  # it has no end of its own but an error
            await asyncio.sleep(max(min(due, end) - time.monotonic(), 0))

    async def _kill_worker(self) -> None:
        others = [pid for pid in self.service.workers() if pid != self._elder]
        if others:
            services.kill(self.random.choice(sorted(others)))

    async def _fail_files(self) -> None:
        session = self.random.choice(sorted(self._ledgers))
        kind = self.random.choice(list(Kind))
        directory = str(directory_of(self.service.data_root, session))
        lasting = self.random.random() < 0.5
        self.injector.arm(FileFault(kind, self.random.randint(1, 60), lasting, directory))
        await asyncio.sleep(_FAULT_SECONDS)
        self.injector.lift()
        self.done["failed_operations"] += len(self.injector.failed)

    async def _run_hostile_plan(self) -> None:
        name = self.random.choice(sorted(_HOSTILE))
        self.simulator.script = _or_else(f"/{name}-plans", Answer(_hostile_plan(name)))
        await self._ask_stranger("POST", f"/{name}-plans", {"n": 1})
        self.simulator.script = model
        # An honest request has to work then. And the session has a guest again, whatever the plan was: each
        # holds a MiB or more.
        await self._ask_stranger("GET", "/debits", None, wrong=range(300, 600))

    async def _fail_provider(self) -> None:
        fault = self.random.choice(_PROVIDER_FAULTS)
        route = "/" + fault.name.lower().replace("_", "-")
        self.simulator.script = _or_else(route, fault)
        await self._ask_stranger("POST", route, {"n": 1})
        self.simulator.script = model

    async def _ask_stranger(
        self, method: str, target: str, body: Any, *, wrong: range = range(200, 400)
    ) -> None:
        """A request that has to end, in an error or in anything else but the `wrong` statuses."""
        try:
            answer = await ask(self.service.address, method, target, "stranger", body)
        except (Gone, Hung) as error:
            self.report.violation(f"{method} {target}: {type(error).__name__}")
            return
        self.done[f"stranger_{answer.status}"] += 1
        if answer.status in wrong:
            self.report.violation(f"{method} {target}: {answer.said}")

    async def _leave_early(self) -> None:
        """Writes whose clients are gone, before the last byte or after it: they happened, or they did not."""
        session = self.random.choice(sorted(self._ledgers))
        for _ in range(10):
            self._number += 1
            key = f"aborted-{self._number}"
            self._ledgers[session].perhaps_inserted(self._ledgers[session].begin(key, TRANSFER))
            headers = (("X-Session-ID", session), ("Content-Type", "application/json"))
            data = request_bytes("POST", "/transfers", headers, orjson.dumps({"key": key}))
            sent = self.random.choice([len(data) // 2, len(data)])
            with suppress(OSError):
                await wire.reset(self.service.address, data[:sent])

    # --- what must hold -----------------------------------------------------------------------

    async def _check(self) -> None:
        for session, ledger in self._ledgers.items():
            for wrong in await served.wrong_with(self.service, session, ledger):
                self.done["lost"] += LOST in wrong
                self.report.violation(f"[{session}] {wrong}")

    def _judge(self, begun: float, seconds: float, every: float) -> None:
        begin, a_round = begun + _WARM_UP * seconds, len(self._faults) * every
        figures: dict[str, object] = {"seconds": round(time.monotonic() - begun)}
        for name, course in self._courses.items():
            growth = course.mib_an_hour(begin, a_round)
            figures[f"{name}_mib"] = course.fifths(begun, seconds)
            figures[f"{name}_mib_an_hour"] = growth
            if (
                seconds * (1 - _WARM_UP) >= _SLOPE_NEEDS_ROUNDS * a_round
                and growth.estimate > MOST_MIB_AN_HOUR
            ):
                self.report.violation(f"{name} grows by {growth} MiB an hour; at most {MOST_MIB_AN_HOUR}")
        if self._elder not in self.service.workers():
            self.report.violation("the worker that nobody kills has died")
        figures["most_guests"] = guests = self._courses["worker"].most_parts
        if guests > _MOST_GUESTS:
            self.report.violation(f"a worker had {guests} guests; at most {_MOST_GUESTS}")
        figures["lost"] = self.done.pop("lost", 0)
        self.report.figures = {**figures, **dict(sorted((self.told + self.done).items()))}


def _or_else(route: str, step: Step) -> Callable[[dict[str, Any]], Step]:
    """The model, but for one route."""

    def script(request: dict[str, Any]) -> Step:
        return step if asked(request)["route"] == route else model(request)

    return script


def _hostile_plan(name: str) -> dict[str, Any]:
    return plan(f"/{name}-plans", _HOSTILE[name], "plans")
