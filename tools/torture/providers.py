"""Every way a provider fails, for every method, on the real service: its status, and nothing else hurt.

1. Without a fall-back each request ends in the status that `tools.simulators.faults` pins, as a problem
   document, after three calls at most; it has written nothing.
2. With one, conventions serve what they can read, and say so.
3. What is learned is served from what was learned, and `/healthz` answers, while the provider fails.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from tools.simulators import FAULTS, Answer, AnthropicSimulator, Fault, OpenAISimulator, asked, plan
from tools.torture.at_rest import read_at_rest
from tools.torture.planned import planned_service
from tools.torture.report import Report
from tools.torture.service import NotStarted
from tools.torture.wire import Gone, Hung, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.simulators import Simulator, Step
    from tools.torture import wire
    from tools.torture.service import ServiceProcess

_FAILING = [fault for fault in FAULTS if fault.reply_status is not None]
#: What a short run takes, of each provider: one for each status.
_SHORT = (Fault.HANG, Fault.RESET, Fault.WRONG_SCHEMA)
#: Method, rest of the path, body, and what conventions answer.
_METHODS: tuple[tuple[str, str, Any, int], ...] = (
    ("POST", "", [{"name": name} for name in ("Alice", "Bob", "Carol", "Dora")], 201),
    ("GET", "/1", None, 200),
    ("PUT", "/2", {"name": "Ben"}, 200),
    ("PATCH", "/3", {"name": "Cleo"}, 200),
    ("DELETE", "/4", None, 204),
)
_PLANNER = {"timeout_seconds": 2, "breaker_failures": 1_000}
_MOST_CALLS = 3
_WARM_UPS = 5
_HEALTH_SECONDS = 5.0
_SESSION = "matrix"
#: How the routes end that the provider knows.
_KNOWN = "-known"
_COUNT = "REPLY = make_response(200, store.count())"


async def torture(seed: int, *, short: bool) -> Report:
    report = Report("providers", seed, "--short" if short else "")
    matrix = Matrix(report)
    chosen = list(_SHORT if short else _FAILING)
    Random(f"providers:{seed}").shuffle(chosen)
    try:
        await asyncio.gather(*(matrix.run(each, chosen) for each in (OpenAISimulator, AnthropicSimulator)))
    except NotStarted as error:
        report.violation(f"the service did not start: {error}")
    report.figures = {"faults": len(chosen), **{name: matrix.told[name] for name in sorted(matrix.told)}}
    report.figures["slowest_health_ms"] = round(matrix.slowest_health * 1_000)
    return report


@frozen
class Case:
    """One fault in one service."""

    place: str
    service: ServiceProcess
    fault: Fault

    @property
    def words(self) -> str:
        """The fault's name as a path word, of small letters and dashes alone."""
        return self.fault.name.lower().replace("_", "-")


@define
class Matrix:
    report: Report
    told: Counter[str] = field(factory=Counter)
    slowest_health: float = 0.0

    async def run(self, provider: type[Simulator], faults: list[Fault]) -> None:
        """All faults of one provider, with a service that falls back and with one that does not."""
        async with AsyncExitStack() as running:
            simulator = await running.enter_async_context(provider())
            scratch = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
            services = [
                planned_service(
                    scratch / fallback,
                    simulator,
                    planner={**_PLANNER, "fallback": fallback},
                    sandbox={"workers": 1},
                )
                for fallback in ("none", "conventions")
            ]
            for service in services:
                running.push_async_callback(service.close)
                await service.start()
                await _warm_up(service, simulator)
            for fault in faults:
                simulator.script = _but_known(fault)
                place = f"{provider.__name__} {fault.name}"
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._without_fallback(Case(place, services[0], fault), simulator))
                    both.create_task(self._with_conventions(Case(place, services[1], fault)))

    async def _without_fallback(self, case: Case, simulator: Simulator) -> None:
        # A collection of its own: what the service remembers of one fault is no answer to the next.
        collection, known = f"/{case.words}-things", f"/{case.words}{_KNOWN}"
        await self._ask(case, "GET", known, None, 200, "planned")
        watch = asyncio.create_task(self._watch_health(case))
        async with asyncio.TaskGroup() as methods:
            for method, rest, body, _ in _METHODS:
                methods.create_task(self._fail(case, method, f"{collection}{rest}", body))
        await self._ask(case, "GET", known, None, 200, "learned")
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        calls = Counter(_asked_for(seen.body) for seen in simulator.requests)
        for method, rest, *_ in _METHODS:
            asked_for = (method, f"{collection}{'/{id:int}' if rest else ''}")
            if calls[asked_for] > _MOST_CALLS:
                self._violation(case, f"{method}: {calls[asked_for]} calls")
        found = read_at_rest(case.service.data_root, _SESSION, (collection[1:],))
        if found != {collection[1:]: []}:
            self._violation(case, f"something was written: {found}")

    async def _fail(self, case: Case, method: str, target: str, body: Any) -> None:
        answer = await self._ask(case, method, target, body, case.fault.reply_status)
        if answer is not None and answer.header("Content-Type") != "application/problem+json":
            self._violation(case, f"{method}: {answer.header('Content-Type')}")

    async def _with_conventions(self, case: Case) -> None:
        collection = f"/{case.words}-others"
        first, *others = _METHODS
        await self._ask(case, first[0], f"{collection}{first[1]}", first[2], first[3], "conventions")
        async with asyncio.TaskGroup() as methods:
            for method, rest, body, status in others:
                methods.create_task(
                    self._ask(case, method, f"{collection}{rest}", body, status, "conventions")
                )
            promote = f"{collection}/1/promote"
            methods.create_task(self._ask(case, "POST", promote, None, case.fault.reply_status))

    async def _ask(  # noqa: PLR0917 - a request, and the answer it has to have
        self,
        case: Case,
        method: str,
        target: str,
        body: Any,
        status: int | None,
        source: str = "",
    ) -> wire.Answer | None:
        """One request, and whether it ends as it has to."""
        try:
            answer = await ask(case.service.address, method, target, _SESSION, body)
        except (Gone, Hung) as error:
            self._violation(case, f"{method} {target}: {type(error).__name__}")
            return None
        self.told[str(answer.status)] += 1
        said = answer.header("X-Plan-Source")
        if answer.status != status or (source and said != source):
            self._violation(
                case, f"{method} {target}: {answer.said} {said}, and not {status} {source}".rstrip()
            )
        return answer

    async def _watch_health(self, case: Case) -> None:
        """Until cancelled."""
        while True:
            started = time.monotonic()
            try:
                answer = await ask(case.service.address, "GET", "/healthz", _SESSION)
            except (Gone, Hung) as error:
                self._violation(case, f"/healthz: {type(error).__name__}")
                return
            took = time.monotonic() - started
            self.slowest_health = max(self.slowest_health, took)
            if answer.status != 200 or took > _HEALTH_SECONDS:
                self._violation(case, f"/healthz: {answer.status} after {took:.2f} s")
            await asyncio.sleep(0.1)

    def _violation(self, case: Case, what: str) -> None:
        self.report.violation(f"[{case.place}] {what}")


async def _warm_up(service: ServiceProcess, simulator: Simulator) -> None:
    """The first call of a provider loads its client library, which can take longer than a call may."""
    simulator.script = _but_known(Fault.REFUSAL)
    for _ in range(_WARM_UPS):
        answer = await ask(service.address, "GET", f"/warm{_KNOWN}", _SESSION)
        if answer.status == 200:
            return
    raise NotStarted("it does not plan")


def _but_known(fault: Fault) -> Callable[[dict[str, Any]], Step]:
    """A model that knows one kind of route, and fails for all others."""

    def script(request: dict[str, Any]) -> Step:
        route = str(asked(request)["route"])
        return Answer(plan(route, _COUNT, route[1:])) if route.endswith(_KNOWN) else fault

    return script


def _asked_for(request: dict[str, Any]) -> tuple[str, str]:
    shape = asked(request)
    return str(shape["method"]), str(shape["route"])
